/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What is kept of a client of 2017 beside libdps's: its error callback, and the callbacks of the
 * registration that is under way.
 *
 * A handle is the number that libdps has given to the client. So it is looked up and never
 * dereferenced, and whatever is no handle of ours is recognised.
 */
#ifndef DPS_2017_INSTANCE_H
#define DPS_2017_INSTANCE_H

#include <stdbool.h>

#include "azure_hub_modules/dps_client.h"
#include "azure_prov_client/prov_device_ll_client.h"

typedef struct INSTANCE_TAG INSTANCE;

/* A registration: the context that libdps's callbacks are called with. */
typedef struct RUN_TAG
{
    struct RUN_TAG* next;
    INSTANCE* instance;
    DPS_CLIENT_REGISTER_DEVICE_CALLBACK on_registered;
    void* registered_context;
    DPS_CLIENT_REGISTER_STATUS_CALLBACK on_status;
    void* status_context;
    DPS_CLIENT_ON_ERROR_CALLBACK on_error;
    void* error_context;
} RUN;

/* Keeps the client under its handle. false: no memory. */
bool dps_2017_instance_add(PROV_DEVICE_LL_HANDLE client, DPS_CLIENT_ON_ERROR_CALLBACK on_error, void* error_context);

/* The instance, which stays until it is given back; NULL when the handle is not alive. */
INSTANCE* dps_2017_instance_borrow(DPS_LL_HANDLE handle);
void dps_2017_instance_give_back(INSTANCE* instance);

/* The handle is not alive any more. false when it was not before. */
bool dps_2017_instance_remove(DPS_LL_HANDLE handle);

/* A registration that may begin; NULL: no memory. It ends by dps_2017_run_end, or with its instance. */
RUN* dps_2017_run_begin(INSTANCE* instance);
void dps_2017_run_end(RUN* run);

#endif /* DPS_2017_INSTANCE_H */
