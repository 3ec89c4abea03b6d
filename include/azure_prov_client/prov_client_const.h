/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Constants of the provisioning client, as programs written for the Azure IoT C SDK 1.15 see them.
 */
#ifndef PROV_CLIENT_CONST_H
#define PROV_CLIENT_CONST_H

#include "azure_c_shared_utility/const_defines.h"

/* The version programs are told; the version of this library is DPS_VERSION in dps/dps.h.
 * Build scripts search for this line, so it stays a literal. */
#define PROV_DEVICE_CLIENT_VERSION "1.15.0"

/* Seconds between two requests when the service names no pause, and the longest pause taken. */
#define PROV_GET_THROTTLE_TIME 1
#define MAX_PROV_GET_THROTTLE_TIME (5 * 60)

#ifdef __cplusplus
extern "C" {
#endif

static const char* const PROV_ASSIGNED_STATUS STATIC_VAR_UNUSED = "assigned";
static const char* const PROV_ASSIGNING_STATUS STATIC_VAR_UNUSED = "assigning";
static const char* const PROV_UNASSIGNED_STATUS STATIC_VAR_UNUSED = "unassigned";
static const char* const PROV_DISABLE_STATUS STATIC_VAR_UNUSED = "disabled";
static const char* const RETRY_AFTER_KEY_VALUE STATIC_VAR_UNUSED = "retry-after";
static const char* const PROV_API_VERSION STATIC_VAR_UNUSED = "2021-06-01";

#ifdef __cplusplus
}
#endif

#endif /* PROV_CLIENT_CONST_H */
