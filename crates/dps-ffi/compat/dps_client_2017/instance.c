/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "instance.h"

#include <stdlib.h>

#include "lock.h"

struct INSTANCE_TAG
{
    INSTANCE* next;
    PROV_DEVICE_LL_HANDLE client;
    /* The list below, and each call that is using it. */
    unsigned int users;
    RUN* runs;
    DPS_CLIENT_ON_ERROR_CALLBACK on_error;
    void* error_context;
};

static LOCK lock = LOCK_FREE;
/* Those whose handles are alive. */
static INSTANCE* instances = NULL;

bool dps_2017_instance_add(PROV_DEVICE_LL_HANDLE client, DPS_CLIENT_ON_ERROR_CALLBACK on_error, void* error_context)
{
    INSTANCE* instance = calloc(1, sizeof(*instance));
    if (instance == NULL)
    {
        return false;
    }
    instance->client = client;
    instance->users = 1;
    instance->on_error = on_error;
    instance->error_context = error_context;
    lock_take(&lock);
    instance->next = instances;
    instances = instance;
    lock_give(&lock);
    return true;
}

INSTANCE* dps_2017_instance_borrow(DPS_LL_HANDLE handle)
{
    INSTANCE* instance;
    lock_take(&lock);
    for (instance = instances; instance != NULL; instance = instance->next)
    {
        if ((void*)instance->client == (void*)handle)
        {
            instance->users++;
            break;
        }
    }
    lock_give(&lock);
    return instance;
}

void dps_2017_instance_give_back(INSTANCE* instance)
{
    bool last;
    lock_take(&lock);
    instance->users--;
    last = instance->users == 0;
    lock_give(&lock);
    if (last)
    {
        while (instance->runs != NULL)
        {
            RUN* next = instance->runs->next;
            free(instance->runs);
            instance->runs = next;
        }
        free(instance);
    }
}

bool dps_2017_instance_remove(DPS_LL_HANDLE handle)
{
    INSTANCE** place;
    INSTANCE* found = NULL;
    lock_take(&lock);
    for (place = &instances; *place != NULL; place = &(*place)->next)
    {
        if ((void*)(*place)->client == (void*)handle)
        {
            found = *place;
            *place = found->next;
            break;
        }
    }
    lock_give(&lock);
    if (found == NULL)
    {
        return false;
    }
    /* The last of the calls that are using it, one whose callback we may be in, frees it. */
    dps_2017_instance_give_back(found);
    return true;
}

RUN* dps_2017_run_begin(INSTANCE* instance)
{
    RUN* run = calloc(1, sizeof(*run));
    if (run != NULL)
    {
        run->instance = instance;
        run->on_error = instance->on_error;
        run->error_context = instance->error_context;
        lock_take(&lock);
        run->next = instance->runs;
        instance->runs = run;
        lock_give(&lock);
    }
    return run;
}

void dps_2017_run_end(RUN* run)
{
    RUN** place;
    lock_take(&lock);
    for (place = &run->instance->runs; *place != NULL; place = &(*place)->next)
    {
        if (*place == run)
        {
            *place = run->next;
            break;
        }
    }
    lock_give(&lock);
    free(run);
}
