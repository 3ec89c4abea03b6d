/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "hsm_client_key.h"

#include "dps/dps.h"

HSM_CLIENT_HANDLE hsm_client_key_create(void)
{
    return dps_hsm_built_in()->key.hsm_client_key_create();
}

void hsm_client_key_destroy(HSM_CLIENT_HANDLE handle)
{
    dps_hsm_built_in()->key.hsm_client_key_destroy(handle);
}

char* hsm_client_get_symmetric_key(HSM_CLIENT_HANDLE handle)
{
    return dps_hsm_built_in()->key.hsm_client_get_symm_key(handle);
}

char* hsm_client_get_registration_name(HSM_CLIENT_HANDLE handle)
{
    return dps_hsm_built_in()->key.hsm_client_get_registration_name(handle);
}

int hsm_client_set_key_info(HSM_CLIENT_HANDLE handle, const char* reg_name, const char* symm_key)
{
    return dps_hsm_built_in()->key.hsm_client_set_symm_key_info(handle, reg_name, symm_key);
}
