/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Scenarios that need no service. */
#include "scenarios.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_amqp_client.h"
#include "azure_prov_client/prov_transport_amqp_ws_client.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "azure_prov_client/prov_transport_mqtt_ws_client.h"

#define SOME_KEY "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="
#define OTHER_KEY "MZDCwJ3bnw6CafGGqJx08DuDViOwM7NJ9SdrF7KF3w4="
#define NOT_A_HANDLE ((void*)(uintptr_t)0x5EED)

static void ignore_result(PROV_DEVICE_RESULT result, const char* hub, const char* device_id, void* context)
{
    (void)result;
    (void)hub;
    (void)device_id;
    (void)context;
    CHECK(!"this callback must not be called");
}

static const PROV_DEVICE_TRANSPORT_PROVIDER* no_protocol(void)
{
    return NULL;
}

static const PROV_DEVICE_TRANSPORT_PROVIDER* foreign_protocol(void)
{
    return (const PROV_DEVICE_TRANSPORT_PROVIDER*)NOT_A_HANDLE;
}

/* c-abi.md section 1.5. */
void security_factory(void)
{
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_UNKNOWN);
    CHECK(prov_dev_get_symmetric_key() == NULL);
    CHECK(prov_dev_get_symm_registration_name() == NULL);

    /* No kind yet: no client, and the reason is told. */
    CHECK_EQ(prov_dev_set_symmetric_key_info("before-init", SOME_KEY), 0);
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    CHECK(strstr(dps_last_error(NULL), "prov_dev_security_init") != NULL);

    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_UNKNOWN) != 0);
    CHECK(prov_dev_security_init((SECURE_DEVICE_TYPE)5) != 0);
    CHECK(prov_dev_security_init((SECURE_DEVICE_TYPE)-1) != 0);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_UNKNOWN);

    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_SYMMETRIC_KEY);
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM) != 0);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_SYMMETRIC_KEY);
    /* Refused, and yet told: as in the original. */
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_X509) != 0);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_X509);
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_SYMMETRIC_KEY);

    CHECK(prov_dev_set_symmetric_key_info(NULL, SOME_KEY) != 0);
    CHECK(prov_dev_set_symmetric_key_info("name", NULL) != 0);
    CHECK(strcmp(prov_dev_get_symm_registration_name(), "before-init") == 0);
    CHECK_EQ(prov_dev_set_symmetric_key_info("after-init", OTHER_KEY), 0);
    CHECK(strcmp(prov_dev_get_symm_registration_name(), "after-init") == 0);
    CHECK(strcmp(prov_dev_get_symmetric_key(), OTHER_KEY) == 0);

    {
        CLIENT client = client_create("localhost", "0ne1");
        CHECK(client_exists(client));
        client_destroy(client);
    }

    prov_dev_security_deinit();
    prov_dev_security_deinit();
    CHECK(prov_dev_get_symmetric_key() == NULL);
    CHECK(prov_dev_get_symm_registration_name() == NULL);
    CHECK(prov_dev_security_get_type() != SECURE_DEVICE_TYPE_UNKNOWN);
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_X509) != 0);
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);

    /* No key: no client. */
    CHECK(!client_exists(client_create("localhost", "0ne1")));
    CHECK(strstr(dps_last_error(NULL), "prov_dev_set_symmetric_key_info") != NULL);
}

static const PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION PROTOCOL[] = {
    Prov_Device_MQTT_Protocol,
    Prov_Device_MQTT_WS_Protocol,
    Prov_Device_HTTP_Protocol,
    Prov_Device_AMQP_Protocol,
    Prov_Device_AMQP_WS_Protocol,
};
#define PROTOCOLS (sizeof(PROTOCOL) / sizeof(PROTOCOL[0]))

/* Every function with NULL, and with what never was a handle. */
void null_args(void)
{
    PROV_DEVICE_LL_HANDLE ll;
    PROV_DEVICE_HANDLE threaded;
    DPS_FAILURE failure;
    DPS_POLICY policy;
    void* bad[2];
    size_t index;

    bad[0] = NULL;
    bad[1] = NOT_A_HANDLE;
    use_key("device", SOME_KEY);

    CHECK(strcmp(Prov_Device_GetVersionString(), PROV_DEVICE_CLIENT_VERSION) == 0);
    CHECK(strcmp(Prov_Device_LL_GetVersionString(), PROV_DEVICE_CLIENT_VERSION) == 0);
    CHECK(strcmp(dps_version(), DPS_VERSION) == 0);
    CHECK(Prov_Device_MQTT_Protocol() != NULL);
    CHECK(Prov_Device_MQTT_Protocol() == Prov_Device_MQTT_Protocol());
    for (index = 0; index < PROTOCOLS; index++)
    {
        size_t other;
        CHECK(PROTOCOL[index]() != NULL);
        for (other = 0; other < index; other++)
        {
            CHECK(PROTOCOL[index]() != PROTOCOL[other]());
        }
        ll = Prov_Device_LL_Create("localhost", "0ne1", PROTOCOL[index]);
        CHECK(ll != NULL);
        Prov_Device_LL_Destroy(ll);
    }

    CHECK(Prov_Device_LL_Create(NULL, "0ne1", Prov_Device_MQTT_Protocol) == NULL);
    CHECK(Prov_Device_LL_Create("localhost", NULL, Prov_Device_MQTT_Protocol) == NULL);
    CHECK(Prov_Device_LL_Create("localhost", "0ne1", NULL) == NULL);
    CHECK(Prov_Device_LL_Create("localhost", "0ne1", no_protocol) == NULL);
    CHECK(Prov_Device_LL_Create("localhost", "0ne1", foreign_protocol) == NULL);
    CHECK(Prov_Device_Create(NULL, "0ne1", Prov_Device_MQTT_Protocol) == NULL);
    CHECK(Prov_Device_Create("localhost", NULL, Prov_Device_MQTT_Protocol) == NULL);
    CHECK(Prov_Device_Create("localhost", "0ne1", NULL) == NULL);
    CHECK(Prov_Device_Create("localhost", "0ne1", no_protocol) == NULL);

    for (index = 0; index < sizeof(bad) / sizeof(bad[0]); index++)
    {
        ll = (PROV_DEVICE_LL_HANDLE)bad[index];
        threaded = (PROV_DEVICE_HANDLE)bad[index];
        Prov_Device_LL_Destroy(ll);
        Prov_Device_LL_DoWork(ll);
        CHECK_EQ(Prov_Device_LL_Register_Device(ll, ignore_result, NULL, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(Prov_Device_LL_SetOption(ll, "logtrace", "x"), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(Prov_Device_LL_Set_Provisioning_Payload(ll, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(Prov_Device_LL_Set_Provisioning_Payload(ll, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK(Prov_Device_LL_Get_Provisioning_Payload(ll) == NULL);
        Prov_Device_Destroy(threaded);
        CHECK_EQ(Prov_Device_Register_Device(threaded, ignore_result, NULL, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(Prov_Device_SetOption(threaded, "logtrace", "x"), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(Prov_Device_Set_Provisioning_Payload(threaded, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK(Prov_Device_Get_Provisioning_Payload(threaded) == NULL);

        policy.size = sizeof(policy);
        CHECK_EQ(dps_ll_get_policy(ll, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(dps_ll_set_policy(ll, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(dps_get_policy(threaded, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(dps_set_policy(threaded, &policy), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK(strlen(dps_ll_last_error(ll)) > 0);
        CHECK(strlen(dps_last_error(threaded)) > 0);
    }
    failure.size = sizeof(failure);
    CHECK_EQ(dps_last_failure((PROV_DEVICE_HANDLE)NOT_A_HANDLE, &failure), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(dps_last_failure(NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
    failure.size = sizeof(failure) - 1;
    CHECK_EQ(dps_last_failure(NULL, &failure), PROV_DEVICE_RESULT_INVALID_ARG);
    failure.size = sizeof(failure);
    CHECK_EQ(dps_last_failure(NULL, &failure), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(failure.result, PROV_DEVICE_RESULT_INVALID_ARG);

    ll = Prov_Device_LL_Create("localhost", "0ne1", Prov_Device_MQTT_Protocol);
    threaded = Prov_Device_Create("localhost", "0ne1", Prov_Device_MQTT_Protocol);
    CHECK(ll != NULL && threaded != NULL);
    CHECK_EQ(Prov_Device_LL_Register_Device(ll, NULL, NULL, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(Prov_Device_Register_Device(threaded, NULL, NULL, NULL, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(Prov_Device_LL_SetOption(ll, NULL, "x"), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(Prov_Device_SetOption(threaded, NULL, "x"), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(dps_ll_get_policy(ll, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(dps_ll_set_policy(ll, NULL), PROV_DEVICE_RESULT_INVALID_ARG);
    /* Nothing was registered: nothing happens. */
    Prov_Device_LL_DoWork(ll);
    CHECK(Prov_Device_LL_Get_Provisioning_Payload(ll) == NULL);
    CHECK(Prov_Device_Get_Provisioning_Payload(threaded) == NULL);
    Prov_Device_LL_Destroy(ll);
    Prov_Device_Destroy(threaded);
}

/* What cannot work ends with a code and a reason, never with a crash. */
void bad_settings(void)
{
    static const struct
    {
        const char* uri;
        const char* scope;
        const char* id;
        const char* key;
        PROV_DEVICE_RESULT expected;
    } CASES[] = {
        { "", "0ne1", "device", SOME_KEY, PROV_DEVICE_RESULT_TRANSPORT },
        { "https://localhost", "0ne1", "device", SOME_KEY, PROV_DEVICE_RESULT_TRANSPORT },
        { "localhost", "", "device", SOME_KEY, PROV_DEVICE_RESULT_DEV_AUTH_ERROR },
        { "localhost", "0ne1", "", SOME_KEY, PROV_DEVICE_RESULT_DEV_AUTH_ERROR },
        { "localhost", "0ne1", "two words", SOME_KEY, PROV_DEVICE_RESULT_DEV_AUTH_ERROR },
        { "localhost", "0ne1", "\xFF\xFE", SOME_KEY, PROV_DEVICE_RESULT_DEV_AUTH_ERROR },
        { "localhost", "0ne1", "device", "", PROV_DEVICE_RESULT_TRANSPORT },
        { "localhost", "0ne1", "device", "no base64 at all", PROV_DEVICE_RESULT_TRANSPORT },
    };
    static const char* const BAD_JSON[] = { "", "{", "{'a':1}", "nope" };
    size_t index;
    CLIENT client;
    RECORD record;

    for (index = 0; index < sizeof(CASES) / sizeof(CASES[0]); index++)
    {
        use_key(CASES[index].id, CASES[index].key);
        client = client_create(CASES[index].uri, CASES[index].scope);
        CHECK(client_exists(client));
        record_init(&record);
        begin(client, &record);
        finish(&record);
        CHECK_EQ(record.result, CASES[index].expected);
        CHECK_EQ(record.connected, 0);
        CHECK_EQ(client_failure(client).result, CASES[index].expected);
        CHECK(strcmp(client_failure(client).stage, "config") == 0);
        CHECK(strstr(client_error(client), "base64 at all") == NULL);
        client_destroy(client);
    }

    use_key("device", SOME_KEY);
    client = client_create("localhost:1", "0ne1");
    for (index = 0; index < sizeof(BAD_JSON) / sizeof(BAD_JSON[0]); index++)
    {
        record_init(&record);
        CHECK_EQ(client_set_payload(client, BAD_JSON[index]), PROV_DEVICE_RESULT_OK);
        begin(client, &record);
        finish(&record);
        CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    }
    client_destroy(client);
}

/* Connection refused: the original's code, with the reason. */
void refused_tcp(void)
{
    CLIENT client;
    RECORD record;
    DPS_FAILURE failure;
    char uri[32];

    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", closed_port());
    client = client_create(uri, "0ne1");
    CHECK(client_exists(client));
    record_init(&record);
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    CHECK_EQ(record.connected + record.assigning, 0);
    failure = client_failure(client);
    CHECK_EQ(failure.result, PROV_DEVICE_RESULT_TRANSPORT);
    CHECK_EQ(failure.transient, 1);
    CHECK(strcmp(failure.stage, "connect") == 0);
    CHECK(strstr(failure.text, uri) != NULL);
    CHECK(strlen(failure.hint) > 0);
    CHECK_EQ(failure.service_status, 0);
    CHECK(failure.service_message == NULL);
    client_destroy(client);
}

/* A server that accepts and never answers. */
void silent_server(void)
{
    CLIENT client;
    RECORD record;
    uint8_t timeout = 1;
    uint64_t began;
    char uri[32];

    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", silent_port(NULL));
    client = client_create(uri, "0ne1");
    CHECK_EQ(client_set_option(client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
    record_init(&record);
    began = now_ms();
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TIMEOUT);
    CHECK(now_ms() - began >= 900);
    CHECK(strcmp(client_failure(client).stage, "deadline") == 0);

    /* Without a limit it goes on; Destroy does not wait for it. */
    timeout = 0;
    CHECK_EQ(client_set_option(client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
    record_init(&record);
    begin(client, &record);
    work_for(client, 200);
    CHECK(!is_finished(&record));
    began = now_ms();
    client_destroy(client);
    CHECK(is_within(began, 3000));
    sleep_ms(50);
    CHECK(!is_finished(&record));
}

/* Destroyed handles are recognised. */
void use_after_destroy(void)
{
    CLIENT client;
    CLIENT younger;
    CLIENT wrong_kind;
    RECORD record;
    DPS_POLICY policy;
    int round;

    use_key("device", SOME_KEY);
    for (round = 0; round < 3; round++)
    {
        client = client_create("localhost", "0ne1");
        CHECK(client_exists(client));
        client_destroy(client);
        younger = client_create("localhost", "0ne1");
        CHECK(client_exists(younger));
        /* Not the same handle again. */
        CHECK(client.ll != younger.ll || client.threaded != younger.threaded);

        client_destroy(client);
        client_destroy(client);
        record_init(&record);
        CHECK_EQ(client_register(client, &record), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(client_set_option(client, "logtrace", "x"), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK_EQ(client_set_payload(client, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK(client_get_payload(client) == NULL);
        client_work(client);
        CHECK(strstr(client_error(client), "destroyed") != NULL);

        /* A handle of one kind is none of the other. */
        wrong_kind.ll = (PROV_DEVICE_LL_HANDLE)(void*)younger.threaded;
        wrong_kind.threaded = (PROV_DEVICE_HANDLE)(void*)younger.ll;
        policy.size = sizeof(policy);
        CHECK_EQ(wrong_kind.ll != NULL ? dps_ll_get_policy(wrong_kind.ll, &policy)
                                       : dps_get_policy(wrong_kind.threaded, &policy),
                 PROV_DEVICE_RESULT_INVALID_ARG);
        client_destroy(wrong_kind);
        CHECK_EQ(client_set_payload(younger, "{}"), PROV_DEVICE_RESULT_OK);
        client_destroy(younger);
    }
}

/* Destroy at every moment, from outside and from the callbacks of a failing registration. */
static void destroy_in_callback(RECORD* record, PROV_DEVICE_RESULT result)
{
    RECORD other;
    CHECK_EQ(result, PROV_DEVICE_RESULT_TRANSPORT);
    client_destroy(record->client);
    /* The handle is gone at once, the client when this returns. */
    record_init(&other);
    CHECK_EQ(client_register(record->client, &other), PROV_DEVICE_RESULT_INVALID_ARG);
}

void destroy_midway_offline(void)
{
    CLIENT client;
    RECORD record;
    char refused[32];
    char silent[32];
    unsigned int delay;

    use_key("device", SOME_KEY);
    snprintf(refused, sizeof(refused), "127.0.0.1:%u", closed_port());
    snprintf(silent, sizeof(silent), "127.0.0.1:%u", silent_port(NULL));

    for (delay = 0; delay < 30; delay += 2)
    {
        RECORD seen;
        client = client_create(delay % 4 == 0 ? refused : silent, "0ne1");
        record_init(&record);
        begin(client, &record);
        work_for(client, delay);
        client_destroy(client);
        take_record(&record, &seen);
        sleep_ms(20);
        CHECK_EQ(record.finished, seen.finished);
        CHECK_EQ(record.connected, 0);
    }

    client = client_create("", "0ne1");
    record_init(&record);
    record.in_register = destroy_in_callback;
    begin(client, &record);
    finish(&record);
    client_destroy(client);
}
