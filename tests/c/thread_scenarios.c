/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Many threads at once. The thread sanitizer looks on (tests/sanitizers). */
#define _POSIX_C_SOURCE 200809L

#include "scenarios.h"

#include <stdio.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_security_factory.h"
#include "certificates.h"

#define SOME_KEY "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="
#define WRONG_KEY "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmchd3I="
#define THREADS 6

static void on_threads(void* (*run)(void*), void* const* contexts)
{
    pthread_t threads[THREADS];
    size_t index;
    for (index = 0; index < THREADS; index++)
    {
        CHECK_EQ(pthread_create(&threads[index], NULL, run, contexts[index]), 0);
    }
    for (index = 0; index < THREADS; index++)
    {
        CHECK_EQ(pthread_join(threads[index], NULL), 0);
    }
}

/* ---- the security functions ---- */

static void* change_the_keys(void* context)
{
    int round;
    for (round = 0; round < 100; round++)
    {
        CLIENT client;
        CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
        CHECK_EQ(prov_dev_set_symmetric_key_info("device", SOME_KEY), 0);
        CHECK_EQ(iothub_security_set_symmetric_key_info("device", SOME_KEY), 0);
        (void)prov_dev_security_get_type();
        (void)iothub_security_type();
        if (context != NULL && round % 10 == 9)
        {
            prov_dev_security_deinit();
        }
        /* There may be no key just now. */
        client = client_create("localhost:1", "0ne1");
        if (client_exists(client))
        {
            client_destroy(client);
        }
        else
        {
            CHECK(strstr(dps_last_error(NULL), "prov_dev_set_symmetric_key_info") != NULL);
        }
    }
    return NULL;
}

/* Keys are set, forgotten and used on several threads. */
void threads_factory(void)
{
    static int some;
    void* const contexts[THREADS] = { NULL, NULL, NULL, NULL, NULL, &some };
    on_threads(change_the_keys, contexts);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_SYMMETRIC_KEY);
}

/* ---- one handle, all functions, all threads ---- */

typedef struct STORM_TAG
{
    CLIENT client;
    RECORD record;
    int number;
} STORM;

static void* all_at_once(void* context)
{
    STORM* storm = context;
    const uint8_t timeout = 5;
    int round;
    for (round = 0; round < 60; round++)
    {
        RECORD other;
        PROV_DEVICE_RESULT result;
        switch ((round + storm->number) % 5)
        {
            case 0:
                result = client_set_option(storm->client, PROV_OPTION_TIMEOUT, &timeout);
                break;
            case 1:
                result = client_set_payload(storm->client, "{\"a\":1}");
                break;
            case 2:
                (void)client_get_payload(storm->client);
                (void)client_error(storm->client);
                result = client_set_option(storm->client, OPTION_TRUSTED_CERT, "not a PEM");
                break;
            case 3:
                record_init(&other);
                /* Its callbacks may come as long as the handle lives: none is given. */
                result = storm->client.ll != NULL ? Prov_Device_LL_Register_Device(storm->client.ll, NULL, NULL, NULL, NULL)
                                                  : Prov_Device_Register_Device(storm->client.threaded, NULL, NULL, NULL, NULL);
                CHECK_EQ(result, PROV_DEVICE_RESULT_INVALID_ARG);
                break;
            default:
                client_work(storm->client);
                continue;
        }
        CHECK(result == PROV_DEVICE_RESULT_OK || result == PROV_DEVICE_RESULT_INVALID_ARG);
        if (storm->number == 5 && round == 40)
        {
            client_destroy(storm->client);
        }
    }
    return NULL;
}

/* A registration is under way on one handle, which every thread uses and one destroys. */
void threads_storm(void)
{
    char refused[32];
    char silent[32];
    int round;

    use_key("device", SOME_KEY);
    snprintf(refused, sizeof(refused), "127.0.0.1:%u", closed_port());
    snprintf(silent, sizeof(silent), "127.0.0.1:%u", silent_port(NULL));
    for (round = 0; round < 4; round++)
    {
        STORM storms[THREADS];
        void* contexts[THREADS];
        RECORD record;
        CLIENT client = client_create(round % 2 == 0 ? refused : silent, "0ne1");
        int index;
        record_init(&record);
        begin(client, &record);
        for (index = 0; index < THREADS; index++)
        {
            storms[index].client = client;
            storms[index].number = index;
            contexts[index] = &storms[index];
        }
        on_threads(all_at_once, contexts);
        CHECK_EQ(client_set_payload(client, "{}"), PROV_DEVICE_RESULT_INVALID_ARG);
        CHECK(record.finished <= 1);
    }
}

/* ---- many clients with different keys or certificates ---- */

static void* register_one(void* context)
{
    const bool good = context != NULL;
    RECORD record;
    CLIENT client;

    if (arguments.key != NULL)
    {
        /* The key of the process when the client is made. */
        client = client_create(arguments.endpoint, arguments.id_scope);
        CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    }
    else
    {
        client = client_create(arguments.endpoint, arguments.id_scope);
        CHECK_EQ(client_set_option(client, OPTION_X509_CERT, good ? arguments.certificate : DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, good ? arguments.certificate_key : DEVICE_KEY), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    }
    register_and_finish(client, &record);
    if (good || arguments.key != NULL)
    {
        expect_success(&record);
        CHECK(strcmp(record.device_id, arguments.registration_id) == 0);
    }
    else
    {
        CHECK_EQ(record.result, arguments.refused);
        CHECK(strstr(client_error(client), "401") != NULL);
    }
    client_destroy(client);
    return NULL;
}

/* Every client proves itself with what it was made with, while the others do the same: the original has
 * one certificate for the process [21]. */
void threads_several(void)
{
    static int good;
    void* const contexts[THREADS] = { &good, NULL, &good, NULL, &good, NULL };
    CLIENT wrong = { NULL, NULL };
    RECORD record;

    if (arguments.key != NULL)
    {
        /* Made with another key, and under way beside the good ones. */
        use_key(arguments.registration_id, WRONG_KEY);
        wrong = new_client();
    }
    use_arguments();
    if (client_exists(wrong))
    {
        record_init(&record);
        begin(wrong, &record);
    }
    on_threads(register_one, contexts);
    if (client_exists(wrong))
    {
        finish(&record);
        CHECK_EQ(record.result, arguments.refused);
        client_destroy(wrong);
    }
}

/* ---- calls from callbacks and from another thread at the same time ---- */

static void* disturb(void* context)
{
    RECORD* record = context;
    const uint8_t timeout = 30;
    while (!is_finished(record))
    {
        RECORD other;
        record_init(&other);
        CHECK_EQ(client_set_option(record->client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_payload(record->client, "{\"from\":\"another thread\"}"), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_payload(record->client, NULL), PROV_DEVICE_RESULT_OK);
        (void)client_get_payload(record->client);
        (void)client_error(record->client);
        (void)client_failure(record->client);
        (void)client_policy(record->client);
        sleep_ms(1);
    }
    return NULL;
}

static void calls(RECORD* record)
{
    const uint8_t timeout = 30;
    RECORD other;
    record_init(&other);
    CHECK_EQ(client_register(record->client, &other), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(record->client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_payload(record->client, NULL), PROV_DEVICE_RESULT_OK);
    (void)client_get_payload(record->client);
    (void)client_error(record->client);
}

static void calls_in_status(RECORD* record, PROV_DEVICE_REG_STATUS status)
{
    (void)status;
    calls(record);
}

static void calls_in_register(RECORD* record, PROV_DEVICE_RESULT result)
{
    CHECK_EQ(result, PROV_DEVICE_RESULT_OK);
    calls(record);
}

void threads_callbacks(void)
{
    pthread_t thread;
    CLIENT client;
    RECORD record;

    use_arguments();
    client = new_client();
    record_init(&record);
    record.in_status = calls_in_status;
    record.in_register = calls_in_register;
    begin(client, &record);
    CHECK_EQ(pthread_create(&thread, NULL, disturb, &record), 0);
    finish(&record);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    expect_success(&record);
    client_destroy(client);
}

/* ---- clients in each other's callbacks ---- */

static RECORD pair[2];
static PROV_DEVICE_RESULT crossed[2];
static int inside;
static pthread_mutex_t inside_lock = PTHREAD_MUTEX_INITIALIZER;

static int how_many_inside(int more)
{
    int count;
    CHECK_EQ(pthread_mutex_lock(&inside_lock), 0);
    inside += more;
    count = inside;
    CHECK_EQ(pthread_mutex_unlock(&inside_lock), 0);
    return count;
}

/* Both clients are in this callback at once, and register each other. */
static void register_the_other(RECORD* record, PROV_DEVICE_RESULT result)
{
    const int own = record == &pair[0] ? 0 : 1;
    static RECORD unused[2];
    (void)result;
    record_init(&unused[own]);
    (void)how_many_inside(1);
    while (how_many_inside(0) < 2)
    {
        /* A low-level client has no thread: this one is it. */
        client_work(pair[1].client);
        sleep_ms(1);
    }
    crossed[own] = client_register(pair[1 - own].client, &unused[own]);
    (void)how_many_inside(1);
    while (pair[0].client.ll == NULL && how_many_inside(0) < 4)
    {
        sleep_ms(1);
    }
}

void threads_crossed(void)
{
    int index;
    use_key("device", SOME_KEY);
    for (index = 0; index < 2; index++)
    {
        DPS_POLICY policy;
        CLIENT client = client_create("localhost:1", "0ne1");
        CHECK(client_exists(client));
        policy = client_policy(client);
        policy.max_connections = 1;
        client_set_policy(client, &policy);
        record_init(&pair[index]);
        pair[index].in_register = register_the_other;
        pair[index].client = client;
    }
    begin(pair[0].client, &pair[0]);
    begin(pair[1].client, &pair[1]);
    finish(&pair[0]);
    finish(&pair[1]);
    for (index = 0; index < 2; index++)
    {
        /* On one thread the second client's callback has returned by then. */
        const bool ended = index == 0 && pair[0].client.ll != NULL;
        CHECK_EQ(crossed[index], ended ? PROV_DEVICE_RESULT_OK : PROV_DEVICE_RESULT_ERROR);
        client_destroy(pair[index].client);
    }
}
