/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A module of the program's own with a TPM: custom_hsm_tpm_impl.h. */
#include "custom_hsm_tpm_impl.h"

#include <stdlib.h>

#include "dps/dps.h"
#include "security.h"

static const HSM_CLIENT_TPM_INTERFACE MODULE = {
    custom_hsm_create,
    custom_hsm_destroy,
    custom_hsm_import_key,
    custom_hsm_get_endorsement_key,
    custom_hsm_get_storage_root_key,
    custom_hsm_sign_key,
};

SECURE_DEVICE_TYPE dps_2017_kind(void)
{
    return SECURE_DEVICE_TYPE_TPM;
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
    if (dps_hsm_register_tpm(&MODULE) != PROV_DEVICE_RESULT_OK)
    {
        deinitialize_hsm_system();
        return MU_FAILURE;
    }
    return 0;
}

void dps_2017_end(void)
{
    (void)dps_hsm_register_tpm(NULL);
    deinitialize_hsm_system();
}

/* libdps derives the registration id from the endorsement key when a registration begins; here it is
 * made sure that there will be one. */
int dps_2017_identify(PROV_DEVICE_LL_HANDLE client)
{
    int result = MU_FAILURE;
    DPS_CUSTOM_HSM_HANDLE module = custom_hsm_create();
    unsigned char* key = NULL;
    size_t length = 0;
    (void)client;
    if (module == NULL)
    {
        dps_2017_set_reason("hsm: custom_hsm_create of the custom security module returned NULL");
        return MU_FAILURE;
    }
    if (custom_hsm_get_endorsement_key(module, &key, &length) != 0 || key == NULL || length == 0)
    {
        dps_2017_set_reason("hsm: custom_hsm_get_endorsement_key of the custom security module gave no key");
    }
    else
    {
        result = 0;
    }
    free(key);
    custom_hsm_destroy(module);
    return result;
}
