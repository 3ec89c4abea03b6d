/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The API of 2017 with a security module of the program's own, which defines the functions for
 * certificates only.
 *
 *   dps_c_legacy SCENARIO [HOST:PORT ID-SCOPE CA.pem CERTIFICATE.pem KEY.pem ID]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_hub_modules/dps_sec_client.h"
#include "azure_hub_modules/dps_transport_http_client.h"
#include "azure_hub_modules/dps_transport_mqtt_client.h"
#include "azure_hub_modules/iothub_device_auth.h"
#include "azure_hub_modules/iothub_security_factory.h"
#include "azure_hub_modules/secure_device_factory.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "custom_hsm_x509_impl.h"
#include "dps/dps.h"

#include "../certificates.h"
#include "../threads.h"
#include "legacy.h"

DEFINE_ENUM_STRINGS(DPS_RESULT, DPS_RESULT_VALUES)
DEFINE_ENUM_STRINGS(DPS_ERROR, DPS_ERROR_VALUES)
DEFINE_ENUM_STRINGS(DPS_REGISTRATION_STATUS, DPS_REGISTRATION_STATUS_VALUES)
DEFINE_ENUM_STRINGS(SECURE_DEVICE_TYPE, SECURE_DEVICE_TYPE_VALUES)
/* Today's beside them. */
MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(PROV_DEVICE_RESULT, PROV_DEVICE_RESULT_VALUE)
#define FLAVOUR_VALUES FLAVOUR_SWEET, FLAVOUR_SOUR
DEFINE_ENUM(FLAVOUR, FLAVOUR_VALUES)
DEFINE_ENUM_STRINGS(FLAVOUR, FLAVOUR_VALUES)

/* The module. */
static struct
{
    int started;
    int ended;
    int alive;
    DPS_CUSTOM_HSM_HANDLE latest;
    bool broken;
    bool no_handle;
    const char* name;
    const char* certificate;
    const char* key;
} module = { 0, 0, 0, NULL, false, false, "c-device", DEVICE_CERTIFICATE, DEVICE_KEY };

static char* copy_of(const char* text)
{
    char* copy = text == NULL ? NULL : malloc(strlen(text) + 1);
    return copy == NULL ? NULL : strcpy(copy, text);
}

int initialize_hsm_system(void)
{
    module.started++;
    return module.broken ? __FAILURE__ : 0;
}

void deinitialize_hsm_system(void)
{
    module.ended++;
}

DPS_CUSTOM_HSM_HANDLE custom_hsm_create(void)
{
    if (module.no_handle)
    {
        return NULL;
    }
    module.alive++;
    module.latest = malloc(1);
    return module.latest;
}

void custom_hsm_destroy(DPS_CUSTOM_HSM_HANDLE handle)
{
    module.alive--;
    free(handle);
}

char* custom_hsm_get_common_name(DPS_CUSTOM_HSM_HANDLE handle)
{
    (void)handle;
    return copy_of(module.name);
}

char* custom_hsm_get_certificate(DPS_CUSTOM_HSM_HANDLE handle)
{
    (void)handle;
    return copy_of(module.certificate);
}

char* custom_hsm_get_alias_key(DPS_CUSTOM_HSM_HANDLE handle)
{
    (void)handle;
    return copy_of(module.key);
}

/* Of the three functions that modules may leave out it has one. */
char* custom_hsm_get_signer_cert(DPS_CUSTOM_HSM_HANDLE handle)
{
    CHECK(handle == module.latest);
    return copy_of("the signer's");
}

static struct
{
    const char* endpoint;
    const char* id_scope;
    char* ca;
} service;

static void names(void)
{
    CHECK(strcmp(DPS_LL_Get_Version_String(), "1.1.01") == 0);
    CHECK(strcmp(DPS_Client_LL_Get_Version_String(), "1.1.01") == 0);
    CHECK(strcmp(ENUM_TO_STRING(DPS_RESULT, DPS_CLIENT_ERROR), "DPS_CLIENT_ERROR") == 0);
    CHECK(strcmp(ENUM_TO_STRING(DPS_ERROR, DPS_ERROR_KEY_ERROR), "DPS_ERROR_KEY_ERROR") == 0);
    CHECK(ENUM_TO_STRING(DPS_ERROR, (DPS_ERROR)9) == NULL);
    CHECK(strcmp(ENUM_TO_STRING(DPS_REGISTRATION_STATUS, DPS_REGISTRATION_STATUS_ASSIGNED), "DPS_REGISTRATION_STATUS_ASSIGNED") == 0);
    CHECK(strcmp(ENUM_TO_STRING(SECURE_DEVICE_TYPE, SECURE_DEVICE_TYPE_X509), "SECURE_DEVICE_TYPE_X509") == 0);
    CHECK(strcmp(ENUM_TO_STRING(FLAVOUR, FLAVOUR_SOUR), "FLAVOUR_SOUR") == 0);
    CHECK(strcmp(MU_ENUM_TO_STRING(PROV_DEVICE_RESULT, PROV_DEVICE_RESULT_KEY_ERROR), "PROV_DEVICE_RESULT_KEY_ERROR") == 0);
    CHECK(strcmp(MU_ENUM_TO_STRING(PROV_DEVICE_RESULT, (PROV_DEVICE_RESULT)99), "UNKNOWN") == 0);
    CHECK(DPS_MQTT_Protocol() == Prov_Device_MQTT_Protocol());
}

static void factory(void)
{
    const HSM_CLIENT_X509_INTERFACE* table = dps_secure_device_interface();
    CHECK_EQ(dps_secure_device_type(), SECURE_DEVICE_TYPE_X509);
    CHECK(table->hsm_client_get_key == custom_hsm_get_alias_key);
    CHECK(iothub_security_interface() == table);

    module.broken = true;
    CHECK(dps_secure_device_init() != 0);
    CHECK_TOLD(NULL, "initialize_hsm_system of the custom security module failed");
    CHECK(iothub_security_init() != 0);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_UNKNOWN);
    module.broken = false;
    module.started = 0;

    CHECK_EQ(dps_secure_device_init(), 0);
    CHECK_EQ(security_device_init(), 0);
    CHECK_EQ(iothub_security_init(), 0);
    CHECK_EQ(module.started, 1);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_X509);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_X509);
    CHECK_EQ(iothub_security_init(IOTHUB_SECURITY_TYPE_X509), 0);
    dps_secure_device_deinit();
    dps_secure_device_deinit();
    CHECK_EQ(module.ended, 1);
    CHECK_EQ(security_device_init(), 0);
    CHECK_EQ(module.started, 2);
    dps_secure_device_deinit();
    CHECK(iothub_security_init(IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY) != 0);
}

/* In 2017 no program had to call dps_secure_device_init: whatever comes first starts the module. */
static void never_initialised(void)
{
    DPS_LL_HANDLE client;
    DPS_SEC_HANDLE tool;
    IOTHUB_SECURITY_HANDLE auth;
    CHECK_EQ(dps_secure_device_type(), SECURE_DEVICE_TYPE_X509);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_X509);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_UNKNOWN);
    CHECK_EQ(module.started, 0);

    module.broken = true;
    CHECK(DPS_LL_Create("localhost:1", "0ne1", DPS_MQTT_Protocol, on_error, NULL) == NULL);
    CHECK_TOLD(NULL, "initialize_hsm_system of the custom security module failed");
    CHECK(dps_sec_create() == NULL);
    CHECK(iothub_device_auth_create() == NULL);
    CHECK_EQ(module.started, 3);
    module.broken = false;
    module.started = 0;

    client = DPS_LL_Create("localhost:1", "0ne1", DPS_MQTT_Protocol, on_error, NULL);
    CHECK(client != NULL);
    CHECK_EQ(module.started, 1);
    DPS_LL_Destroy(client);
    dps_secure_device_deinit();
    tool = dps_sec_create();
    CHECK_EQ(dps_sec_get_type(tool), DPS_SEC_TYPE_X509);
    CHECK_EQ(module.started, 2);
    dps_sec_destroy(tool);
    dps_secure_device_deinit();
    auth = iothub_device_auth_create();
    CHECK_EQ(iothub_device_auth_get_auth_type(auth), AUTH_TYPE_X509);
    CHECK_EQ(module.started, 3);
    /* It is started already. */
    tool = dps_sec_create();
    CHECK(tool != NULL);
    CHECK_EQ(module.started, 3);
    dps_sec_destroy(tool);
    iothub_device_auth_destroy(auth);
    dps_secure_device_deinit();
    CHECK_EQ(module.ended, 3);
    CHECK_EQ(module.alive, 0);
}

/* What the module has goes to the hub client, too. */
static void hub(void)
{
    IOTHUB_SECURITY_HANDLE auth;
    CREDENTIAL_RESULT* result;
    CHECK_EQ(iothub_security_init(), 0);
    auth = iothub_device_auth_create();
    CHECK(auth != NULL);
    CHECK_EQ(iothub_device_auth_get_auth_type(auth), AUTH_TYPE_X509);
    result = iothub_device_auth_generate_credentials(auth, NULL);
    CHECK(result != NULL);
    CHECK(strcmp(result->auth_cred_result.x509_result.x509_cert, DEVICE_CERTIFICATE) == 0);
    CHECK(strcmp(result->auth_cred_result.x509_result.x509_alias_key, DEVICE_KEY) == 0);
    free(result);
    iothub_device_auth_destroy(auth);
    dps_secure_device_deinit();
}

static void creation(void)
{
    DPS_LL_HANDLE client;
    DPS_POLICY policy;
    CHECK_EQ(dps_secure_device_init(), 0);
    CHECK(DPS_LL_Create(NULL, "0ne1", DPS_MQTT_Protocol, on_error, NULL) == NULL);
    CHECK(DPS_LL_Create("localhost:1", NULL, DPS_MQTT_Protocol, on_error, NULL) == NULL);
    CHECK(DPS_LL_Create("localhost:1", "0ne1", NULL, on_error, NULL) == NULL);

    /* The device must have an id by now. */
    module.name = NULL;
    CHECK(DPS_LL_Create("localhost:1", "0ne1", DPS_MQTT_Protocol, on_error, NULL) == NULL);
    CHECK_TOLD(NULL, "hsm_client_get_common_name of the plug-in returned NULL");
    module.name = "";
    CHECK(DPS_Client_LL_Create("localhost:1", "0ne1", DPS_MQTT_Protocol, on_error, NULL) == NULL);
    module.name = "c-device";
    module.no_handle = true;
    CHECK(DPS_LL_Create("localhost:1", "0ne1", DPS_MQTT_Protocol, on_error, NULL) == NULL);
    CHECK_TOLD(NULL, "hsm_client_x509_create of the plug-in returned NULL");
    module.no_handle = false;
    CHECK_EQ(module.alive, 0);

    /* Today's transports are the same. */
    client = DPS_LL_Create("localhost:1", "0ne1", Prov_Device_MQTT_Protocol, NULL, NULL);
    CHECK(client != NULL);
    CHECK(strcmp(dps_client_last_error(NULL), "") == 0 || strstr(dps_client_last_error(NULL), "custom") == NULL);
    policy.size = sizeof(policy);
    CHECK_EQ(dps_ll_get_policy((PROV_DEVICE_LL_HANDLE)(void*)client, &policy), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(policy.deadline_ms, 60000);
    CHECK_EQ(policy.poll_interval_ms, 3000);
    CHECK_EQ(policy.token_lifetime_s, 3600);

    CHECK_EQ(DPS_LL_Register_Device(client, NULL, NULL, on_status, NULL), DPS_CLIENT_INVALID_ARG);
    CHECK_EQ(DPS_LL_Register_Device(NULL, on_registered, NULL, on_status, NULL), DPS_CLIENT_INVALID_ARG);
    module.certificate = NULL;
    CHECK_EQ(DPS_LL_Register_Device(client, on_registered, NULL, on_status, NULL), DPS_CLIENT_ERROR);
    CHECK_TOLD(client, "hsm_client_get_cert of the plug-in returned NULL");
    DPS_LL_DoWork(NULL);
    DPS_LL_Destroy(NULL);

    DPS_LL_Destroy(client);
    CHECK_EQ(module.alive, 0);
    DPS_LL_DoWork(client);
    DPS_LL_Destroy(client);
    CHECK_EQ(DPS_LL_Register_Device(client, on_registered, NULL, NULL, NULL), DPS_CLIENT_INVALID_ARG);
    CHECK_EQ(DPS_LL_SetOption(client, "TrustedCerts", "x"), DPS_CLIENT_INVALID_ARG);
    /* A handle of today's client is none of 2017. */
    {
        PROV_DEVICE_LL_HANDLE other = Prov_Device_LL_Create("localhost:1", "0ne1", Prov_Device_MQTT_Protocol);
        client = (DPS_LL_HANDLE)(void*)other;
        CHECK_EQ(DPS_LL_SetOption(client, "TrustedCerts", "x"), DPS_CLIENT_INVALID_ARG);
        DPS_LL_Destroy(client);
        CHECK_EQ(Prov_Device_LL_SetOption(other, "TrustedCerts", "x"), PROV_DEVICE_RESULT_OK);
        Prov_Device_LL_Destroy(other);
    }
    dps_secure_device_deinit();
}

static void options(void)
{
    HTTP_PROXY_OPTIONS proxy = { "127.0.0.1", 3128, NULL, NULL };
    bool trace = false;
    DPS_LL_HANDLE client;
    CHECK_EQ(security_device_init(), 0);
    client = DPS_LL_Create("localhost:1", "0ne1", DPS_HTTP_Protocol, NULL, NULL);
    CHECK(client != NULL);
    CHECK_EQ(DPS_LL_SetOption(client, OPTION_TRUSTED_CERT, "text"), DPS_CLIENT_OK);
    CHECK_EQ(DPS_LL_SetOption(client, "logtrace", &trace), DPS_CLIENT_OK);
    CHECK_EQ(DPS_Client_LL_SetOption(client, OPTION_HTTP_PROXY, &proxy), DPS_CLIENT_OK);
    proxy.port = 0;
    CHECK_EQ(DPS_LL_SetOption(client, OPTION_HTTP_PROXY, &proxy), DPS_CLIENT_ERROR);
    CHECK_EQ(DPS_LL_SetOption(client, OPTION_TRUSTED_CERT, NULL), DPS_CLIENT_ERROR);
    CHECK_EQ(DPS_LL_SetOption(client, NULL, "text"), DPS_CLIENT_INVALID_ARG);
    /* Any other. */
    CHECK_EQ(DPS_LL_SetOption(client, "no such option", "text"), DPS_CLIENT_OK);
    CHECK_EQ(DPS_LL_SetOption(client, "registration_id", "somebody-else"), DPS_CLIENT_OK);
    CHECK_EQ(DPS_LL_SetOption(client, "CipherSuite", NULL), DPS_CLIENT_OK);
    DPS_LL_Destroy(client);
    dps_secure_device_deinit();
}

static void destroy_now(RECORD* record)
{
    DPS_LL_Destroy(record->client);
    DPS_LL_DoWork(record->client);
    CHECK_EQ(DPS_LL_Register_Device(record->client, on_registered, record, NULL, NULL), DPS_CLIENT_INVALID_ARG);
}

static void register_now(RECORD* record)
{
    /* The outcome is being told: the handle is busy. */
    CHECK_EQ(DPS_LL_Register_Device(record->client, on_registered, record, on_status, record), DPS_CLIENT_ERROR);
}

/* Nobody listens at that port. */
static void refused_tcp(void)
{
    int round;
    RECORD record;
    DPS_LL_HANDLE silent;
    CHECK_EQ(security_device_init(), 0);
    memset(&record, 0, sizeof(record));
    record.client = DPS_LL_Create("127.0.0.1:1", "0ne1", DPS_HTTP_Protocol, on_error, &record);
    for (round = 0; round < 3; round++)
    {
        DPS_LL_HANDLE client = record.client;
        memset(&record, 0, sizeof(record));
        record.client = client;
        record.at_the_end = round == 1 ? register_now : round == 2 ? destroy_now : NULL;
        CHECK_EQ(DPS_LL_Register_Device(client, on_registered, &record, on_status, &record), DPS_CLIENT_OK);
        CHECK_EQ(DPS_LL_Register_Device(client, on_registered, NULL, NULL, NULL), DPS_CLIENT_ERROR);
        finish(&record);
        CHECK_EQ(record.failed, 1);
        CHECK_EQ(record.error, DPS_ERROR_TRANSPORT);
        CHECK_EQ(record.connected, 0);
        if (round == 0)
        {
            CHECK_TOLD(client, "connect: ");
        }
    }
    CHECK_EQ(module.alive, 0);

    /* Without an error callback, nothing is called. */
    memset(&record, 0, sizeof(record));
    silent = DPS_LL_Create("127.0.0.1:1", "0ne1", DPS_HTTP_Protocol, NULL, &record);
    CHECK_EQ(DPS_LL_Register_Device(silent, on_registered, &record, on_status, &record), DPS_CLIENT_OK);
    for (round = 0; strcmp(dps_client_last_error(silent), "") == 0; round++)
    {
        CHECK(round < 6000);
        work(silent, 5);
    }
    work(silent, 100);
    CHECK_EQ(record.registered + record.failed + record.connected, 0);
    /* And with one under way: it ends with the handle. */
    CHECK_EQ(DPS_LL_Register_Device(silent, on_registered, &record, NULL, NULL), DPS_CLIENT_OK);
    work(silent, 5);
    DPS_LL_Destroy(silent);
    CHECK_EQ(record.registered + record.failed, 0);
    CHECK_EQ(module.alive, 0);
    dps_secure_device_deinit();
}

/* The tools' view of the module. */
static void tools(void)
{
    DPS_SEC_HANDLE auth;
    char* text;
    CHECK_EQ(security_device_init(), 0);
    auth = dps_sec_create();
    CHECK_EQ(dps_sec_get_type(auth), DPS_SEC_TYPE_X509);
    CHECK_EQ(dps_sec_get_type(NULL), DPS_SEC_TYPE_UNKNOWN);
    text = dps_sec_get_registration_id(auth);
    CHECK(strcmp(text, "c-device") == 0);
    free(text);
    text = dps_sec_get_certificate(auth);
    CHECK(strcmp(text, DEVICE_CERTIFICATE) == 0);
    free(text);
    text = dps_sec_get_alias_key(auth);
    CHECK(strcmp(text, DEVICE_KEY) == 0);
    free(text);
    /* Of the handle that is there, for modules that bear one at a time. */
    module.no_handle = true;
    text = dps_sec_get_signer_cert(auth);
    CHECK(text != NULL && strcmp(text, "the signer's") == 0);
    free(text);
    module.no_handle = false;
    CHECK_EQ(module.alive, 1);
    text = dps_sec_get_certificate(auth);
    CHECK(strcmp(text, DEVICE_CERTIFICATE) == 0);
    free(text);
    CHECK(dps_sec_get_signer_cert(NULL) == NULL);
    /* Of TPMs. */
    CHECK(dps_sec_import_key(auth, (const unsigned char*)"key", 3) != 0);
    CHECK(dps_sec_construct_sas_token(auth, "scope", "name", 1) == NULL);
    CHECK(dps_sec_get_endorsement_key(auth) == NULL);
    CHECK(dps_sec_get_storage_key(auth) == NULL);
    dps_sec_destroy(auth);
    dps_sec_destroy(auth);
    CHECK_EQ(module.alive, 0);
    dps_secure_device_deinit();
}

/* One thread works, another destroys. */
static void* worker(void* context)
{
    DPS_LL_HANDLE client = context;
    while (DPS_LL_SetOption(client, "no such option", "") == DPS_CLIENT_OK)
    {
        DPS_LL_DoWork(client);
    }
    return NULL;
}

static void destroy_elsewhere(void)
{
    int round;
    CHECK_EQ(security_device_init(), 0);
    for (round = 0; round < 40; round++)
    {
        pthread_t thread;
        RECORD record;
        DPS_LL_HANDLE client;
        memset(&record, 0, sizeof(record));
        client = DPS_LL_Create("127.0.0.1:1", "0ne1", DPS_HTTP_Protocol, on_error, &record);
        CHECK(client != NULL);
        CHECK_EQ(pthread_create(&thread, NULL, worker, client), 0);
        CHECK_EQ(DPS_LL_Register_Device(client, on_registered, &record, on_status, &record), DPS_CLIENT_OK);
        ThreadAPI_Sleep((unsigned int)(round % 4));
        DPS_LL_Destroy(client);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(record.registered, 0);
        CHECK(record.failed <= 1);
    }
    CHECK_EQ(module.alive, 0);
    dps_secure_device_deinit();
}

static DPS_LL_HANDLE client_of_service(RECORD* record)
{
    memset(record, 0, sizeof(*record));
    CHECK_EQ(security_device_init(), 0);
    record->client = DPS_Client_LL_Create(service.endpoint, service.id_scope, DPS_MQTT_Protocol, on_error, record);
    CHECK(record->client != NULL);
    CHECK_EQ(DPS_LL_SetOption(record->client, OPTION_TRUSTED_CERT, service.ca), DPS_CLIENT_OK);
    return record->client;
}

static void success(void)
{
    RECORD record;
    DPS_LL_HANDLE client = client_of_service(&record);
    int round;
    for (round = 0; round < 3; round++)
    {
        memset(&record, 0, sizeof(record));
        record.client = client;
        record.at_the_end = round == 2 ? destroy_now : NULL;
        CHECK_EQ(DPS_LL_Register_Device(client, on_registered, &record, on_status, &record), DPS_CLIENT_OK);
        finish(&record);
        CHECK_EQ(record.registered, 1);
        CHECK_EQ(record.connected, 1);
        CHECK(record.assigning >= 1);
        CHECK_EQ(record.other_statuses, 0);
        CHECK(strcmp(record.hub, "contoso-hub.localhost") == 0);
        CHECK(strcmp(record.device_id, module.name) == 0);
    }
    CHECK_EQ(module.alive, 0);
    dps_secure_device_deinit();
}

/* The service does not know the certificate. */
static void refused_certificate(void)
{
    RECORD record;
    DPS_LL_HANDLE client = client_of_service(&record);
    CHECK_EQ(DPS_Client_LL_Register_Device(client, on_registered, &record, on_status, &record), DPS_CLIENT_OK);
    finish(&record);
    CHECK_EQ(record.failed, 1);
    CHECK_EQ(record.error, DPS_ERROR_DEV_AUTH_ERROR);
    CHECK_EQ(record.connected, 1);
    CHECK_TOLD(client, "401002");
    DPS_Client_LL_Destroy(client);
    CHECK_EQ(module.alive, 0);
    dps_secure_device_deinit();
}

static const struct
{
    const char* name;
    bool wants_service;
    void (*run)(void);
} SCENARIOS[] = {
    { "names", false, names },
    { "factory", false, factory },
    { "never_initialised", false, never_initialised },
    { "hub", false, hub },
    { "creation", false, creation },
    { "options", false, options },
    { "refused_tcp", false, refused_tcp },
    { "tools", false, tools },
    { "destroy_elsewhere", false, destroy_elsewhere },
    { "success", true, success },
    { "refused_certificate", true, refused_certificate },
};

int main(int argc, char** argv)
{
    size_t index;
    char* certificate = NULL;
    char* key = NULL;
    if (argc == 8)
    {
        service.endpoint = argv[2];
        service.id_scope = argv[3];
        service.ca = read_file(argv[4]);
        module.certificate = certificate = read_file(argv[5]);
        module.key = key = read_file(argv[6]);
        module.name = argv[7];
    }
    for (index = 0; index < sizeof(SCENARIOS) / sizeof(SCENARIOS[0]); index++)
    {
        if (argc > 1 && strcmp(argv[1], SCENARIOS[index].name) == 0 && SCENARIOS[index].wants_service == (argc == 8))
        {
            SCENARIOS[index].run();
            no_thread_is_left();
            free(service.ca);
            free(certificate);
            free(key);
            return 0;
        }
    }
    fprintf(stderr, "no such scenario, or not with these arguments\n");
    return 2;
}
