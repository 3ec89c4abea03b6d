/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What SetOption takes, refuses and ignores (c-abi.md section 2). */
#define _POSIX_C_SOURCE 200809L

#include "scenarios.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/prov_security_factory.h"

#define SOME_KEY "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="

#define TAKEN PROV_DEVICE_RESULT_OK
#define REFUSED PROV_DEVICE_RESULT_ERROR

static const bool NO = false;
static const bool YES = true;
static const uint8_t FIVE_SECONDS = 5;
static const uint8_t NO_LIMIT = 0;
static const int TLS_ANY = 0;
static const int TLS_1_0 = 10;
static const int TLS_1_1 = 11;
static const int TLS_1_2 = 12;
static const int TLS_1_3 = 13;
static const int TLS_ODD = 77;
static const int SECONDS = 30;
static const OPTION_OPENSSL_KEY_TYPE PEM_KEY = KEY_TYPE_DEFAULT;
static const OPTION_OPENSSL_KEY_TYPE ENGINE_KEY = KEY_TYPE_ENGINE;
static const HTTP_PROXY_OPTIONS PLAIN_PROXY = { "proxy.localhost", 3128, NULL, NULL };
static const HTTP_PROXY_OPTIONS KNOWN_PROXY = { "proxy.localhost", 3128, "user", "word" };
static const HTTP_PROXY_OPTIONS NOWHERE_PROXY = { NULL, 3128, NULL, NULL };
static const HTTP_PROXY_OPTIONS HALF_PROXY = { "proxy.localhost", 3128, "user", NULL };
static const HTTP_PROXY_OPTIONS OTHER_HALF_PROXY = { "proxy.localhost", 3128, NULL, "word" };
static const HTTP_PROXY_OPTIONS NO_PORT_PROXY = { "proxy.localhost", 0, NULL, NULL };
static const HTTP_PROXY_OPTIONS BAD_PORT_PROXY = { "proxy.localhost", 65536, NULL, NULL };

typedef struct ROW_TAG
{
    const char* name;
    const void* value;
    PROV_DEVICE_RESULT expected;
} ROW;

/* For a client with a symmetric key, before Register. Each row twice: what is taken once is not
 * here. */
static const ROW TABLE[] = {
    { "logtrace", &NO, TAKEN },
    { "provisioning_timeout", &FIVE_SECONDS, TAKEN },
    { "provisioning_timeout", &NO_LIMIT, TAKEN },
    { "TrustedCerts", "not a PEM", TAKEN },
    { "proxy_data", &PLAIN_PROXY, TAKEN },
    { "proxy_data", &KNOWN_PROXY, TAKEN },
    { "proxy_data", &NOWHERE_PROXY, REFUSED },
    { "proxy_data", &HALF_PROXY, REFUSED },
    { "proxy_data", &OTHER_HALF_PROXY, REFUSED },
    { "proxy_data", &NO_PORT_PROXY, REFUSED },
    { "proxy_data", &BAD_PORT_PROXY, REFUSED },
    { "tls_version", &TLS_ANY, TAKEN },
    { "tls_version", &TLS_1_0, TAKEN },
    { "tls_version", &TLS_1_1, TAKEN },
    { "tls_version", &TLS_1_2, TAKEN },
    { "tls_version", &TLS_1_3, TAKEN },
    { "tls_version", &TLS_ODD, TAKEN },
    /* Of the other kind of proof. */
    { "x509certificate", "PEM", REFUSED },
    { "x509privatekey", "PEM", REFUSED },
    { "x509EccCertificate", "PEM", REFUSED },
    { "x509EccAliasKey", "PEM", REFUSED },
    /* Taken, without effect. */
    { "CipherSuite", "ECDHE-ECDSA-AES256-GCM-SHA384", TAKEN },
    { "tls_renegotiation", &YES, TAKEN },
    { "x509PrivatekeyType", &PEM_KEY, TAKEN },
    { "ADDRESS_TYPE", "IP_SOCKET", TAKEN },
    { "ignore_host_name_check", &NO, TAKEN },
    /* Not to be had, and said so. */
    { "x509PrivatekeyType", &ENGINE_KEY, REFUSED },
    { "ADDRESS_TYPE", "DOMAIN_SOCKET", REFUSED },
    { "ignore_host_name_check", &YES, REFUSED },
    { "Engine", "pkcs11", REFUSED },
    { "tls_validation_callback", &YES, REFUSED },
    { "tls_validation_callback_data", &YES, REFUSED },
    { "tcp_keepalive", &SECONDS, REFUSED },
    { "tcp_keepalive_time", &SECONDS, REFUSED },
    { "tcp_keepalive_interval", &SECONDS, REFUSED },
    { "net_interface_mac_address", "00:00:00:00:00:00", REFUSED },
    { "underlying_io_options", &YES, REFUSED },
    { "concreteOptions", &YES, REFUSED },
    { "WSIOOptions", &YES, REFUSED },
    { "uWSClientOptions", &YES, REFUSED },
    /* Unknown here and there. */
    { "", "value", REFUSED },
    { "trustedcerts", "value", REFUSED },
    { "x509PrivateKeyType", &PEM_KEY, REFUSED },
    { "SetDeviceId", &SECONDS, REFUSED },
    { "debug_log", &YES, REFUSED },
    { "timeout", &SECONDS, REFUSED },
    { "CURLOPT_LOW_SPEED_LIMIT", &SECONDS, REFUSED },
    { "disable_crl", &YES, REFUSED },
    { "nonsense", "value", REFUSED },
};
#define ROWS (sizeof(TABLE) / sizeof(TABLE[0]))

/* The whole table, forwards and backwards: the order does not matter. */
void options_table(void)
{
    const PROV_DEVICE_RESULT null_value = arguments.threaded ? PROV_DEVICE_RESULT_INVALID_ARG : REFUSED;
    CLIENT client;
    size_t index;

    use_key("device", SOME_KEY);
    client = client_create("localhost", "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(client_failure(client).result, PROV_DEVICE_RESULT_OK);
    CHECK(strcmp(client_error(client), "") == 0);
    for (index = 0; index < 2 * ROWS; index++)
    {
        const ROW* row = &TABLE[index < ROWS ? index : 2 * ROWS - 1 - index];
        PROV_DEVICE_RESULT result = client_set_option(client, row->name, row->value);
        if (result != row->expected)
        {
            printf("option \"%s\", row %d\n", row->name, (int)(row - TABLE));
        }
        CHECK_EQ(result, row->expected);
        if (row->expected == REFUSED)
        {
            CHECK_EQ(client_failure(client).result, REFUSED);
            CHECK(strstr(client_error(client), strstr(row->name, "Ecc") != NULL ? "x509" : row->name) != NULL);
            CHECK(strstr(client_error(client), "word") == NULL || strstr(client_error(client), "password") != NULL);
        }
        CHECK_EQ(client_set_option(client, row->name, NULL), null_value);
    }
    client_destroy(client);
}

/* c-abi.md sections 2.1 and 2.3. */
void options(void)
{
    bool trace = false;
    uint8_t timeout = 5;
    uint16_t pause = 20;
    DPS_POLICY policy;
    CLIENT client;
    RECORD record;
    char uri[32];

    use_key("device", SOME_KEY);
    client = client_create("localhost", "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, PROV_OPTION_DO_WORK_FREQUENCY_IN_MS, &pause),
             arguments.threaded ? PROV_DEVICE_RESULT_OK : PROV_DEVICE_RESULT_ERROR);

    /* The id: once. */
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "by-option"), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "again"), PROV_DEVICE_RESULT_ERROR);

    CHECK_EQ(client_set_payload(client, "{\"a\":1}"), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_payload(client, "not JSON"), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_payload(client, NULL), PROV_DEVICE_RESULT_OK);
    CHECK(client_get_payload(client) == NULL);

    policy.size = sizeof(policy);
    if (arguments.threaded)
    {
        CHECK_EQ(dps_get_policy(client.threaded, &policy), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(dps_set_policy(client.threaded, &policy), PROV_DEVICE_RESULT_OK);
    }
    else
    {
        CHECK_EQ(dps_ll_get_policy(client.ll, &policy), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(dps_ll_set_policy(client.ll, &policy), PROV_DEVICE_RESULT_OK);
    }
    CHECK_EQ(policy.deadline_ms, 0);
    CHECK_EQ(policy.silence_ms, 60000);
    CHECK_EQ(policy.max_connections, 3);
    client_destroy(client);

    /* Not while a registration is under way, nor after one has loaded the id. */
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", silent_port(NULL));
    client = client_create(uri, "0ne1");
    record_init(&record);
    begin(client, &record);
    work_for(client, 50);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "late"), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(client, OPTION_TLS_VERSION, &TLS_1_2), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(client, PROV_OPTION_LOG_TRACE, &trace), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, "not a PEM"), PROV_DEVICE_RESULT_OK);
    /* Accepted in flight, and effective: the silent server is given up. */
    timeout = 1;
    CHECK_EQ(client_set_option(client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TIMEOUT);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "late"), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(client, OPTION_TLS_VERSION, &TLS_1_2), PROV_DEVICE_RESULT_OK);
    client_destroy(client);
}

static char* copy_of(const char* text)
{
    char* copy = malloc(strlen(text) + 1);
    CHECK(copy != NULL);
    strcpy(copy, text);
    return copy;
}

static void spoil_and_free(char* text)
{
    memset(text, 'x', strlen(text));
    free(text);
}

static bool is_readable(int descriptor)
{
    struct pollfd wanted;
    wanted.fd = descriptor;
    wanted.events = POLLIN;
    return poll(&wanted, 1, 0) == 1;
}

/* Plays the proxy: takes the request of one connection and refuses it. */
static void refuse_tunnel(CLIENT client, int listening, const char* reply, char* request, size_t room)
{
    size_t length = 0;
    uint64_t began = now_ms();
    int accepted;

    while (!is_readable(listening))
    {
        CHECK(is_within(began, 30000));
        client_work(client);
    }
    accepted = accept(listening, NULL, NULL);
    CHECK(accepted >= 0);
    request[0] = '\0';
    while (strstr(request, "\r\n\r\n") == NULL)
    {
        CHECK(is_within(began, 30000));
        client_work(client);
        if (is_readable(accepted))
        {
            ssize_t count = read(accepted, request + length, room - 1 - length);
            CHECK(count > 0);
            length += (size_t)count;
            request[length] = '\0';
        }
    }
    CHECK(write(accepted, reply, strlen(reply)) == (ssize_t)strlen(reply));
    close(accepted);
}

/* The proxy of the option is the one that is asked, with texts that are the library's own: the
 * program's are gone when the connection is opened. */
void proxy(void)
{
    static const char DENIED[] = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    static const char FORBIDDEN[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    HTTP_PROXY_OPTIONS* options = malloc(sizeof(*options));
    char* host = copy_of("127.0.0.1");
    char* username = copy_of("some user");
    char* password = copy_of("pass:word");
    char request[4096];
    CLIENT client;
    RECORD record;
    int listening = -1;
    unsigned short port = silent_port(&listening);

    CHECK(options != NULL);
    use_key("device", SOME_KEY);
    /* A name that leads nowhere: the proxy looks it up. */
    client = client_create("service.invalid:8883", "0ne1");
    options->host_address = host;
    options->port = port;
    options->username = username;
    options->password = password;
    /* An option before it, and one after it: with the original the first of these hid the proxy. */
    CHECK_EQ(client_set_option(client, OPTION_TLS_VERSION, &TLS_1_2), TAKEN);
    CHECK_EQ(client_set_option(client, OPTION_HTTP_PROXY, options), TAKEN);
    CHECK_EQ(client_set_option(client, OPTION_OPENSSL_CIPHER_SUITE, "DEFAULT"), TAKEN);
    spoil_and_free(host);
    spoil_and_free(username);
    spoil_and_free(password);
    memset(options, 'x', sizeof(*options));
    free(options);

    record_init(&record);
    begin(client, &record);
    refuse_tunnel(client, listening, DENIED, request, sizeof(request));
    CHECK(strstr(request, "CONNECT service.invalid:8883 HTTP/1.1\r\n") == request);
    /* "some user:pass:word" */
    CHECK(strstr(request, "Basic c29tZSB1c2VyOnBhc3M6d29yZA==\r\n") != NULL);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    CHECK_EQ(record.connected, 0);
    CHECK(strcmp(client_failure(client).stage, "proxy") == 0);
    CHECK(strstr(client_error(client), "407") != NULL);
    CHECK(strstr(client_error(client), "pass:word") == NULL);
    printf("%s\n", client_error(client));

    /* Another one takes its place. */
    {
        HTTP_PROXY_OPTIONS plain = { "127.0.0.1", 0, NULL, NULL };
        plain.port = port;
        CHECK_EQ(client_set_option(client, OPTION_HTTP_PROXY, &plain), TAKEN);
    }
    record_init(&record);
    begin(client, &record);
    refuse_tunnel(client, listening, FORBIDDEN, request, sizeof(request));
    CHECK(strstr(request, "CONNECT service.invalid:8883 HTTP/1.1\r\n") == request);
    CHECK(strstr(request, "Basic") == NULL);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    CHECK(strstr(client_error(client), "403") != NULL);
    client_destroy(client);
    close(listening);
}
