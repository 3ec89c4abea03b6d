/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The example's security modules as a library, for programs that load one. */
#include "custom_hsm_example.h"

const HSM_CLIENT_KEY_INTERFACE* hsm_client_key_interface(void)
{
    return custom_hsm_key();
}

const HSM_CLIENT_X509_INTERFACE* hsm_client_x509_interface(void)
{
    return custom_hsm_x509();
}

const HSM_CLIENT_TPM_INTERFACE* hsm_client_tpm_interface(void)
{
    return custom_hsm_tpm();
}

int hsm_client_x509_init(void)
{
    return 0;
}

void hsm_client_x509_deinit(void)
{
}

int hsm_client_tpm_init(void)
{
    return 0;
}

void hsm_client_tpm_deinit(void)
{
}
