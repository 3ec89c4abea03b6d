/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/prov_security_factory.h"

ARGUMENTS arguments;

void check(bool holds, const char* text, const char* file, int line)
{
    if (!holds)
    {
        printf("%s:%d: failed: %s\n", file, line, text);
        fflush(stdout);
        exit(EXIT_FAILURE);
    }
}

void check_eq(long actual, long expected, const char* text, const char* file, int line)
{
    if (actual != expected)
    {
        printf("%s:%d: %s is %ld, expected %ld\n", file, line, text, actual, expected);
        fflush(stdout);
        exit(EXIT_FAILURE);
    }
}

/* ---- one face for both kinds ---- */

CLIENT client_create(const char* endpoint, const char* id_scope)
{
    CLIENT client = { NULL, NULL };
    if (arguments.threaded)
    {
        client.threaded = Prov_Device_Create(endpoint, id_scope, arguments.protocol);
    }
    else
    {
        client.ll = Prov_Device_LL_Create(endpoint, id_scope, arguments.protocol);
    }
    return client;
}

bool client_exists(CLIENT client)
{
    return client.ll != NULL || client.threaded != NULL;
}

void client_destroy(CLIENT client)
{
    if (client.threaded != NULL)
    {
        Prov_Device_Destroy(client.threaded);
    }
    else
    {
        Prov_Device_LL_Destroy(client.ll);
    }
}

PROV_DEVICE_RESULT client_set_option(CLIENT client, const char* name, const void* value)
{
    return client.threaded != NULL ? Prov_Device_SetOption(client.threaded, name, value)
                                   : Prov_Device_LL_SetOption(client.ll, name, value);
}

PROV_DEVICE_RESULT client_set_payload(CLIENT client, const char* json)
{
    return client.threaded != NULL ? Prov_Device_Set_Provisioning_Payload(client.threaded, json)
                                   : Prov_Device_LL_Set_Provisioning_Payload(client.ll, json);
}

const char* client_get_payload(CLIENT client)
{
    return client.threaded != NULL ? Prov_Device_Get_Provisioning_Payload(client.threaded)
                                   : Prov_Device_LL_Get_Provisioning_Payload(client.ll);
}

DPS_FAILURE client_failure(CLIENT client)
{
    DPS_FAILURE failure;
    memset(&failure, 0xAA, sizeof(failure));
    failure.size = sizeof(failure);
    CHECK_EQ(client.threaded != NULL ? dps_last_failure(client.threaded, &failure) : dps_ll_last_failure(client.ll, &failure),
             PROV_DEVICE_RESULT_OK);
    CHECK_EQ(failure.size, sizeof(failure));
    return failure;
}

const char* client_error(CLIENT client)
{
    return client.threaded != NULL ? dps_last_error(client.threaded) : dps_ll_last_error(client.ll);
}

DPS_POLICY client_policy(CLIENT client)
{
    DPS_POLICY policy;
    policy.size = sizeof(policy);
    CHECK_EQ(client.threaded != NULL ? dps_get_policy(client.threaded, &policy) : dps_ll_get_policy(client.ll, &policy),
             PROV_DEVICE_RESULT_OK);
    return policy;
}

void client_set_policy(CLIENT client, const DPS_POLICY* policy)
{
    CHECK_EQ(client.threaded != NULL ? dps_set_policy(client.threaded, policy) : dps_ll_set_policy(client.ll, policy),
             PROV_DEVICE_RESULT_OK);
}

void client_work(CLIENT client)
{
    if (client.ll != NULL)
    {
        /* It never waits. */
        uint64_t before = now_ms();
        Prov_Device_LL_DoWork(client.ll);
        CHECK(is_within(before, 3000));
    }
    sleep_ms(5);
}

/* ---- callbacks ---- */

static void on_status(PROV_DEVICE_REG_STATUS status, void* context)
{
    RECORD* record = context;
    size_t length;
    pthread_mutex_lock(&record->lock);
    CHECK_EQ(record->finished, 0);
    CHECK(status >= PROV_DEVICE_REG_STATUS_CONNECTED && status <= PROV_DEVICE_REG_HUB_NOT_SPECIFIED);
    length = strlen(record->story);
    if (length + 1 < sizeof(record->story))
    {
        record->story[length] = "CRADEH"[status];
    }
    switch (status)
    {
        case PROV_DEVICE_REG_STATUS_CONNECTED:
            CHECK_EQ(record->assigning, 0);
            record->connected++;
            break;
        case PROV_DEVICE_REG_STATUS_ASSIGNING:
            CHECK_EQ(record->connected, 1);
            record->assigning++;
            break;
        default:
            record->other_statuses++;
            break;
    }
    pthread_mutex_unlock(&record->lock);
    if (record->in_status != NULL)
    {
        record->in_status(record, status);
    }
}

static void on_registered(PROV_DEVICE_RESULT result, const char* iothub_uri, const char* device_id, void* context)
{
    RECORD* record = context;
    CHECK((result == PROV_DEVICE_RESULT_OK) == (iothub_uri != NULL));
    CHECK((result == PROV_DEVICE_RESULT_OK) == (device_id != NULL));
    if (record->in_register != NULL)
    {
        record->in_register(record, result);
    }
    pthread_mutex_lock(&record->lock);
    record->finished++;
    record->result = result;
    snprintf(record->story + strlen(record->story), sizeof(record->story) - strlen(record->story), "%d", (int)result);
    snprintf(record->hub, sizeof(record->hub), "%s", iothub_uri != NULL ? iothub_uri : "");
    snprintf(record->device_id, sizeof(record->device_id), "%s", device_id != NULL ? device_id : "");
    pthread_mutex_unlock(&record->lock);
}

PROV_DEVICE_RESULT client_register(CLIENT client, RECORD* record)
{
    record->client = client;
    return client.threaded != NULL
               ? Prov_Device_Register_Device(client.threaded, on_registered, record, on_status, record)
               : Prov_Device_LL_Register_Device(client.ll, on_registered, record, on_status, record);
}

void begin(CLIENT client, RECORD* record)
{
    const PROV_DEVICE_RESULT result = client_register(client, record);
    if (result != PROV_DEVICE_RESULT_OK)
    {
        printf("%s\n", client_error(client));
    }
    CHECK_EQ(result, PROV_DEVICE_RESULT_OK);
}

void record_init(RECORD* record)
{
    memset(record, 0, sizeof(*record));
    pthread_mutex_init(&record->lock, NULL);
    record->result = PROV_DEVICE_RESULT_INVALID_STATE;
}

void take_record(RECORD* record, RECORD* copy)
{
    pthread_mutex_lock(&record->lock);
    *copy = *record;
    pthread_mutex_unlock(&record->lock);
}

bool is_finished(RECORD* record)
{
    bool finished;
    pthread_mutex_lock(&record->lock);
    finished = record->finished > 0;
    pthread_mutex_unlock(&record->lock);
    return finished;
}

void finish(RECORD* record)
{
    uint64_t began = now_ms();
    while (!is_finished(record))
    {
        CHECK(is_within(began, 60000));
        client_work(record->client);
    }
    CHECK_EQ(record->finished, 1);
    CHECK(record->all_statuses || record->other_statuses == 0);
}

void work_for(CLIENT client, unsigned int milliseconds)
{
    uint64_t began = now_ms();
    while (now_ms() - began < milliseconds)
    {
        client_work(client);
    }
}

/* ---- clients ---- */

void use_key(const char* registration_id, const char* key)
{
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
    CHECK_EQ(prov_dev_set_symmetric_key_info(registration_id, key), 0);
}

void use_certificates(void)
{
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_X509), 0);
}

void use_arguments(void)
{
    if (arguments.key != NULL)
    {
        use_key(arguments.registration_id, arguments.key);
    }
    else
    {
        use_certificates();
    }
}

CLIENT new_untrusting_client(void)
{
    CLIENT client = client_create(arguments.endpoint, arguments.id_scope);
    CHECK(client_exists(client));
    if (arguments.key == NULL)
    {
        CHECK_EQ(client_set_option(client, OPTION_X509_CERT, arguments.certificate), PROV_DEVICE_RESULT_OK);
        CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, arguments.certificate_key), PROV_DEVICE_RESULT_OK);
    }
    return client;
}

CLIENT new_client(void)
{
    CLIENT client = new_untrusting_client();
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    return client;
}

void register_and_finish(CLIENT client, RECORD* record)
{
    record_init(record);
    begin(client, record);
    finish(record);
}

void expect_success(const RECORD* record)
{
    if (record->result != PROV_DEVICE_RESULT_OK)
    {
        printf("%s\n", client_error(record->client));
    }
    CHECK_EQ(record->result, PROV_DEVICE_RESULT_OK);
    CHECK_EQ(record->connected, 1);
    CHECK(strlen(record->hub) > 0);
    CHECK(strlen(record->device_id) > 0);
}

/* ---- ports ---- */

static int local_socket(unsigned short* port)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(descriptor >= 0);
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQ(bind(descriptor, (struct sockaddr*)&address, sizeof(address)), 0);
    CHECK_EQ(getsockname(descriptor, (struct sockaddr*)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return descriptor;
}

unsigned short closed_port(void)
{
    /* Bound and never listening: nobody else can take it, and connections are refused. Stays open
     * until the process ends. */
    unsigned short port = 0;
    (void)local_socket(&port);
    return port;
}

unsigned short silent_port(int* descriptor)
{
    /* Listening and never accepting: the system completes the TCP handshake, nobody answers. */
    unsigned short port = 0;
    int listening = local_socket(&port);
    CHECK_EQ(listen(listening, 16), 0);
    if (descriptor != NULL)
    {
        *descriptor = listening;
    }
    return port;
}
