/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The two functions that give a BUFFER of c-utility. In C, and in a member of the archive of its own,
 * so that only who calls them needs BUFFER_create: the C SDK's, or libdps_compat's.
 */
#include <stdlib.h>

#include "azure_prov_client/internal/prov_auth_client.h"

BUFFER_HANDLE BUFFER_create(const unsigned char* source, size_t size);

static BUFFER_HANDLE tpm_key(PROV_AUTH_HANDLE handle, int storage_root)
{
    BUFFER_HANDLE buffer = NULL;
    unsigned char* key;
    size_t length;
    if (dps_prov_auth_tpm_key(handle, storage_root, &key, &length) == 0)
    {
        buffer = BUFFER_create(key, length);
        free(key);
    }
    return buffer;
}

BUFFER_HANDLE prov_auth_get_endorsement_key(PROV_AUTH_HANDLE handle)
{
    return tpm_key(handle, 0);
}

BUFFER_HANDLE prov_auth_get_storage_key(PROV_AUTH_HANDLE handle)
{
    return tpm_key(handle, 1);
}
