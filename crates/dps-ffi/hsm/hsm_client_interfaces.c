/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The seven functions that libraries of security modules define, for programs that call libdps's own
 * modules by them. In an archive of their own, which is left out of programs that bring another
 * library's: the linker would take these before it comes to those.
 */
#include "dps/dps.h"

/* Has libdps know that the seven lead back to itself (c/linked_hsm.c). */
extern const char dps_hsm_built_in_names;
const char dps_hsm_built_in_names = 1;

const HSM_CLIENT_TPM_INTERFACE* hsm_client_tpm_interface(void)
{
    return &dps_hsm_built_in()->tpm;
}

const HSM_CLIENT_X509_INTERFACE* hsm_client_x509_interface(void)
{
    return &dps_hsm_built_in()->x509;
}

const HSM_CLIENT_KEY_INTERFACE* hsm_client_key_interface(void)
{
    return &dps_hsm_built_in()->key;
}

int hsm_client_x509_init(void)
{
    dps_hsm_built_in()->x509_reset();
    return 0;
}

void hsm_client_x509_deinit(void)
{
    dps_hsm_built_in()->x509_reset();
}

int hsm_client_tpm_init(void)
{
    return 0;
}

void hsm_client_tpm_deinit(void)
{
}
