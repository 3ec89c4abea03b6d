/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Credentials for the hub: today's functions and types, and the one name of 2017 that has changed. The
 * token of DEVICE_AUTH_SAS_RESULT is a const char* by now.
 */
#ifndef IOTHUB_DEVICE_AUTH_H
#define IOTHUB_DEVICE_AUTH_H

#include "azure_c_shared_utility/macro_utils.h"
#include "azure_c_shared_utility/umock_c_prod.h"
#include "azure_prov_client/internal/iothub_auth_client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* iothub_device_auth_get_type of today. */
MOCKABLE_FUNCTION(, DEVICE_AUTH_TYPE, iothub_device_auth_get_auth_type, IOTHUB_SECURITY_HANDLE, handle)

#ifdef __cplusplus
}
#endif

#endif /* IOTHUB_DEVICE_AUTH_H */
