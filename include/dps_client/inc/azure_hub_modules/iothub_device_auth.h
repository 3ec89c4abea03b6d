/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Credentials for the hub: today's functions and types, and the one name of 2017 that has changed.
 * iothub_device_auth_create is a macro here, so that programs need not call dps_secure_device_init. The
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

/* iothub_device_auth_create of today, after dps_secure_device_init. */
MOCKABLE_FUNCTION(, IOTHUB_SECURITY_HANDLE, dps_2017_iothub_device_auth_create)
#define iothub_device_auth_create() dps_2017_iothub_device_auth_create()

#ifdef __cplusplus
}
#endif

#endif /* IOTHUB_DEVICE_AUTH_H */
