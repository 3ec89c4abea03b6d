/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "legacy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/threadapi.h"

void check(bool holds, const char* text, const char* file, int line)
{
    if (!holds)
    {
        fprintf(stderr, "%s:%d: %s does not hold\n", file, line, text);
        exit(1);
    }
}

void check_eq(long actual, long expected, const char* text, const char* file, int line)
{
    if (actual != expected)
    {
        fprintf(stderr, "%s:%d: %s is %ld, not %ld\n", file, line, text, actual, expected);
        exit(1);
    }
}

void check_told(const char* reason, const char* words, const char* file, int line)
{
    if (strstr(reason, words) == NULL)
    {
        fprintf(stderr, "%s:%d: the reason is \"%s\", without \"%s\"\n", file, line, reason, words);
        exit(1);
    }
}

void on_registered(DPS_RESULT result, const char* hub, const char* device_id, void* context)
{
    RECORD* record = context;
    CHECK_EQ(result, DPS_CLIENT_OK);
    record->registered++;
    (void)snprintf(record->hub, sizeof(record->hub), "%s", hub);
    (void)snprintf(record->device_id, sizeof(record->device_id), "%s", device_id);
    if (record->at_the_end != NULL)
    {
        record->at_the_end(record);
    }
}

void on_error(DPS_ERROR error, void* context)
{
    RECORD* record = context;
    record->failed++;
    record->error = error;
    if (record->at_the_end != NULL)
    {
        record->at_the_end(record);
    }
}

void on_status(DPS_REGISTRATION_STATUS status, void* context)
{
    RECORD* record = context;
    switch (status)
    {
        case DPS_REGISTRATION_STATUS_CONNECTED:
            record->connected++;
            break;
        case DPS_REGISTRATION_STATUS_ASSIGNING:
            record->assigning++;
            break;
        default:
            record->other_statuses++;
            break;
    }
}

void work(DPS_LL_HANDLE client, unsigned int milliseconds)
{
    unsigned int passed;
    for (passed = 0; passed < milliseconds; passed += 5)
    {
        DPS_LL_DoWork(client);
        ThreadAPI_Sleep(5);
    }
}

void finish(RECORD* record)
{
    unsigned int passed;
    for (passed = 0; record->registered + record->failed == 0; passed += 5)
    {
        CHECK(passed < 120000);
        work(record->client, 5);
    }
    work(record->client, 100);
    CHECK_EQ(record->registered + record->failed, 1);
}

char* read_file(const char* name)
{
    FILE* file = fopen(name, "rb");
    char* text = calloc(1, 65536);
    CHECK(file != NULL && text != NULL);
    CHECK(fread(text, 1, 65535, file) > 0);
    (void)fclose(file);
    return text;
}
