/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In a member of the archive of their own: whoever calls them brings c-utility's BUFFER. */
#include "azure_hub_modules/dps_sec_client.h"

BUFFER_HANDLE dps_sec_get_endorsement_key(DPS_SEC_HANDLE handle)
{
    return prov_auth_get_endorsement_key(handle);
}

BUFFER_HANDLE dps_sec_get_storage_key(DPS_SEC_HANDLE handle)
{
    return prov_auth_get_storage_key(handle);
}
