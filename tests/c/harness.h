/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What all scenarios share: one face for both kinds of clients, a record of callbacks, and
 * assertions that say what failed.
 */
#ifndef DPS_TEST_HARNESS_H
#define DPS_TEST_HARNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "azure_prov_client/prov_device_client.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "dps/dps.h"

#include "threads.h"

/* Ends the program with a message unless the condition holds. */
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
/* The same for two numbers, which the message names. */
#define CHECK_EQ(actual, expected) check_eq((long)(actual), (long)(expected), #actual, __FILE__, __LINE__)

void check(bool holds, const char* text, const char* file, int line);
void check_eq(long actual, long expected, const char* text, const char* file, int line);

/* A client of either kind. */
typedef struct CLIENT_TAG
{
    PROV_DEVICE_LL_HANDLE ll;
    PROV_DEVICE_HANDLE threaded;
} CLIENT;

typedef struct ARGUMENTS_TAG
{
    bool threaded;
    const char* endpoint;
    const char* id_scope;
    const char* registration_id;
    /* Shared key; or NULL, and the two below are there. */
    const char* key;
    /* What the files hold, or NULL. */
    char* certificate;
    char* certificate_key;
    char* ca;
    /* Never NULL. */
    PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION protocol;
    /* The code for a refusal of the credentials: over AMQP the original does not know it from a
     * failing transport. */
    PROV_DEVICE_RESULT refused;
    /* For outcome: provisioning_timeout, and how many registrations of one handle. */
    uint8_t timeout;
    int rounds;
} ARGUMENTS;

extern ARGUMENTS arguments;

/* What the callbacks of one registration did. Guarded by its lock: the threaded client's come on
 * another thread. */
typedef struct RECORD_TAG
{
    pthread_mutex_t lock;
    int connected;
    int assigning;
    int other_statuses;
    /* One letter for each callback: C, R, A, D (assigned), E (error), H (hub not specified); then the
     * result's number. */
    char story[256];
    /* The policy has all_statuses. */
    bool all_statuses;
    int finished;
    PROV_DEVICE_RESULT result;
    char hub[256];
    char device_id[256];
    /* Called, without the lock, from within the callbacks; may be NULL. */
    void (*in_status)(struct RECORD_TAG* record, PROV_DEVICE_REG_STATUS status);
    void (*in_register)(struct RECORD_TAG* record, PROV_DEVICE_RESULT result);
    CLIENT client;
} RECORD;

/* One face for both kinds, chosen by arguments.threaded or by the client that is not NULL. */
CLIENT client_create(const char* endpoint, const char* id_scope);
bool client_exists(CLIENT client);
void client_destroy(CLIENT client);
PROV_DEVICE_RESULT client_register(CLIENT client, RECORD* record);
/* The same, expecting success. The threaded client's handle is busy for a moment after its register
 * callback has told the outcome of the last registration. */
void begin(CLIENT client, RECORD* record);
PROV_DEVICE_RESULT client_set_option(CLIENT client, const char* name, const void* value);
PROV_DEVICE_RESULT client_set_payload(CLIENT client, const char* json);
const char* client_get_payload(CLIENT client);
DPS_FAILURE client_failure(CLIENT client);
const char* client_error(CLIENT client);
/* One pass of a low-level client; a short pause for a threaded one. */
void client_work(CLIENT client);

/* Chooses symmetric keys and sets the key of the arguments (or another one). */
void use_key(const char* registration_id, const char* key);
/* Chooses certificates. The options give them. */
void use_certificates(void);
/* Chooses the kind of the arguments. */
void use_arguments(void);
/* A client for the endpoint of the arguments that trusts their CA, and has their certificate. */
CLIENT new_client(void);
/* The same without the CA. */
CLIENT new_untrusting_client(void);
/* Registers, and waits for the outcome. */
void register_and_finish(CLIENT client, RECORD* record);
/* Checks that it is assigned. */
void expect_success(const RECORD* record);

void record_init(RECORD* record);
/* Works until the record has its outcome, for 60 s at most. */
void finish(RECORD* record);
/* A policy in words: get, change, set. */
DPS_POLICY client_policy(CLIENT client);
void client_set_policy(CLIENT client, const DPS_POLICY* policy);
/* Works for about this long. */
void work_for(CLIENT client, unsigned int milliseconds);
bool is_finished(RECORD* record);
void take_record(RECORD* record, RECORD* copy);

/* A local TCP port that nobody listens on. */
unsigned short closed_port(void);
/* A local TCP port that accepts connections and never says anything. With descriptor not NULL the
 * listening socket is told. */
unsigned short silent_port(int* descriptor);

#endif /* DPS_TEST_HARNESS_H */
