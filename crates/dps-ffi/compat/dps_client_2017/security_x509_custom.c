/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A module of the program's own with a certificate: custom_hsm_x509_impl.h. */
#include "custom_hsm_x509_impl.h"

#include <stdlib.h>

#include "dps/dps.h"
#include "security.h"

static const HSM_CLIENT_X509_INTERFACE MODULE = {
    custom_hsm_create,
    custom_hsm_destroy,
    custom_hsm_get_certificate,
    custom_hsm_get_alias_key,
    custom_hsm_get_common_name,
};

SECURE_DEVICE_TYPE dps_2017_kind(void)
{
    return SECURE_DEVICE_TYPE_X509;
}

const void* dps_2017_interface(void)
{
    return &MODULE;
}

int dps_2017_begin(void)
{
    if (initialize_hsm_system() != 0)
    {
        dps_2017_set_reason("hsm: initialize_hsm_system of the custom security module failed");
        return MU_FAILURE;
    }
    if (dps_hsm_register_x509(&MODULE) != PROV_DEVICE_RESULT_OK)
    {
        deinitialize_hsm_system();
        return MU_FAILURE;
    }
    return 0;
}

void dps_2017_end(void)
{
    (void)dps_hsm_register_x509(NULL);
    deinitialize_hsm_system();
}

int dps_2017_identify(PROV_DEVICE_LL_HANDLE client)
{
    int result = MU_FAILURE;
    DPS_CUSTOM_HSM_HANDLE module = custom_hsm_create();
    char* name;
    if (module == NULL)
    {
        dps_2017_set_reason("hsm: custom_hsm_create of the custom security module returned NULL");
        return MU_FAILURE;
    }
    name = custom_hsm_get_common_name(module);
    if (name == NULL || *name == '\0')
    {
        dps_2017_set_reason("hsm: custom_hsm_get_common_name of the custom security module gave no registration id");
    }
    else if (Prov_Device_LL_SetOption(client, PROV_REGISTRATION_ID, name) == PROV_DEVICE_RESULT_OK)
    {
        result = 0;
    }
    else
    {
        dps_2017_set_reason("hsm: custom_hsm_get_common_name of the custom security module gave a registration id that cannot be used");
    }
    free(name);
    custom_hsm_destroy(module);
    return result;
}
