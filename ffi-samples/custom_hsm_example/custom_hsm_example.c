/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "custom_hsm_example.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

/* A real module keeps its session with the hardware here. Each client has a handle of its own. */
typedef struct CUSTOM_HSM_TAG
{
    const char* id;
} CUSTOM_HSM;

static HSM_CLIENT_HANDLE custom_create(void)
{
    CUSTOM_HSM* hsm = malloc(sizeof(*hsm));
    if (hsm != NULL)
    {
        hsm->id = getenv("CUSTOM_HSM_ID");
        if (hsm->id == NULL)
        {
            /* NULL: no client is made, and the library's reason names this function. */
            free(hsm);
            return NULL;
        }
    }
    return hsm;
}

static void custom_destroy(HSM_CLIENT_HANDLE handle)
{
    free(handle);
}

/* What is returned is from malloc; the library wipes and frees it. */
static char* text_of_variable(const char* variable)
{
    const char* name = getenv(variable);
    return name == NULL ? NULL : text_of_file(name);
}

static char* custom_get_id(HSM_CLIENT_HANDLE handle)
{
    const CUSTOM_HSM* hsm = handle;
    return text_copy(hsm->id);
}

static char* custom_get_symm_key(HSM_CLIENT_HANDLE handle)
{
    (void)handle;
    return text_of_variable("CUSTOM_HSM_KEY");
}

static int custom_set_symm_key_info(HSM_CLIENT_HANDLE handle, const char* reg_name, const char* symm_key)
{
    /* What the program has set with prov_dev_set_symmetric_key_info, or NULL. This module has a key
     * of its own. */
    (void)handle;
    (void)reg_name;
    (void)symm_key;
    return 0;
}

static char* custom_get_cert(HSM_CLIENT_HANDLE handle)
{
    (void)handle;
    return text_of_variable("CUSTOM_HSM_CERTIFICATE");
}

static char* custom_get_key(HSM_CLIENT_HANDLE handle)
{
    (void)handle;
    return text_of_variable("CUSTOM_HSM_PRIVATE_KEY");
}

const HSM_CLIENT_KEY_INTERFACE* custom_hsm_key(void)
{
    static const HSM_CLIENT_KEY_INTERFACE table = {
        custom_create,
        custom_destroy,
        custom_get_symm_key,
        custom_get_id,
        custom_set_symm_key_info,
    };
    return &table;
}

const HSM_CLIENT_X509_INTERFACE* custom_hsm_x509(void)
{
    static const HSM_CLIENT_X509_INTERFACE table = {
        custom_create,
        custom_destroy,
        custom_get_cert,
        custom_get_key,
        custom_get_id,
    };
    return &table;
}

#ifndef CUSTOM_HSM_HAS_TPM
const HSM_CLIENT_TPM_INTERFACE* custom_hsm_tpm(void)
{
    return NULL;
}
#endif
