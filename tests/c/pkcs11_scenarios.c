/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Keys in PKCS#11 tokens. */
#include "scenarios.h"

#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/internal/iothub_auth_client.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_security_factory.h"
#include "certificates.h"

#define URI "pkcs11:token=fleet"

static const OPTION_OPENSSL_KEY_TYPE ENGINE_KEY = KEY_TYPE_ENGINE;

static int no_pin(const char* token, char* pin, size_t size, void* context)
{
    (void)token;
    (void)pin;
    (void)size;
    (void)context;
    return -1;
}

static void ignore_result(PROV_DEVICE_RESULT result, const char* hub, const char* device_id, void* context)
{
    (void)result;
    (void)hub;
    (void)device_id;
    (void)context;
}

/* Registers, which must be refused with these words. */
static void refuses(CLIENT client, const char* words)
{
    PROV_DEVICE_RESULT result =
        client.threaded != NULL
            ? Prov_Device_Register_Device(client.threaded, ignore_result, NULL, NULL, NULL)
            : Prov_Device_LL_Register_Device(client.ll, ignore_result, NULL, NULL, NULL);
    CHECK_EQ(result, PROV_DEVICE_RESULT_ERROR);
    if (strstr(client_error(client), words) == NULL)
    {
        check(false, client_error(client), __FILE__, __LINE__);
    }
}

/* Everything that asks for a token names what is missing. */
void pkcs11_missing(void)
{
    CLIENT client;

    CHECK_EQ(dps_pkcs11_set_module("/usr/lib/token.so"), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(dps_last_error(NULL), "DPS_PKCS11") != NULL);
    CHECK_EQ(dps_pkcs11_set_pin_callback(no_pin, NULL), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(dps_last_error(NULL), "DPS_PKCS11") != NULL);

    use_certificates();
    client = client_create("localhost:1", "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, OPTION_OPENSSL_ENGINE, "pkcs11"), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "DPS_PKCS11") != NULL);
    CHECK_EQ(client_set_option(client, OPTION_OPENSSL_PRIVATE_KEY_TYPE, &ENGINE_KEY), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "DPS_PKCS11") != NULL);
    CHECK_EQ(client_set_option(client, OPTION_OPENSSL_ENGINE, "tpm2tss"), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "no OpenSSL engines") != NULL);
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, URI), PROV_DEVICE_RESULT_OK);
    refuses(client, "DPS_PKCS11");
    client_destroy(client);
}

/* What the callback gives, and how often it was asked. */
typedef struct PIN_TAG
{
    const char* pin;
    int asked;
} PIN;

static int give_pin(const char* token, char* pin, size_t size, void* context)
{
    PIN* given = context;
    size_t length = strlen(given->pin);
    CHECK(strcmp(token, "fleet") == 0);
    CHECK(length <= size);
    memcpy(pin, given->pin, length);
    given->asked++;
    return (int)length;
}

/* A client with these options in turn: of Engine, key type, key and certificate. */
static CLIENT client_with(const char* order, const char* key)
{
    CLIENT client = client_create(arguments.endpoint, arguments.id_scope);
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    for (; *order != '\0'; order++)
    {
        PROV_DEVICE_RESULT result = PROV_DEVICE_RESULT_ERROR;
        switch (*order)
        {
        case 'e':
            result = client_set_option(client, OPTION_OPENSSL_ENGINE, "pkcs11");
            break;
        case 't':
            result = client_set_option(client, OPTION_OPENSSL_PRIVATE_KEY_TYPE, &ENGINE_KEY);
            break;
        case 'k':
            result = client_set_option(client, OPTION_X509_PRIVATE_KEY, key);
            break;
        case 'c':
            result = client_set_option(client, OPTION_X509_CERT, arguments.certificate);
            break;
        }
        CHECK_EQ(result, PROV_DEVICE_RESULT_OK);
    }
    return client;
}

/* The three options in any order, and the URI by itself; the module and the PIN by function. The
 * environment has neither. */
void pkcs11_options(void)
{
    static const char* const ORDERS[] = { "etkc", "cket", "ktec", "kc" };
    PIN pin = { "0000", 0 };
    CLIENT client;
    RECORD record;
    size_t index;

    use_certificates();
    CHECK_EQ(dps_pkcs11_set_module("/no/such.so"), PROV_DEVICE_RESULT_OK);
    client = client_with("etkc", URI);
    refuses(client, "/no/such.so does not exist");
    CHECK_EQ(dps_pkcs11_set_module(getenv("DPS_TEST_MODULE")), PROV_DEVICE_RESULT_OK);
    refuses(client, "needs a PIN");
    CHECK_EQ(dps_pkcs11_set_pin_callback(no_pin, NULL), PROV_DEVICE_RESULT_OK);
    refuses(client, "needs a PIN");
    CHECK_EQ(dps_pkcs11_set_pin_callback(give_pin, &pin), PROV_DEVICE_RESULT_OK);
    refuses(client, "the PIN is wrong");
    CHECK_EQ(pin.asked, 1);
    CHECK_EQ(client_set_option(client, OPTION_OPENSSL_ENGINE, "tpm2tss"), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "no OpenSSL engines") != NULL);
    client_destroy(client);
    client = client_with("kc", "pkcs11:token=flet");
    refuses(client, "no token matches");
    client_destroy(client);
    client = client_with("kc", "pkcs11:token=a b");
    refuses(client, "attribute token has a character");
    client_destroy(client);

    pin.pin = getenv("DPS_TEST_PIN");
    pin.asked = 0;
    for (index = 0; index < sizeof(ORDERS) / sizeof(ORDERS[0]); index++)
    {
        client = client_with(ORDERS[index], URI);
        register_and_finish(client, &record);
        expect_success(&record);
        /* Once more with the same handle: the key is held. */
        register_and_finish(client, &record);
        expect_success(&record);
        CHECK(pin.asked >= 1 && pin.asked <= (int)index + 1);
        client_destroy(client);
    }
}

/* A PIN that somebody takes long to type. */
static pthread_mutex_t typing = PTHREAD_MUTEX_INITIALIZER;
static bool is_typing;
static bool is_typed;
static bool is_given;

static bool flag(bool* which, bool raise)
{
    bool value;
    pthread_mutex_lock(&typing);
    *which = *which || raise;
    value = *which;
    pthread_mutex_unlock(&typing);
    return value;
}

static int give_pin_slowly(const char* token, char* pin, size_t size, void* context)
{
    int length;
    flag(&is_typing, true);
    while (!flag(&is_typed, false))
    {
        sleep_ms(1);
    }
    length = give_pin(token, pin, size, context);
    flag(&is_given, true);
    return length;
}

/* DoWork does not wait for a token, and Destroy does not either; the next registration ends. */
void pkcs11_slow_token(void)
{
    PIN pin = { "0000", 0 };
    CLIENT client;
    RECORD record;
    uint64_t began;
    int round;

    CHECK(arguments.key != NULL);
    CHECK_EQ(dps_pkcs11_set_module(getenv("DPS_TEST_MODULE")), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(dps_pkcs11_set_pin_callback(give_pin_slowly, &pin), PROV_DEVICE_RESULT_OK);
    use_key(arguments.registration_id, arguments.key);
    client = new_client();
    record_init(&record);
    begin(client, &record);
    for (round = 0; !flag(&is_typing, false) || round < 20; round++)
    {
        CHECK(round < 10000);
        began = now_ms();
        client_work(client);
        CHECK(is_within(began, 3000));
        sleep_ms(1);
    }
    began = now_ms();
    client_destroy(client);
    CHECK(is_within(began, 3000));
    CHECK(!is_finished(&record));
    flag(&is_typed, true);
    while (!flag(&is_given, false))
    {
        sleep_ms(1);
    }
    sleep_ms(200);

    client = new_client();
    register_and_finish(client, &record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    if (strstr(client_error(client), "the PIN is wrong") == NULL)
    {
        check(false, client_error(client), __FILE__, __LINE__);
    }
    /* The same handle looks for the key again. */
    pin.pin = getenv("DPS_TEST_PIN");
    register_and_finish(client, &record);
    expect_success(&record);
    register_and_finish(client, &record);
    expect_success(&record);
    CHECK_EQ(pin.asked, 3);
    client_destroy(client);
}

static void hub_token(const char* key, char* text, size_t size)
{
    DEVICE_AUTH_CREDENTIAL_INFO info;
    IOTHUB_SECURITY_HANDLE handle;
    CREDENTIAL_RESULT* result;

    memset(&info, 0, sizeof(info));
    info.dev_auth_type = AUTH_TYPE_SAS;
    info.sas_info.expiry_seconds = 1893456000;
    info.sas_info.token_scope = "contoso-hub.azure-devices.net/devices/dev";
    CHECK_EQ(iothub_security_set_symmetric_key_info("dev", key), 0);
    handle = iothub_device_auth_create();
    CHECK(handle != NULL);
    result = iothub_device_auth_generate_credentials(handle, &info);
    if (result == NULL)
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
    CHECK(strlen(result->auth_cred_result.sas_result.sas_token) < size);
    strcpy(text, result->auth_cred_result.sas_result.sas_token);
    free(result);
    iothub_device_auth_destroy(handle);
}

/* The hub client's tokens are the same, whether the key is in the token or in memory. */
void pkcs11_hub_tokens(void)
{
    char in_memory[512];
    char in_token[512];

    CHECK_EQ(iothub_security_init(IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY), 0);
    CHECK(arguments.key != NULL);
    hub_token(getenv("DPS_TEST_KEY"), in_memory, sizeof(in_memory));
    hub_token(arguments.key, in_token, sizeof(in_token));
    CHECK(strcmp(in_memory, in_token) == 0);
}
