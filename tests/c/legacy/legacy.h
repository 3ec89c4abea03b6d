/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the scenarios of the API of 2017 share: assertions, and a record of what was called back. */
#ifndef DPS_TEST_LEGACY_H
#define DPS_TEST_LEGACY_H

#include <stdbool.h>

#include "azure_hub_modules/dps_client.h"

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(actual, expected) check_eq((long)(actual), (long)(expected), #actual, __FILE__, __LINE__)
/* The reason contains these words. */
#define CHECK_TOLD(handle, words) check_told(dps_client_last_error(handle), words, __FILE__, __LINE__)

void check(bool holds, const char* text, const char* file, int line);
void check_eq(long actual, long expected, const char* text, const char* file, int line);
void check_told(const char* reason, const char* words, const char* file, int line);

typedef struct RECORD_TAG
{
    DPS_LL_HANDLE client;
    int connected;
    int assigning;
    int other_statuses;
    int registered;
    int failed;
    DPS_ERROR error;
    char hub[128];
    char device_id[128];
    /* Called at the end of either last callback; may be NULL. */
    void (*at_the_end)(struct RECORD_TAG* record);
} RECORD;

void on_registered(DPS_RESULT result, const char* hub, const char* device_id, void* context);
void on_status(DPS_REGISTRATION_STATUS status, void* context);
void on_error(DPS_ERROR error, void* context);

/* Calls DoWork until the registration has ended, and then some more times. */
void finish(RECORD* record);
/* For that long. */
void work(DPS_LL_HANDLE client, unsigned int milliseconds);

char* read_file(const char* name);

#endif /* DPS_TEST_LEGACY_H */
