/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Contracts of c-abi.md section 9 and improvements of its section 10 that no other scenario shows;
 * docs/c-contracts.md says which. */
#include "scenarios.h"

#include <stdio.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/prov_security_factory.h"
#include "certificates.h"

#define SOME_KEY "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="
#define WRONG_KEY "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmchd3I="
#define MANY 64

/* Create opens and starts nothing; Destroy of a handle that never registered calls nothing. */
void idle_handles(void)
{
    CLIENT clients[MANY];
    const int threads = thread_count();
    size_t index;

    use_key("device", SOME_KEY);
    for (index = 0; index < MANY; index++)
    {
        clients[index] = client_create("localhost:1", "0ne1");
        CHECK(client_exists(clients[index]));
        CHECK_EQ(client_failure(clients[index]).result, PROV_DEVICE_RESULT_OK);
    }
    CHECK_EQ(thread_count(), threads);
    for (index = 0; index < MANY; index++)
    {
        if (clients[index].ll != NULL)
        {
            /* Before Register there is nothing to do. */
            Prov_Device_LL_DoWork(clients[index].ll);
        }
        client_destroy(clients[index]);
    }
    CHECK_EQ(thread_count(), threads);
}

/* registration_id: once, before Register, and not NULL. */
void registration_ids(void)
{
    const PROV_DEVICE_RESULT null_value = arguments.threaded ? PROV_DEVICE_RESULT_INVALID_ARG : PROV_DEVICE_RESULT_ERROR;
    CLIENT client;
    RECORD record;
    char uri[32];

    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", closed_port());
    client = client_create(uri, "0ne1");
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, NULL), null_value);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "first"), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "second"), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "first"), PROV_DEVICE_RESULT_ERROR);
    register_and_finish(client, &record);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "third"), PROV_DEVICE_RESULT_ERROR);
    client_destroy(client);
}

static PROV_DEVICE_RESULT told;
static int times;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void without_context(PROV_DEVICE_RESULT result, const char* hub, const char* device_id, void* context)
{
    CHECK(context == NULL);
    CHECK(hub == NULL && device_id == NULL);
    pthread_mutex_lock(&lock);
    told = result;
    times++;
    pthread_mutex_unlock(&lock);
}

static int times_told(void)
{
    int count;
    pthread_mutex_lock(&lock);
    count = times;
    pthread_mutex_unlock(&lock);
    return count;
}

/* NULL contexts reach the callbacks as such, and a NULL status callback is none. */
void null_contexts(void)
{
    CLIENT client;
    uint64_t began = now_ms();
    char uri[32];

    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", closed_port());
    client = client_create(uri, "0ne1");
    CHECK_EQ(client.ll != NULL ? Prov_Device_LL_Register_Device(client.ll, without_context, NULL, NULL, NULL)
                               : Prov_Device_Register_Device(client.threaded, without_context, NULL, NULL, NULL),
             PROV_DEVICE_RESULT_OK);
    while (times_told() == 0)
    {
        CHECK(is_within(began, 60000));
        client_work(client);
    }
    work_for(client, 50);
    client_destroy(client);
    CHECK_EQ(times_told(), 1);
    CHECK_EQ(told, PROV_DEVICE_RESULT_TRANSPORT);
}

/* The time before Register does not count; in the original it does [8]. */
void timeout_from_register(void)
{
    const uint8_t timeout = 1;
    CLIENT client;
    RECORD record;
    uint64_t began;
    char uri[32];

    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", silent_port(NULL));
    client = client_create(uri, "0ne1");
    CHECK_EQ(client_set_option(client, PROV_OPTION_TIMEOUT, &timeout), PROV_DEVICE_RESULT_OK);
    sleep_ms(1200);
    record_init(&record);
    began = now_ms();
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TIMEOUT);
    CHECK(now_ms() - began >= 900);
    client_destroy(client);
}

/* A connection that has died without a word is noticed, without any timeout [42]. */
void silence(void)
{
    CLIENT client;
    RECORD record;
    DPS_POLICY policy;
    uint64_t began;
    char uri[32];

    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", silent_port(NULL));
    client = client_create(uri, "0ne1");
    policy = client_policy(client);
    policy.silence_ms = 300;
    policy.max_connections = 2;
    client_set_policy(client, &policy);
    record_init(&record);
    began = now_ms();
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TRANSPORT);
    CHECK(now_ms() - began >= 600);
    CHECK_EQ(client_failure(client).transient, 1);
    client_destroy(client);
}

/* A time limit for every handle of the program [7]. */
void default_deadline(void)
{
    CLIENT client;
    RECORD record;
    DPS_POLICY policy;
    DPS_POLICY again;
    uint64_t began;
    char uri[32];

    memset(&policy, 0, sizeof(policy));
    CHECK_EQ(dps_get_default_policy(NULL), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(dps_set_default_policy(NULL), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(dps_get_default_policy(&policy), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK_EQ(dps_set_default_policy(&policy), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK(strstr(dps_last_error(NULL), "size") != NULL);
    policy.size = sizeof(policy);
    CHECK_EQ(dps_get_default_policy(&policy), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(policy.deadline_ms, 0);
    CHECK_EQ(policy.all_statuses + policy.key_errors + policy.uniform_results, 0);
    policy.silence_ms = 0;
    CHECK_EQ(dps_set_default_policy(&policy), PROV_DEVICE_RESULT_INVALID_ARG);
    CHECK(strstr(dps_last_error(NULL), "silence_ms") != NULL);
    policy.silence_ms = 60000;
    policy.deadline_ms = 700;
    policy.key_errors = 1;
    CHECK_EQ(dps_set_default_policy(&policy), PROV_DEVICE_RESULT_OK);

    use_key("device", SOME_KEY);
    snprintf(uri, sizeof(uri), "127.0.0.1:%u", silent_port(NULL));
    client = client_create(uri, "0ne1");
    again = client_policy(client);
    CHECK_EQ(again.deadline_ms, 700);
    CHECK_EQ(again.key_errors, 1);
    record_init(&record);
    began = now_ms();
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_TIMEOUT);
    CHECK(now_ms() - began >= 650);
    client_destroy(client);

    /* A program that was built with the first dps.h knows the members up to `conservative`. */
    memset(&again, 0xAA, sizeof(again));
    again.size = offsetof(DPS_POLICY, all_statuses);
    CHECK_EQ(dps_get_default_policy(&again), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(again.deadline_ms, 700);
    CHECK_EQ(again.all_statuses, 0xAAAAAAAAu);
    again.deadline_ms = 0;
    CHECK_EQ(dps_set_default_policy(&again), PROV_DEVICE_RESULT_OK);
    policy.size = sizeof(policy);
    CHECK_EQ(dps_get_default_policy(&policy), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(policy.deadline_ms, 0);
    CHECK_EQ(policy.key_errors, 1);
}

/* What a key that cannot be used ends with: the original's code, or its own [23] [24]. */
void key_errors(void)
{
    static const char* const BAD[] = { "", "no base64 at all", "Jsm0!!!!" };
    size_t index;

    for (index = 0; index < 2 * sizeof(BAD) / sizeof(BAD[0]); index++)
    {
        CLIENT client;
        RECORD record;
        DPS_POLICY policy;

        use_key("device", BAD[index / 2]);
        client = client_create("localhost:1", "0ne1");
        policy = client_policy(client);
        policy.key_errors = index % 2;
        client_set_policy(client, &policy);
        register_and_finish(client, &record);
        CHECK_EQ(record.result, index % 2 ? PROV_DEVICE_RESULT_KEY_ERROR : PROV_DEVICE_RESULT_TRANSPORT);
        CHECK_EQ(client_failure(client).result, record.result);
        client_destroy(client);
    }
}

/* Lines of the trace never stop the program [1], whatever it has not initialised; NULL is refused [30]. */
void traced(void)
{
    const bool trace = true;
    CLIENT client;
    RECORD record;

    use_arguments();
    client = new_client();
    CHECK_EQ(client_set_option(client, PROV_OPTION_LOG_TRACE, NULL),
             arguments.threaded ? PROV_DEVICE_RESULT_INVALID_ARG : PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(client, PROV_OPTION_LOG_TRACE, &trace), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, "nonsense", &trace), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_payload(client, "{\"word\":\"not-to-be-traced\"}"), PROV_DEVICE_RESULT_OK);
    register_and_finish(client, &record);
    expect_success(&record);
    client_destroy(client);
}

/* The statuses that the original never tells, on demand [19]. */
void all_statuses(void)
{
    CLIENT client;
    RECORD record;
    DPS_POLICY policy;
    char expected[sizeof(record.story)];

    use_arguments();
    client = new_client();
    policy = client_policy(client);
    policy.all_statuses = 1;
    client_set_policy(client, &policy);
    record_init(&record);
    record.all_statuses = true;
    begin(client, &record);
    finish(&record);
    expect_success(&record);
    /* CONNECTED, REGISTERING, ASSIGNING as often as the service said so, ASSIGNED, OK. */
    memset(expected, 'A', sizeof(expected));
    memcpy(expected, "CR", 2);
    CHECK(record.assigning + 5 < (int)sizeof(expected));
    strcpy(expected + 2 + record.assigning, "D0");
    CHECK(strcmp(record.story, expected) == 0);
    client_destroy(client);

    use_key(arguments.registration_id, WRONG_KEY);
    client = new_client();
    client_set_policy(client, &policy);
    record_init(&record);
    record.all_statuses = true;
    begin(client, &record);
    finish(&record);
    CHECK_EQ(record.result, arguments.refused);
    CHECK(strstr(record.story, "CRE") == record.story);
    client_destroy(client);

    /* And without: as the original. */
    client = new_client();
    register_and_finish(client, &record);
    CHECK(record.story[0] == 'C' && record.story[1] != 'R' && strchr(record.story, 'E') == NULL);
    client_destroy(client);
}

/* The same refusal has the same result over every transport, on demand [25]. */
void uniform_results(void)
{
    CLIENT client;
    RECORD record;
    DPS_POLICY policy;
    int round;

    use_key(arguments.registration_id, WRONG_KEY);
    client = new_client();
    for (round = 0; round < 2; round++)
    {
        policy = client_policy(client);
        policy.uniform_results = round == 0;
        client_set_policy(client, &policy);
        register_and_finish(client, &record);
        CHECK_EQ(record.result, round == 0 ? PROV_DEVICE_RESULT_DEV_AUTH_ERROR : arguments.refused);
    }
    client_destroy(client);
}

/* Registers, and prints a line that tells which callbacks came: the Rust side knows which should. */
void outcome(void)
{
    CLIENT client;
    int round;

    use_arguments();
    client = new_client();
    CHECK_EQ(client_set_option(client, PROV_OPTION_TIMEOUT, &arguments.timeout), PROV_DEVICE_RESULT_OK);
    for (round = 0; round < arguments.rounds; round++)
    {
        RECORD record;
        register_and_finish(client, &record);
        /* The handle bears more passes, whatever it ended with; in the original over HTTP not [2]. */
        work_for(client, 30);
        CHECK_EQ(record.finished, 1);
        CHECK_EQ(client_failure(client).result, record.result);
        printf("story %s\n", record.story);
        if (record.result != PROV_DEVICE_RESULT_OK)
        {
            printf("reason %s\n", client_error(client));
        }
    }
    client_destroy(client);
}
