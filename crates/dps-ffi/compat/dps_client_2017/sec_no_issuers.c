/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Modules other than a custom one with a certificate have nothing of its issuers. */
#include "azure_hub_modules/dps_sec_client.h"

char* dps_sec_get_signer_cert(DPS_SEC_HANDLE handle)
{
    (void)handle;
    return NULL;
}

char* dps_sec_get_root_cert(DPS_SEC_HANDLE handle)
{
    (void)handle;
    return NULL;
}

char* dps_sec_get_root_key(DPS_SEC_HANDLE handle)
{
    (void)handle;
    return NULL;
}
