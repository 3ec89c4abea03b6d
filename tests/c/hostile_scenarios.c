/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What no program should do: every function with every wrong argument, at the wrong time. Each call
 * ends with its documented result. */
#define _POSIX_C_SOURCE 200809L

#include "scenarios.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/internal/iothub_auth_client.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "certificates.h"

#define SOME_KEY "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="
#define FIRST_POLICY offsetof(DPS_POLICY, all_statuses)
#define MEGABYTE ((size_t)1024 * 1024)

static const PROV_DEVICE_TRANSPORT_PROVIDER* no_transport(void)
{
    return NULL;
}

static char* long_text(char letter)
{
    char* text = malloc(MEGABYTE + 1);
    CHECK(text != NULL);
    memset(text, letter, MEGABYTE);
    text[MEGABYTE] = '\0';
    return text;
}

/* Registers, and expects a failure whose texts stay within reason. */
static PROV_DEVICE_RESULT failing_result(CLIENT client)
{
    RECORD record;
    register_and_finish(client, &record);
    CHECK(record.result != PROV_DEVICE_RESULT_OK);
    CHECK_EQ(record.connected, 0);
    CHECK(strlen(client_error(client)) > 0);
    CHECK(strlen(client_error(client)) < 4096);
    return record.result;
}

/* Names, scopes, ids, keys and payloads: empty, of a megabyte, not UTF-8, with control characters. */
void hostile_texts(void)
{
    char* letters = long_text('a');
    char* marks = long_text('%');
    char* bytes = long_text('\xFF');
    const char* const texts[] = { "", letters, marks, bytes, "\xC3\x28", "\r\nX-Header: 1", "a b", "%s%n%x", "../../etc", "\x01\x02" };
    size_t index;

    for (index = 0; index < sizeof(texts) / sizeof(texts[0]); index++)
    {
        const char* text = texts[index];
        PROV_DEVICE_RESULT result;
        CLIENT client;

        /* As the service's name. */
        use_key("device", SOME_KEY);
        client = client_create(text, "0ne1");
        CHECK(client_exists(client));
        if (text != texts[1])
        {
            CHECK_EQ(failing_result(client), PROV_DEVICE_RESULT_TRANSPORT);
        }
        client_destroy(client);

        /* As the ID scope, the id by option, and a payload that is no JSON. */
        client = client_create("localhost:1", text);
        CHECK(client_exists(client));
        CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, text), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_payload(client, text), PROV_DEVICE_RESULT_OK);
        CHECK(client_get_payload(client) == NULL);
        CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, text), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_option(client, text, "value"), PROV_DEVICE_RESULT_ERROR);
        CHECK(strlen(client_error(client)) < 4096);
        result = failing_result(client);
        CHECK(result == PROV_DEVICE_RESULT_DEV_AUTH_ERROR || result == PROV_DEVICE_RESULT_TRANSPORT);
        client_destroy(client);

        /* As the name and the key given with it. */
        use_key(text, text);
        CHECK(prov_dev_get_symmetric_key() != NULL);
        CHECK(prov_dev_get_symm_registration_name() != NULL);
        if (strchr(text, '\xFF') == NULL && strchr(text, '\xC3') == NULL)
        {
            /* What is not UTF-8 is told with replacement characters. */
            CHECK(strcmp(prov_dev_get_symmetric_key(), text) == 0);
            CHECK(strcmp(prov_dev_get_symm_registration_name(), text) == 0);
        }
        client = client_create("localhost:1", "0ne1");
        result = failing_result(client);
        CHECK(result == PROV_DEVICE_RESULT_DEV_AUTH_ERROR || result == PROV_DEVICE_RESULT_TRANSPORT);
        /* Nothing of the key is told. */
        CHECK(text[0] == '\0' || strlen(text) < 8 || strstr(client_error(client), text) == NULL);
        client_destroy(client);
    }
    free(letters);
    free(marks);
    free(bytes);
}

static void never_called(PROV_DEVICE_RESULT result, const char* hub, const char* device_id, void* context)
{
    (void)result;
    (void)hub;
    (void)device_id;
    (void)context;
    CHECK(!"this callback must not be called");
}

/* Every function with handles of every wrong kind: destroyed ones, of the other client, of the hub's
 * credentials, addresses of the program's own memory, and numbers. */
void hostile_handles(void)
{
    DEVICE_AUTH_CREDENTIAL_INFO info;
    PROV_DEVICE_LL_HANDLE ll;
    PROV_DEVICE_HANDLE threaded;
    IOTHUB_SECURITY_HANDLE hub;
    DPS_FAILURE failure;
    DPS_POLICY policy;
    void* handles[9];
    int local = 0;
    size_t index;

    use_key("device", SOME_KEY);
    memset(&info, 0, sizeof(info));
    info.dev_auth_type = AUTH_TYPE_SAS;
    info.sas_info.token_scope = "scope";
    ll = Prov_Device_LL_Create("localhost:1", "0ne1", Prov_Device_MQTT_Protocol);
    threaded = Prov_Device_Create("localhost:1", "0ne1", Prov_Device_HTTP_Protocol);
    hub = iothub_device_auth_create();
    CHECK(ll != NULL && threaded != NULL && hub != NULL);
    handles[0] = NULL;
    handles[1] = ll;
    handles[2] = threaded;
    handles[3] = hub;
    handles[4] = &local;
    handles[5] = (void*)(uintptr_t)UINTPTR_MAX;
    handles[6] = (void*)(uintptr_t)1;
    handles[7] = (void*)Prov_Device_MQTT_Protocol();
    handles[8] = (void*)"text";
    for (index = 0; index < sizeof(handles) / sizeof(handles[0]); index++)
    {
        PROV_DEVICE_LL_HANDLE as_ll = handles[index];
        PROV_DEVICE_HANDLE as_threaded = handles[index];
        IOTHUB_SECURITY_HANDLE as_hub = handles[index];

        if (as_ll != ll)
        {
            Prov_Device_LL_Destroy(as_ll);
            Prov_Device_LL_DoWork(as_ll);
            CHECK_EQ(Prov_Device_LL_Register_Device(as_ll, never_called, NULL, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(Prov_Device_LL_Register_Device(as_ll, NULL, NULL, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(Prov_Device_LL_SetOption(as_ll, PROV_REGISTRATION_ID, "x"), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(Prov_Device_LL_SetOption(as_ll, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(Prov_Device_LL_Set_Provisioning_Payload(as_ll, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK(Prov_Device_LL_Get_Provisioning_Payload(as_ll) == NULL);
            policy.size = sizeof(policy);
            CHECK_EQ(dps_ll_get_policy(as_ll, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(dps_ll_set_policy(as_ll, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(dps_ll_set_policy(as_ll, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK(dps_ll_last_error(as_ll) != NULL);
            failure.size = sizeof(failure);
            CHECK_EQ(dps_ll_last_failure(as_ll, &failure), as_ll == NULL ? PROV_DEVICE_RESULT_OK : PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(dps_ll_last_failure(as_ll, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
        }
        if (as_threaded != threaded)
        {
            Prov_Device_Destroy(as_threaded);
            CHECK_EQ(Prov_Device_Register_Device(as_threaded, never_called, NULL, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(Prov_Device_Register_Device(as_threaded, NULL, NULL, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(Prov_Device_SetOption(as_threaded, PROV_REGISTRATION_ID, "x"), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(Prov_Device_Set_Provisioning_Payload(as_threaded, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK(Prov_Device_Get_Provisioning_Payload(as_threaded) == NULL);
            policy.size = sizeof(policy);
            CHECK_EQ(dps_get_policy(as_threaded, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK_EQ(dps_set_policy(as_threaded, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
            CHECK(dps_last_error(as_threaded) != NULL);
            CHECK_EQ(dps_last_failure(as_threaded, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
        }
        if (as_hub != hub)
        {
            iothub_device_auth_destroy(as_hub);
            CHECK_EQ(iothub_device_auth_get_type(as_hub), AUTH_TYPE_UNKNOWN);
            CHECK(iothub_device_auth_generate_credentials(as_hub, &info) == NULL);
            CHECK(iothub_device_auth_generate_credentials(as_hub, NULL) == NULL);
        }
    }
    /* The good ones have not suffered. */
    CHECK_EQ(Prov_Device_LL_Set_Provisioning_Payload(ll, "{}"), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(Prov_Device_Set_Provisioning_Payload(threaded, "{}"), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(iothub_device_auth_get_type(hub), AUTH_TYPE_SYMM_KEY);
    Prov_Device_LL_Destroy(ll);
    Prov_Device_Destroy(threaded);
    iothub_device_auth_destroy(hub);
    /* And are of the wrong kind themselves from now on. */
    CHECK_EQ(Prov_Device_LL_Set_Provisioning_Payload(ll, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(Prov_Device_Set_Provisioning_Payload(threaded, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(iothub_device_auth_get_type(hub), AUTH_TYPE_UNKNOWN);

    CHECK(Prov_Device_LL_Create("localhost", "0ne1", no_transport) == NULL);
    CHECK(Prov_Device_Create("localhost", "0ne1", no_transport) == NULL);
    CHECK(prov_dev_security_init((SECURE_DEVICE_TYPE)99) != 0);
    CHECK(iothub_security_init((IOTHUB_SECURITY_TYPE)-7) != 0);
    CHECK(prov_dev_set_symmetric_key_info(NULL, NULL) != 0);
    CHECK(iothub_security_set_symmetric_key_info(NULL, NULL) != 0);
}

static const char* const NAMES[] = {
    "registration_id", "logtrace", "provisioning_timeout", "TrustedCerts", "proxy_data", "x509certificate",
    "x509privatekey", "x509EccCertificate", "x509EccAliasKey", "tls_version", "CipherSuite", "tls_renegotiation",
    "x509PrivatekeyType", "ADDRESS_TYPE", "ignore_host_name_check", "Engine", "tcp_keepalive", "nonsense",
};
#define OPTIONS (sizeof(NAMES) / sizeof(NAMES[0]))

/* Every option with NULL and with odd values, at every time: before, under way, in between. */
void hostile_options(void)
{
    const PROV_DEVICE_RESULT null_value = arguments.threaded ? PROV_DEVICE_RESULT_INVALID_ARG : PROV_DEVICE_RESULT_ERROR;
    /* Enough for whatever type an option's value has, and a C string too. */
    static uint64_t odd[64];
    char uri[32];
    CLIENT client;
    RECORD record;
    DPS_POLICY policy;
    size_t phase;
    size_t index;

    memset(odd, 0x7F, sizeof(odd));
    odd[63] = 0;
    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", silent_port(NULL));
    client = client_create(uri, "0ne1");
    for (phase = 0; phase < 3; phase++)
    {
        if (phase == 1)
        {
            record_init(&record);
            begin(client, &record);
            work_for(client, 20);
        }
        for (index = 0; index < OPTIONS; index++)
        {
            PROV_DEVICE_RESULT result;
            CHECK_EQ(client_set_option(client, NAMES[index], NULL), null_value);
            if (strcmp(NAMES[index], "proxy_data") == 0 || strcmp(NAMES[index], "logtrace") == 0)
            {
                /* Their values have pointers, or only two legal bytes. */
                continue;
            }
            result = client_set_option(client, NAMES[index], odd);
            CHECK(result == PROV_DEVICE_RESULT_OK || result == PROV_DEVICE_RESULT_ERROR);
            CHECK(strlen(client_error(client)) < 4096);
        }
        {
            static const HTTP_PROXY_OPTIONS BAD[] = {
                { "", 80, NULL, NULL }, { "http://x", 80, NULL, NULL }, { "x", -1, NULL, NULL },
                { "x", 80, "a:b", "c" }, { "\xFF", 80, NULL, NULL }, { "x", 80, "\xFF", "\xFF" }, { "x\r\ny", 80, NULL, NULL },
            };
            for (index = 0; index < sizeof(BAD) / sizeof(BAD[0]); index++)
            {
                PROV_DEVICE_RESULT result = client_set_option(client, OPTION_HTTP_PROXY, &BAD[index]);
                if (result != PROV_DEVICE_RESULT_ERROR)
                {
                    printf("proxy %d\n", (int)index);
                }
                CHECK_EQ(result, PROV_DEVICE_RESULT_ERROR);
            }
        }
        if (phase == 1)
        {
            const uint8_t timeout = 1;
            CHECK_EQ(client_set_option(client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
            finish(&record);
        }
    }
    /* Policies with impossible members change nothing. */
    policy = client_policy(client);
    policy.size = 7;
    CHECK_EQ(client.ll != NULL ? dps_ll_set_policy(client.ll, &policy) : dps_set_policy(client.threaded, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
    memset(&policy, 0xFF, sizeof(policy));
    policy.size = sizeof(policy);
    CHECK_EQ(client.ll != NULL ? dps_ll_set_policy(client.ll, &policy) : dps_set_policy(client.threaded, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
    policy = client_policy(client);
    CHECK_EQ(policy.silence_ms, 60000);
    client_destroy(client);
}

/* ---- callbacks that call everything, with their own handle and with others ---- */

static CLIENT bystander;

static void everything(RECORD* record)
{
    const uint8_t timeout = 9;
    const bool trace = false;
    CLIENT made;
    RECORD other;
    char uri[32];

    record_init(&other);
    CHECK_EQ(client_register(record->client, &other), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(record->client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(record->client, PROV_OPTION_LOG_TRACE, &trace), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(record->client, "nonsense", &trace), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_payload(record->client, "{}"), PROV_DEVICE_RESULT_OK);
    CHECK(client_get_payload(record->client) == NULL);
    CHECK(client_error(record->client) != NULL);
    (void)client_policy(record->client);
    if (record->client.ll != NULL)
    {
        Prov_Device_LL_DoWork(record->client.ll);
    }
    /* A client of its own, from beginning to end. */
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", closed_port());
    use_key("other", SOME_KEY);
    made = client_create(uri, "0ne1");
    CHECK(client_exists(made));
    register_and_finish(made, &other);
    CHECK_EQ(other.result, PROV_DEVICE_RESULT_TRANSPORT);
    client_destroy(made);
    /* Somebody else's. */
    CHECK_EQ(client_set_payload(bystander, "{}"), PROV_DEVICE_RESULT_OK);
    client_destroy(bystander);
    CHECK_EQ(client_set_payload(bystander, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
    /* And the security state under way. */
    prov_dev_security_deinit();
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
}

static void everything_in_register(RECORD* record, PROV_DEVICE_RESULT result)
{
    CHECK_EQ(result, PROV_DEVICE_RESULT_TRANSPORT);
    everything(record);
    client_destroy(record->client);
    client_destroy(record->client);
    CHECK_EQ(client_set_payload(record->client, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
}

void hostile_callbacks(void)
{
    CLIENT client;
    RECORD record;
    char uri[32];

    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", closed_port());
    bystander = client_create(uri, "0ne1");
    client = client_create(uri, "0ne1");
    record_init(&record);
    record.in_register = everything_in_register;
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    work_for(client, 20);
    CHECK_EQ(record.finished, 1);
}

/* The library keeps copies: what a program gave may be gone as soon as the call has returned, and its
 * bounds are kept (the address sanitizer looks on). */
void hostile_memory(void)
{
    static const char TEXT[] = "exactly-as-long-as-it-is";
    char uri[32];
    CLIENT client;
    RECORD record;
    int round;

    snprintf(uri, sizeof(uri), "127.0.0.1:%u", closed_port());
    for (round = 0; round < 4; round++)
    {
        char* host = strdup(uri);
        char* scope = strdup("0ne1");
        char* id = strdup(TEXT);
        char* key = strdup(SOME_KEY);
        char* payload = strdup("{\"a\":1}");
        char* pem = strdup("not a PEM");
        char* name = strdup(PROV_REGISTRATION_ID);
        uint8_t* timeout = malloc(sizeof(*timeout));
        bool* trace = malloc(sizeof(*trace));
        /* Only as large as a program's that knows the first dps.h. */
        void* room = malloc(FIRST_POLICY);
        DPS_POLICY* policy = room;
        const size_t first = FIRST_POLICY;

        CHECK(timeout != NULL && trace != NULL && room != NULL);
        use_key(id, key);
        client = client_create(host, scope);
        *timeout = 5;
        *trace = false;
        CHECK_EQ(client_set_option(client, name, id), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_option(client, PROV_OPTION_TIMEOUT, timeout), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_option(client, PROV_OPTION_LOG_TRACE, trace), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, pem), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_payload(client, payload), PROV_DEVICE_RESULT_OK);
        memcpy(room, &first, sizeof(first));
        CHECK_EQ(client.ll != NULL ? dps_ll_get_policy(client.ll, policy) : dps_get_policy(client.threaded, policy), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client.ll != NULL ? dps_ll_set_policy(client.ll, policy) : dps_set_policy(client.threaded, policy), PROV_DEVICE_RESULT_OK);
        free(host);
        free(scope);
        free(id);
        free(key);
        free(payload);
        free(pem);
        free(name);
        free(timeout);
        free(trace);
        free(room);
        CHECK(strcmp(prov_dev_get_symm_registration_name(), TEXT) == 0);
        register_and_finish(client, &record);
        CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
        client_destroy(client);
    }
}
