/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* dps_sec_*: today's prov_auth_*, but for what calls c-utility's BUFFER. */
#include "azure_hub_modules/dps_sec_client.h"

#include <stddef.h>

#include "security.h"

DPS_SEC_HANDLE dps_sec_create(void)
{
    return dps_2017_start() == 0 ? prov_auth_create() : NULL;
}

void dps_sec_destroy(DPS_SEC_HANDLE handle)
{
    prov_auth_destroy(handle);
}

DPS_SEC_TYPE dps_sec_get_type(DPS_SEC_HANDLE handle)
{
    switch (prov_auth_get_type(handle))
    {
        case PROV_AUTH_TYPE_TPM:
            return DPS_SEC_TYPE_TPM;
        case PROV_AUTH_TYPE_X509:
            return DPS_SEC_TYPE_X509;
        default:
            return DPS_SEC_TYPE_UNKNOWN;
    }
}

char* dps_sec_get_registration_id(DPS_SEC_HANDLE handle)
{
    return prov_auth_get_registration_id(handle);
}

int dps_sec_import_key(DPS_SEC_HANDLE handle, const unsigned char* key_value, size_t key_len)
{
    return prov_auth_import_key(handle, key_value, key_len);
}

char* dps_sec_construct_sas_token(DPS_SEC_HANDLE handle, const char* token_scope, const char* key_name, size_t expiry_time)
{
    return prov_auth_construct_sas_token(handle, token_scope, key_name, expiry_time);
}

char* dps_sec_get_certificate(DPS_SEC_HANDLE handle)
{
    return prov_auth_get_certificate(handle);
}

char* dps_sec_get_alias_key(DPS_SEC_HANDLE handle)
{
    return prov_auth_get_alias_key(handle);
}
