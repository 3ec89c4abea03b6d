/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A security module of one's own, to start from. Files stand in for the hardware; the environment
 * names them:
 *
 *   CUSTOM_HSM_ID            the device's registration id
 *   CUSTOM_HSM_KEY           a file with a symmetric key in base64
 *   CUSTOM_HSM_CERTIFICATE   a file with the certificate in PEM
 *   CUSTOM_HSM_PRIVATE_KEY   a file with its private key in PEM
 *   CUSTOM_HSM_TCTI          the way to a TPM, which is real: custom_hsm_tpm.c
 */
#ifndef CUSTOM_HSM_EXAMPLE_H
#define CUSTOM_HSM_EXAMPLE_H

#include "hsm_client_data.h"

const HSM_CLIENT_KEY_INTERFACE* custom_hsm_key(void);
const HSM_CLIENT_X509_INTERFACE* custom_hsm_x509(void);
/* NULL where it is built without tss2. */
const HSM_CLIENT_TPM_INTERFACE* custom_hsm_tpm(void);

#endif /* CUSTOM_HSM_EXAMPLE_H */
