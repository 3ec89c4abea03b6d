/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The names in documents of 2017, for what the code of that time called DPS_LL_*. */
#include "azure_hub_modules/dps_client.h"
#include "azure_hub_modules/secure_device_factory.h"

DPS_CLIENT_LL_HANDLE DPS_Client_LL_Create(const char* dps_uri, const char* scope_id, DPS_TRANSPORT_PROVIDER_FUNCTION protocol, DPS_CLIENT_ON_ERROR_CALLBACK on_error_callback, void* user_ctx)
{
    return DPS_LL_Create(dps_uri, scope_id, protocol, on_error_callback, user_ctx);
}

void DPS_Client_LL_Destroy(DPS_CLIENT_LL_HANDLE handle)
{
    DPS_LL_Destroy(handle);
}

DPS_RESULT DPS_Client_LL_Register_Device(DPS_CLIENT_LL_HANDLE handle, DPS_CLIENT_REGISTER_DEVICE_CALLBACK register_callback, void* user_context, DPS_CLIENT_REGISTER_STATUS_CALLBACK reg_status_cb, void* status_user_ctext)
{
    return DPS_LL_Register_Device(handle, register_callback, user_context, reg_status_cb, status_user_ctext);
}

void DPS_Client_LL_DoWork(DPS_CLIENT_LL_HANDLE handle)
{
    DPS_LL_DoWork(handle);
}

DPS_RESULT DPS_Client_LL_SetOption(DPS_CLIENT_LL_HANDLE handle, const char* optionName, const void* value)
{
    return DPS_LL_SetOption(handle, optionName, value);
}

const char* DPS_Client_LL_Get_Version_String(void)
{
    return DPS_LL_Get_Version_String();
}

int security_device_init(void)
{
    return dps_secure_device_init();
}
