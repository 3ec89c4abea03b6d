/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "azure_hub_modules/iothub_device_auth.h"

DEVICE_AUTH_TYPE iothub_device_auth_get_auth_type(IOTHUB_SECURITY_HANDLE handle)
{
    return iothub_device_auth_get_type(handle);
}
