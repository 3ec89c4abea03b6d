/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In a member of the archive of its own, so that only a program that calls it needs a module that has
 * custom_hsm_get_root_key. */
#include "azure_hub_modules/dps_sec_client.h"
#include "security_x509_custom.h"

char* dps_sec_get_root_key(DPS_SEC_HANDLE handle)
{
    return dps_2017_read_of_module(handle, custom_hsm_get_root_key);
}
