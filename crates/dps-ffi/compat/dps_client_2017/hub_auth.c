/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "azure_hub_modules/iothub_device_auth.h"

#include <stddef.h>

#include "security.h"

IOTHUB_SECURITY_HANDLE dps_2017_iothub_device_auth_create(void)
{
    /* In parentheses it is the function, not the macro. */
    return dps_2017_start() == 0 ? (iothub_device_auth_create)() : NULL;
}

DEVICE_AUTH_TYPE iothub_device_auth_get_auth_type(IOTHUB_SECURITY_HANDLE handle)
{
    return iothub_device_auth_get_type(handle);
}
