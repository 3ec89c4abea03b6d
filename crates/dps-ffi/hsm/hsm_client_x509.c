/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "hsm_client_x509.h"

#include "dps/dps.h"

HSM_CLIENT_HANDLE hsm_client_x509_create(void)
{
    return dps_hsm_built_in()->x509.hsm_client_x509_create();
}

void hsm_client_x509_destroy(HSM_CLIENT_HANDLE handle)
{
    dps_hsm_built_in()->x509.hsm_client_x509_destroy(handle);
}

char* hsm_client_x509_get_certificate(HSM_CLIENT_HANDLE handle)
{
    return dps_hsm_built_in()->x509.hsm_client_get_cert(handle);
}

char* hsm_client_x509_get_key(HSM_CLIENT_HANDLE handle)
{
    return dps_hsm_built_in()->x509.hsm_client_get_key(handle);
}

char* hsm_client_x509_get_common_name(HSM_CLIENT_HANDLE handle)
{
    return dps_hsm_built_in()->x509.hsm_client_get_common_name(handle);
}

int hsm_client_x509_set_certificate(HSM_CLIENT_HANDLE handle, const char* certificate)
{
    return dps_hsm_built_in()->x509_set_certificate(handle, certificate);
}

int hsm_client_x509_set_key(HSM_CLIENT_HANDLE handle, const char* key)
{
    return dps_hsm_built_in()->x509_set_key(handle, key);
}
