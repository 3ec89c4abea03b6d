/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Security modules of the program's own: c-abi.md section 5, and dps.h. */
#define _POSIX_C_SOURCE 200809L

#include "scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/internal/iothub_auth_client.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "azure_prov_client/prov_transport_mqtt_ws_client.h"
#include "certificates.h"

#define KEY_OF_VECTORS "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* What the module gives, and what has been asked of it. */
static struct
{
    const char* name;
    const char* key;
    const char* certificate;
    const char* certificate_key;
    bool no_handle;
    int refusal;
    int alive;
    int told;
    char told_name[64];
    int signatures;
    size_t key_length;
} module;

static HSM_CLIENT_HANDLE module_create(void)
{
    if (module.no_handle)
    {
        return NULL;
    }
    module.alive++;
    return &module;
}

static void module_destroy(HSM_CLIENT_HANDLE handle)
{
    CHECK(handle == &module);
    module.alive--;
}

static char* given(HSM_CLIENT_HANDLE handle, const char* text)
{
    CHECK(handle == &module);
    return text == NULL ? NULL : strdup(text);
}

static char* module_name(HSM_CLIENT_HANDLE handle)
{
    return given(handle, module.name);
}

static char* module_key(HSM_CLIENT_HANDLE handle)
{
    return given(handle, module.key);
}

static char* module_certificate(HSM_CLIENT_HANDLE handle)
{
    return given(handle, module.certificate);
}

static char* module_certificate_key(HSM_CLIENT_HANDLE handle)
{
    return given(handle, module.certificate_key);
}

static int module_told(HSM_CLIENT_HANDLE handle, const char* name, const char* key)
{
    CHECK(handle == &module);
    CHECK((name == NULL) == (key == NULL));
    /* May be called from within Create. */
    CHECK((prov_dev_get_symmetric_key() == NULL) == (key == NULL));
    module.told++;
    module.told_name[0] = '\0';
    if (name != NULL)
    {
        strncat(module.told_name, name, sizeof(module.told_name) - 1);
    }
    return module.refusal;
}

static const HSM_CLIENT_KEY_INTERFACE KEYS = { module_create, module_destroy, module_key, module_name, module_told };
static const HSM_CLIENT_X509_INTERFACE CERTIFICATES = { module_create, module_destroy, module_certificate, module_certificate_key, module_name };

/* 32 bytes are a MAC; the keys may have any length. */
static int module_bytes(HSM_CLIENT_HANDLE handle, unsigned char** bytes, size_t* length)
{
    CHECK(handle == &module);
    if (module.refusal != 0)
    {
        return module.refusal;
    }
    *bytes = malloc(module.key_length + 1);
    CHECK(*bytes != NULL);
    memset(*bytes, 'K', module.key_length);
    *length = module.key_length;
    return 0;
}

static int module_activate(HSM_CLIENT_HANDLE handle, const unsigned char* key, size_t length)
{
    CHECK(handle == &module && key != NULL && length > 0);
    return module.refusal;
}

static int module_mac(HSM_CLIENT_HANDLE handle, const unsigned char* data, size_t length, unsigned char** mac, size_t* mac_length)
{
    CHECK(data != NULL && length > 0);
    module.signatures++;
    return module_bytes(handle, mac, mac_length);
}

static const HSM_CLIENT_TPM_INTERFACE TPMS = { module_create, module_destroy, module_activate, module_bytes, module_bytes, module_mac };

/* OpenSSL's command stands in for the hardware. */
static int module_sign(HSM_CLIENT_HANDLE handle, uint32_t scheme, const unsigned char* message, size_t length, unsigned char** signature, size_t* signature_length)
{
    char folder[] = "/tmp/dps-signer-XXXXXX";
    char key[64], text[64], result[64], command[256];
    FILE* file;
    CHECK(handle == &module);
    CHECK_EQ(scheme, DPS_ECDSA_P256_SHA256);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(key, sizeof(key), "%s/key", folder);
    snprintf(text, sizeof(text), "%s/text", folder);
    snprintf(result, sizeof(result), "%s/result", folder);
    file = fopen(key, "wb");
    CHECK(file != NULL && fputs(module.certificate_key, file) >= 0);
    fclose(file);
    file = fopen(text, "wb");
    CHECK(file != NULL && fwrite(message, 1, length, file) == length);
    fclose(file);
    snprintf(command, sizeof(command), "openssl dgst -sha256 -sign %s -out %s %s", key, result, text);
    CHECK_EQ(system(command), 0);
    file = fopen(result, "rb");
    *signature = malloc(256);
    CHECK(file != NULL && *signature != NULL);
    *signature_length = fread(*signature, 1, 256, file);
    fclose(file);
    remove(key);
    remove(text);
    remove(result);
    remove(folder);
    module.signatures++;
    return module.refusal;
}

static DPS_X509_SIGNER_INTERFACE signer(void)
{
    DPS_X509_SIGNER_INTERFACE table;
    memset(&table, 0, sizeof(table));
    table.size = sizeof(table);
    table.create = module_create;
    table.destroy = module_destroy;
    table.get_cert = module_certificate;
    table.get_common_name = module_name;
    table.sign = module_sign;
    return table;
}

static void told_last(const char* words)
{
    if (strstr(dps_last_error(NULL), words) == NULL)
    {
        printf("%s\n", dps_last_error(NULL));
        CHECK(!"the reason is another");
    }
}

static void ignore_result(PROV_DEVICE_RESULT result, const char* hub, const char* device_id, void* context)
{
    (void)result;
    (void)hub;
    (void)device_id;
    (void)context;
    CHECK(!"this callback must not be called");
}

static PROV_DEVICE_RESULT would_register(CLIENT client)
{
    return client.ll != NULL ? Prov_Device_LL_Register_Device(client.ll, ignore_result, NULL, NULL, NULL)
                             : Prov_Device_Register_Device(client.threaded, ignore_result, NULL, NULL, NULL);
}

/* A table without one of its functions is refused by its name. */
void hsm_tables(void)
{
    IOTHUB_SECURITY_HANDLE hub;
    HSM_CLIENT_KEY_INTERFACE keys = KEYS;
    HSM_CLIENT_X509_INTERFACE certificates = CERTIFICATES;
    HSM_CLIENT_TPM_INTERFACE tpms = TPMS;
    DPS_X509_SIGNER_INTERFACE signs = signer();

    keys.hsm_client_set_symm_key_info = NULL;
    CHECK_EQ(dps_hsm_register_symmetric_key(&keys), PROV_DEVICE_RESULT_INVALID_ARG);
    told_last("hsm_client_set_symm_key_info of the plug-in is NULL");
    certificates.hsm_client_get_key = NULL;
    CHECK_EQ(dps_hsm_register_x509(&certificates), PROV_DEVICE_RESULT_INVALID_ARG);
    told_last("hsm_client_get_key of the plug-in is NULL");
    tpms.hsm_client_sign_with_identity = NULL;
    CHECK_EQ(dps_hsm_register_tpm(&tpms), PROV_DEVICE_RESULT_INVALID_ARG);
    told_last("hsm_client_sign_with_identity of the plug-in is NULL");
    signs.sign = NULL;
    CHECK_EQ(dps_hsm_register_x509_signer(&signs), PROV_DEVICE_RESULT_INVALID_ARG);
    told_last("sign of the plug-in is NULL");
    signs.size = 0;
    CHECK_EQ(dps_hsm_register_x509_signer(&signs), PROV_DEVICE_RESULT_INVALID_ARG);
    told_last("size");
    CHECK_EQ(dps_hsm_register_x509_signer(NULL), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(dps_hsm_register_x509(NULL), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(dps_hsm_register_symmetric_key(NULL), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(dps_hsm_register_tpm(NULL), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(module.alive, 0);

    /* What only a registration takes, the hub's side does without. */
    use_certificates();
    certificates = CERTIFICATES;
    certificates.hsm_client_get_common_name = NULL;
    CHECK_EQ(dps_hsm_register_x509(&certificates), PROV_DEVICE_RESULT_OK);
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    told_last("hsm_client_get_common_name of the plug-in is NULL");
    hub = iothub_device_auth_create();
    CHECK(hub != NULL);
    iothub_device_auth_destroy(hub);
    CHECK_EQ(module.alive, 0);
}

/* A module with a symmetric key, and all it can do wrong. */
void hsm_key_misuse(void)
{
    DEVICE_AUTH_CREDENTIAL_INFO info;
    IOTHUB_SECURITY_HANDLE hub;
    CREDENTIAL_RESULT* result;
    CLIENT client;

    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
    CHECK_EQ(dps_hsm_register_symmetric_key(&KEYS), PROV_DEVICE_RESULT_OK);

    /* No key of the program is needed; the module is told so. */
    client = client_create("localhost", "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(module.told, 1);
    CHECK(strcmp(module.told_name, "") == 0);
    CHECK_EQ(module.alive, 1);
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "hsm_client_get_registration_name of the plug-in returned NULL") != NULL);
    CHECK(strcmp(client_failure(client).stage, "hsm") == 0);
    module.name = "";
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "returned an empty text") != NULL);
    module.name = "a\xff";
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "not UTF-8") != NULL);
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_ERROR);
    client_destroy(client);
    CHECK_EQ(module.alive, 0);

    /* A key that cannot be used ends the registration, before anything is sent. */
    {
        static const struct { const char* key; const char* words; } BAD[] = {
            { NULL, "hsm_client_get_symm_key of the plug-in returned NULL" },
            { "", "hsm_client_get_symm_key of the plug-in returned an empty text" },
            { "secret!", "not valid base64" },
        };
        size_t index;
        module.name = "device";
        for (index = 0; index < sizeof(BAD) / sizeof(BAD[0]); index++)
        {
            RECORD record;
            record_init(&record);
            module.key = BAD[index].key;
            client = client_create("localhost:1", "0ne1");
            CHECK_EQ(client_register(client, &record), PROV_DEVICE_RESULT_OK);
            record.client = client;
            finish(&record);
            CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
            CHECK(strcmp(client_failure(client).stage, "hsm") == 0);
            CHECK(strstr(client_error(client), BAD[index].words) != NULL);
            CHECK(strstr(client_error(client), "secret!") == NULL);
            client_destroy(client);
            CHECK_EQ(module.alive, 0);
        }
    }

    module.refusal = 7;
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    told_last("hsm_client_set_symm_key_info of the plug-in failed with code 7");
    CHECK(iothub_device_auth_create() == NULL);
    module.refusal = 0;
    module.no_handle = true;
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    told_last("hsm_client_key_create of the plug-in returned NULL");
    module.no_handle = false;
    CHECK_EQ(module.alive, 0);

    /* The hub's tokens are signed with the module's key. */
    module.key = KEY_OF_VECTORS;
    hub = iothub_device_auth_create();
    CHECK(hub != NULL);
    CHECK_EQ(iothub_device_auth_get_type(hub), AUTH_TYPE_SYMM_KEY);
    memset(&info, 0, sizeof(info));
    info.dev_auth_type = AUTH_TYPE_SAS;
    info.sas_info.expiry_seconds = 1893456000;
    info.sas_info.token_scope = "contoso-hub.azure-devices.net/devices/my-symkey-device";
    result = iothub_device_auth_generate_credentials(hub, &info);
    CHECK(result != NULL);
    CHECK(strstr(result->auth_cred_result.sas_result.sas_token, "&sig=qZAwITtXVZgiCwcrehr6EWAepajIrYr7wmwi2pvDI3o%3d&se=1893456000") != NULL);
    free(result);
    module.key = NULL;
    CHECK(iothub_device_auth_generate_credentials(hub, &info) == NULL);
    told_last("hsm_client_get_symm_key");
    iothub_device_auth_destroy(hub);
    CHECK_EQ(module.alive, 0);

    /* Without the module, the library's own wants a key again. */
    CHECK_EQ(dps_hsm_register_symmetric_key(NULL), PROV_DEVICE_RESULT_OK);
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    told_last("prov_dev_set_symmetric_key_info");
}

/* A module with a certificate, and all it can do wrong. */
void hsm_x509_misuse(void)
{
    const DPS_X509_SIGNER_INTERFACE signs = signer();
    IOTHUB_SECURITY_HANDLE hub;
    CREDENTIAL_RESULT* result;
    CLIENT client;

    use_certificates();
    CHECK_EQ(dps_hsm_register_x509(&CERTIFICATES), PROV_DEVICE_RESULT_OK);
    client = client_create("localhost:1", "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, DEVICE_KEY), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "the plug-in's") != NULL);
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "hsm_client_get_common_name of the plug-in returned NULL") != NULL);
    module.name = "device";
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "hsm_client_get_cert of the plug-in returned NULL") != NULL);
    module.certificate = DEVICE_CERTIFICATE;
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "hsm_client_get_key of the plug-in returned NULL") != NULL);
    module.certificate_key = OTHER_DEVICE_KEY;
    /* Not the certificate's key: the original finds out at the handshake. */
    {
        RECORD record;
        record_init(&record);
        CHECK_EQ(client_register(client, &record), PROV_DEVICE_RESULT_OK);
        record.client = client;
        finish(&record);
        CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
        CHECK(strstr(client_error(client), "does not belong to the certificate") != NULL);
    }
    client_destroy(client);
    CHECK_EQ(module.alive, 0);

    /* The hub gets what the module has. */
    hub = iothub_device_auth_create();
    CHECK_EQ(iothub_device_auth_get_type(hub), AUTH_TYPE_X509);
    result = iothub_device_auth_generate_credentials(hub, NULL);
    CHECK(result != NULL);
    CHECK(strcmp(result->auth_cred_result.x509_result.x509_cert, DEVICE_CERTIFICATE) == 0);
    CHECK(strcmp(result->auth_cred_result.x509_result.x509_alias_key, OTHER_DEVICE_KEY) == 0);
    free(result);
    iothub_device_auth_destroy(hub);

    /* A module that keeps its key has none for the hub. */
    CHECK_EQ(dps_hsm_register_x509_signer(&signs), PROV_DEVICE_RESULT_OK);
    CHECK(iothub_device_auth_create() == NULL);
    told_last("does not leave the plug-in");
    CHECK_EQ(module.alive, 0);
}

/* A module that is a TPM, and all it can do wrong before anything is sent. */
void hsm_tpm_misuse(void)
{
    DEVICE_AUTH_CREDENTIAL_INFO info;
    HSM_CLIENT_TPM_INTERFACE table = TPMS;
    IOTHUB_SECURITY_HANDLE hub;
    CREDENTIAL_RESULT* result;
    CLIENT client;

    /* Without a module there is no TPM; with one there is, for both sides. */
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM) != 0);
    told_last("dps_hsm_register_tpm");
    CHECK_EQ(dps_hsm_register_tpm(&TPMS), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM), 0);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_TPM);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_SAS);
    CHECK_EQ(iothub_security_init(IOTHUB_SECURITY_TYPE_SAS), 0);
    CHECK(iothub_security_init(IOTHUB_SECURITY_TYPE_X509) != 0);
    CHECK_EQ(iothub_security_init(IOTHUB_SECURITY_TYPE_SAS), 0);

    /* c-abi.md section 0, 16. */
    arguments.protocol = Prov_Device_MQTT_Protocol;
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    told_last("not over MQTT");
    arguments.protocol = Prov_Device_MQTT_WS_Protocol;
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    told_last("not over MQTT");
    arguments.protocol = Prov_Device_HTTP_Protocol;
    module.no_handle = true;
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    told_last("hsm_client_tpm_create of the plug-in returned NULL");
    module.no_handle = false;
    table.hsm_client_get_srk = NULL;
    CHECK_EQ(dps_hsm_register_tpm(&table), PROV_DEVICE_RESULT_OK);
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    told_last("hsm_client_get_srk of the plug-in is NULL");
    CHECK_EQ(dps_hsm_register_tpm(&TPMS), PROV_DEVICE_RESULT_OK);

    client = client_create("localhost:1", "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_ERROR);
    module.refusal = 4;
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "hsm_client_get_ek of the plug-in failed with code 4") != NULL);
    module.refusal = 0;
    module.key_length = 0;
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "hsm_client_get_ek of the plug-in returned") != NULL);
    client_destroy(client);
    CHECK_EQ(module.alive, 0);

    /* The hub's tokens are what the module signs. */
    hub = iothub_device_auth_create();
    CHECK(hub != NULL);
    CHECK_EQ(iothub_device_auth_get_type(hub), AUTH_TYPE_SAS);
    CHECK(iothub_device_auth_generate_credentials(hub, NULL) == NULL);
    memset(&info, 0, sizeof(info));
    info.dev_auth_type = AUTH_TYPE_SAS;
    info.sas_info.expiry_seconds = 1700000000;
    info.sas_info.token_scope = "hub/devices/d";
    CHECK(iothub_device_auth_generate_credentials(hub, &info) == NULL);
    told_last("hsm_client_sign_with_identity of the plug-in returned");
    module.key_length = 16;
    CHECK(iothub_device_auth_generate_credentials(hub, &info) == NULL);
    told_last("returned 16 bytes; an HMAC-SHA256 has 32");
    module.key_length = 32;
    result = iothub_device_auth_generate_credentials(hub, &info);
    CHECK(result != NULL);
    CHECK_EQ(result->dev_auth_type, AUTH_TYPE_SAS);
    CHECK(strcmp(result->auth_cred_result.sas_result.sas_token,
                 "SharedAccessSignature sr=hub/devices/d&sig=S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s%3d&se=1700000000") == 0);
    CHECK_EQ(module.signatures, 3);
    free(result);
    iothub_device_auth_destroy(hub);
    CHECK_EQ(module.alive, 0);
}

/* Says when the slow module may go on. */
static pthread_mutex_t slow_lock = PTHREAD_MUTEX_INITIALIZER;
static bool slow_begun, slow_may_end;

static bool slow_flag(const bool* flag, bool* raised)
{
    bool value;
    pthread_mutex_lock(&slow_lock);
    if (raised != NULL)
    {
        *raised = true;
    }
    value = *flag;
    pthread_mutex_unlock(&slow_lock);
    return value;
}

static char* slow_name(HSM_CLIENT_HANDLE handle)
{
    while (!slow_flag(&slow_may_end, &slow_begun))
    {
        sleep_ms(1);
    }
    return module_name(handle);
}

static void* registers_slowly(void* client)
{
    CHECK_EQ(would_register(*(CLIENT*)client), PROV_DEVICE_RESULT_INVALID_ARG);
    return NULL;
}

/* A module that takes its time to name the device holds up nobody but Register. */
void hsm_slow_module(void)
{
    HSM_CLIENT_KEY_INTERFACE slow = KEYS;
    pthread_t thread;
    CLIENT client;
    uint64_t began;
    bool trace = false;

    use_key("told", KEY_OF_VECTORS);
    module.name = "device";
    module.key = KEY_OF_VECTORS;
    slow.hsm_client_get_registration_name = slow_name;
    CHECK_EQ(dps_hsm_register_symmetric_key(&slow), PROV_DEVICE_RESULT_OK);
    client = client_create("localhost:1", "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(pthread_create(&thread, NULL, registers_slowly, &client), 0);
    while (!slow_flag(&slow_begun, NULL))
    {
        sleep_ms(1);
    }
    began = now_ms();
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "under way") != NULL);
    CHECK_EQ(client_set_option(client, PROV_OPTION_LOG_TRACE, &trace), PROV_DEVICE_RESULT_OK);
    client_work(client);
    client_destroy(client);
    CHECK(is_within(began, 5000));
    CHECK_EQ(module.alive, 1);
    slow_flag(&slow_begun, &slow_may_end);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(module.alive, 0);
}

/* Registers twice with one handle of the module. */
static void register_with_module(void)
{
    CLIENT client = client_create(arguments.endpoint, arguments.id_scope);
    int round;
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    for (round = 0; round < 2; round++)
    {
        RECORD record;
        record_init(&record);
        register_and_finish(client, &record);
        expect_success(&record);
        CHECK(strcmp(record.device_id, arguments.registration_id) == 0);
    }
    CHECK_EQ(module.alive, 1);
    client_destroy(client);
    CHECK_EQ(module.alive, 0);
}

void hsm_key(void)
{
    use_key("told", KEY_OF_VECTORS);
    module.name = arguments.registration_id;
    module.key = arguments.key;
    CHECK_EQ(dps_hsm_register_symmetric_key(&KEYS), PROV_DEVICE_RESULT_OK);
    register_with_module();
    CHECK_EQ(module.told, 1);
    CHECK(strcmp(module.told_name, "told") == 0);
}

void hsm_x509(void)
{
    use_certificates();
    module.name = arguments.registration_id;
    module.certificate = arguments.certificate;
    module.certificate_key = arguments.certificate_key;
    CHECK_EQ(dps_hsm_register_x509(&CERTIFICATES), PROV_DEVICE_RESULT_OK);
    register_with_module();
}

void hsm_x509_signer(void)
{
    const DPS_X509_SIGNER_INTERFACE signs = signer();
    use_certificates();
    module.name = arguments.registration_id;
    module.certificate = arguments.certificate;
    module.certificate_key = arguments.certificate_key;
    CHECK_EQ(dps_hsm_register_x509_signer(&signs), PROV_DEVICE_RESULT_OK);
    register_with_module();
    CHECK(module.signatures >= 2);
}
