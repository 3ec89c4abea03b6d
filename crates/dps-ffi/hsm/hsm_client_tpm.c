/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "hsm_client_tpm.h"

#include "dps/dps.h"

HSM_CLIENT_HANDLE hsm_client_tpm_create(void)
{
    return dps_hsm_built_in()->tpm.hsm_client_tpm_create();
}

void hsm_client_tpm_destroy(HSM_CLIENT_HANDLE handle)
{
    dps_hsm_built_in()->tpm.hsm_client_tpm_destroy(handle);
}

int hsm_client_tpm_get_endorsement_key(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len)
{
    return dps_hsm_built_in()->tpm.hsm_client_get_ek(handle, key, key_len);
}

int hsm_client_tpm_get_storage_key(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len)
{
    return dps_hsm_built_in()->tpm.hsm_client_get_srk(handle, key, key_len);
}

int hsm_client_tpm_import_key(HSM_CLIENT_HANDLE handle, const unsigned char* key, size_t key_len)
{
    return dps_hsm_built_in()->tpm.hsm_client_activate_identity_key(handle, key, key_len);
}

int hsm_client_tpm_sign_data(HSM_CLIENT_HANDLE handle, const unsigned char* data, size_t data_len, unsigned char** key, size_t* key_len)
{
    return dps_hsm_built_in()->tpm.hsm_client_sign_with_identity(handle, data, data_len, key, key_len);
}
