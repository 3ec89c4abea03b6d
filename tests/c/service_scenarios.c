/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Scenarios with a service at the endpoint of the arguments that knows their device. */
#include "scenarios.h"

#include <stdio.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"

/* 32 bytes that no service has as a key. */
#define WRONG_KEY "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmchd3I="

void success(void)
{
    CLIENT client;
    RECORD record;

    use_arguments();
    client = new_client();
    register_and_finish(client, &record);
    expect_success(&record);
    CHECK_EQ(client_failure(client).result, PROV_DEVICE_RESULT_OK);
    /* Nothing more comes. */
    work_for(client, 200);
    CHECK_EQ(record.finished, 1);
    client_destroy(client);
    CHECK_EQ(record.finished, 1);
    printf("hub %s, device %s, %d x assigning\n", record.hub, record.device_id, record.assigning);
}

void wrong_key(void)
{
    CLIENT client;
    RECORD record;
    DPS_FAILURE failure;

    use_key(arguments.registration_id, WRONG_KEY);
    client = new_client();
    register_and_finish(client, &record);
    CHECK_EQ(record.result, arguments.refused);
    CHECK_EQ(record.assigning, 0);
    failure = client_failure(client);
    CHECK_EQ(failure.result, arguments.refused);
    CHECK_EQ(failure.transient, 0);
    CHECK(strcmp(failure.stage, "register") == 0 || strcmp(failure.stage, "authenticate") == 0);
    CHECK(strlen(failure.hint) > 0);
    CHECK(strstr(client_error(client), WRONG_KEY) == NULL);
    if (failure.service_status != 0)
    {
        CHECK_EQ(failure.service_status, 401);
        CHECK_EQ(failure.service_error_code / 1000, 401);
    }
    printf("%s\n", client_error(client));
    client_destroy(client);
}

void untrusted(void)
{
    CLIENT client;
    RECORD record;

    use_arguments();
    /* Without the CA. */
    client = new_untrusting_client();
    register_and_finish(client, &record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    CHECK_EQ(record.connected, 0);
    CHECK(strcmp(client_failure(client).stage, "tls") == 0);
    printf("%s\n", client_error(client));

    /* With something that is no PEM. */
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, "-----BEGIN CERTIFICATE-----\nnonsense"), PROV_DEVICE_RESULT_OK);
    register_and_finish(client, &record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    CHECK(strcmp(client_failure(client).stage, "tls") == 0);
    printf("%s\n", client_error(client));

    /* With it: the same handle works. */
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    register_and_finish(client, &record);
    expect_success(&record);
    client_destroy(client);
}

/* At every moment of a registration that would succeed. */
void destroy_midway(void)
{
    unsigned int delay;
    int unfinished = 0;

    use_arguments();
    for (delay = 0; delay <= 100; delay += 5)
    {
        RECORD record;
        RECORD seen;
        CLIENT client = new_client();
        record_init(&record);
        begin(client, &record);
        work_for(client, delay);
        client_destroy(client);
        take_record(&record, &seen);
        sleep_ms(20);
        CHECK_EQ(record.finished, seen.finished);
        CHECK_EQ(record.connected, seen.connected);
        CHECK_EQ(record.assigning, seen.assigning);
        unfinished += seen.finished == 0;
    }
    CHECK(unfinished > 0);
}

/* One handle, several registrations; with a service that answers "assigning" too. */
void register_again(void)
{
    CLIENT client;
    RECORD record;
    int round;

    use_arguments();
    client = new_client();
    for (round = 0; round < 3; round++)
    {
        register_and_finish(client, &record);
        expect_success(&record);
    }
    client_destroy(client);
}

void register_in_flight(void)
{
    CLIENT client;
    RECORD record;
    RECORD second;
    int refused = 0;

    use_arguments();
    client = new_client();
    record_init(&record);
    record_init(&second);
    begin(client, &record);
    while (!is_finished(&record))
    {
        PROV_DEVICE_RESULT result = client_register(client, &second);
        if (result == PROV_DEVICE_RESULT_OK)
        {
            /* The threaded client may have finished in between. */
            CHECK(arguments.threaded && is_finished(&record));
            break;
        }
        CHECK_EQ(result, PROV_DEVICE_RESULT_ERROR);
        refused++;
        client_work(client);
    }
    CHECK(refused > 0);
    expect_success(&record);
    client_destroy(client);
}

/* ---- every call from every callback ---- */

static int calls_from_status;

static void all_calls(CLIENT client)
{
    RECORD other;
    uint8_t timeout = 30;
    bool trace = false;
    DPS_POLICY policy;

    record_init(&other);
    CHECK_EQ(client_register(client, &other), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, PROV_OPTION_LOG_TRACE, &trace), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "late"), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_payload(client, "{\"from\":\"callback\"}"), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_payload(client, NULL), PROV_DEVICE_RESULT_OK);
    (void)client_get_payload(client);
    (void)client_error(client);
    policy.size = sizeof(policy);
    if (client.threaded != NULL)
    {
        CHECK_EQ(dps_get_policy(client.threaded, &policy), PROV_DEVICE_RESULT_OK);
    }
    else
    {
        CHECK_EQ(dps_ll_get_policy(client.ll, &policy), PROV_DEVICE_RESULT_OK);
        /* Nothing to do for an inner pass. */
        Prov_Device_LL_DoWork(client.ll);
    }
}

static void calls_in_status(RECORD* record, PROV_DEVICE_REG_STATUS status)
{
    (void)status;
    calls_from_status++;
    all_calls(record->client);
}

static void calls_in_register(RECORD* record, PROV_DEVICE_RESULT result)
{
    CHECK_EQ(result, PROV_DEVICE_RESULT_OK);
    all_calls(record->client);
}

static void destroy_in_status(RECORD* record, PROV_DEVICE_REG_STATUS status)
{
    (void)status;
    client_destroy(record->client);
    CHECK_EQ(client_set_payload(record->client, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
    client_destroy(record->client);
}

static void destroy_in_register(RECORD* record, PROV_DEVICE_RESULT result)
{
    CHECK_EQ(result, PROV_DEVICE_RESULT_OK);
    client_destroy(record->client);
}

void callback_reentrancy(void)
{
    CLIENT client;
    RECORD record;
    RECORD seen;

    use_arguments();

    client = new_client();
    record_init(&record);
    record.in_status = calls_in_status;
    record.in_register = calls_in_register;
    begin(client, &record);
    finish(&record);
    expect_success(&record);
    CHECK(calls_from_status >= 1);
    register_and_finish(client, &record);
    expect_success(&record);
    client_destroy(client);

    /* Destroy from the status callback: no outcome comes. */
    client = new_client();
    record_init(&record);
    record.in_status = destroy_in_status;
    begin(client, &record);
    work_for(client, 1500);
    /* The thread that wrote it has ended by itself, and nobody has waited for that. */
    take_record(&record, &seen);
    CHECK_EQ(seen.connected, 1);
    CHECK_EQ(seen.assigning, 0);
    CHECK_EQ(seen.finished, 0);

    /* Destroy from the register callback. */
    client = new_client();
    record_init(&record);
    record.in_register = destroy_in_register;
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_OK);
    work_for(client, 50);
    CHECK_EQ(client_set_payload(client, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
}

#define SENT "{\"model\": \"a/b\", \"n\": 12345678901234567890, \"x\": 1.10, \"s\": \"\\u0000\"}"

static void payload_in_register(RECORD* record, PROV_DEVICE_RESULT result)
{
    CHECK_EQ(result, PROV_DEVICE_RESULT_OK);
    CHECK(client_get_payload(record->client) != NULL);
    CHECK(strcmp(client_get_payload(record->client), SENT) == 0);
}

/* The service gives back what it was sent. */
void payload(void)
{
    CLIENT client;
    RECORD record;

    use_arguments();
    client = new_client();
    CHECK(client_get_payload(client) == NULL);
    /* Byte for byte; what follows the first value is ignored, as in the original. */
    CHECK_EQ(client_set_payload(client, SENT "/*c*/"), PROV_DEVICE_RESULT_OK);
    record_init(&record);
    record.in_register = payload_in_register;
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_OK);
    CHECK(strcmp(client_get_payload(client), SENT) == 0);

    /* What is no JSON ends the run; the next accepted Register forgets the old answer. */
    CHECK_EQ(client_set_payload(client, "{"), PROV_DEVICE_RESULT_OK);
    CHECK(strcmp(client_get_payload(client), SENT) == 0);
    register_and_finish(client, &record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    CHECK(client_get_payload(client) == NULL);

    /* NULL unsets. */
    CHECK_EQ(client_set_payload(client, NULL), PROV_DEVICE_RESULT_OK);
    register_and_finish(client, &record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_OK);
    CHECK(client_get_payload(client) == NULL);

    /* Any JSON value will do. */
    CHECK_EQ(client_set_payload(client, " null"), PROV_DEVICE_RESULT_OK);
    register_and_finish(client, &record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_OK);
    CHECK(strcmp(client_get_payload(client), "null") == 0);
    client_destroy(client);
}

/* The option goes before the name given with the key. */
void id_by_option(void)
{
    CLIENT client;
    RECORD record;

    use_key("somebody-else", arguments.key);
    client = new_client();
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, arguments.registration_id), PROV_DEVICE_RESULT_OK);
    register_and_finish(client, &record);
    expect_success(&record);
    client_destroy(client);
}
