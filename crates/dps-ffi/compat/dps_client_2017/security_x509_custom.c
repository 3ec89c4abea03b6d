/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A module of the program's own with a certificate: custom_hsm_x509_impl.h. */
#include "custom_hsm_x509_impl.h"

#include <stddef.h>
#include <stdlib.h>

#include "dps/dps.h"
#include "security.h"
#include "security_x509_custom.h"

static const HSM_CLIENT_X509_INTERFACE MODULE = {
    custom_hsm_create,
    custom_hsm_destroy,
    custom_hsm_get_certificate,
    custom_hsm_get_alias_key,
    custom_hsm_get_common_name,
};

/* What this thread wants of a module in place of its certificate, or NULL. */
static OF_THREAD READ_TEXT wanted = NULL;

static char* get_certificate(DPS_CUSTOM_HSM_HANDLE handle)
{
    READ_TEXT read = wanted;
    wanted = NULL;
    return read != NULL ? read(handle) : custom_hsm_get_certificate(handle);
}

/* What libdps is told. */
static const HSM_CLIENT_X509_INTERFACE REGISTERED = {
    custom_hsm_create,
    custom_hsm_destroy,
    get_certificate,
    custom_hsm_get_alias_key,
    custom_hsm_get_common_name,
};

char* dps_2017_read_of_module(PROV_AUTH_HANDLE handle, READ_TEXT read)
{
    char* text;
    if (prov_auth_get_type(handle) != PROV_AUTH_TYPE_X509)
    {
        return NULL;
    }
    /* libdps holds the module's handle, and calls its functions one at a time. */
    wanted = read;
    text = prov_auth_get_certificate(handle);
    if (wanted != NULL)
    {
        /* Nobody has asked this module: the certificate is another's. */
        wanted = NULL;
        free(text);
        text = NULL;
    }
    return text;
}

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
    if (dps_hsm_register_x509(&REGISTERED) != PROV_DEVICE_RESULT_OK || prov_dev_security_init(SECURE_DEVICE_TYPE_X509) != 0)
    {
        dps_2017_end();
        return MU_FAILURE;
    }
    return 0;
}

void dps_2017_end(void)
{
    (void)dps_hsm_register_x509(NULL);
    deinitialize_hsm_system();
}
