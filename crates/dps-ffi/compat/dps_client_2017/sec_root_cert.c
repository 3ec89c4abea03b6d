/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In a member of the archive of its own, so that only a program that calls it needs a module that has
 * custom_hsm_get_root_cert. */
#include "azure_hub_modules/dps_sec_client.h"
#include "custom_hsm_x509_impl.h"

char* dps_sec_get_root_cert(DPS_SEC_HANDLE handle)
{
    char* text = NULL;
    DPS_CUSTOM_HSM_HANDLE module = prov_auth_get_type(handle) == PROV_AUTH_TYPE_X509 ? custom_hsm_create() : NULL;
    if (module != NULL)
    {
        text = custom_hsm_get_root_cert(module);
        custom_hsm_destroy(module);
    }
    return text;
}
