/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The provisioning client with a thread of its own. All functions may be called from any thread,
 * and from callbacks; callbacks come on the client's thread.
 */
#ifndef PROV_DEVICE_CLIENT_H
#define PROV_DEVICE_CLIENT_H

#include "umock_c/umock_c_prod.h"
#include "azure_c_shared_utility/const_defines.h"
#include "azure_prov_client/prov_transport.h"
#include "azure_prov_client/prov_device_ll_client.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef PROV_DEVICE_CLIENT_INSTANCE_TYPE
typedef struct PROV_DEVICE_INSTANCE_TAG* PROV_DEVICE_HANDLE;
#define PROV_DEVICE_CLIENT_INSTANCE_TYPE
#endif

/* Option, uint16_t*: the least pause between two passes of the thread, in milliseconds. */
static const char* const PROV_OPTION_DO_WORK_FREQUENCY_IN_MS STATIC_VAR_UNUSED = "do_work_freq_ms";

/* As Prov_Device_LL_Create. The thread starts with the first accepted Register_Device. */
MOCKABLE_FUNCTION(, PROV_DEVICE_HANDLE, Prov_Device_Create, const char*, uri, const char*, scope_id, PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION, protocol)

/* Ends the client and its thread. Waits for a callback that is running, never for the network.
 * From a callback of the same client it returns at once and takes effect when the callback
 * returns. */
MOCKABLE_FUNCTION(, void, Prov_Device_Destroy, PROV_DEVICE_HANDLE, prov_device_handle)

/* As the functions of prov_device_ll_client.h. */
MOCKABLE_FUNCTION(, PROV_DEVICE_RESULT, Prov_Device_Register_Device, PROV_DEVICE_HANDLE, prov_device_handle, PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK, register_callback, void*, user_context, PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK, reg_status_cb, void*, status_user_context)
MOCKABLE_FUNCTION(, PROV_DEVICE_RESULT, Prov_Device_SetOption, PROV_DEVICE_HANDLE, prov_device_handle, const char*, optionName, const void*, value)
MOCKABLE_FUNCTION(, const char*, Prov_Device_GetVersionString)
MOCKABLE_FUNCTION(, PROV_DEVICE_RESULT, Prov_Device_Set_Provisioning_Payload, PROV_DEVICE_HANDLE, prov_device_handle, const char*, json)
MOCKABLE_FUNCTION(, const char*, Prov_Device_Get_Provisioning_Payload, PROV_DEVICE_HANDLE, prov_device_handle)

#ifdef __cplusplus
}
#endif

#endif /* PROV_DEVICE_CLIENT_H */
