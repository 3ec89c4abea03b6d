/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * libdps's own security module for trusted platform modules, under the C SDK's names. Defined by
 * libdps_hsm; it works where libdps is built with one. What is returned is to be freed with free(); 0 on
 * success.
 */
#ifndef HSM_CLIENT_TPM_H
#define HSM_CLIENT_TPM_H

#include "hsm_client_data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* NULL when there is no TPM, or none that can be used; dps_last_error(NULL) of dps/dps.h tells why. */
HSM_CLIENT_HANDLE hsm_client_tpm_create(void);
void hsm_client_tpm_destroy(HSM_CLIENT_HANDLE handle);
int hsm_client_tpm_get_endorsement_key(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len);
int hsm_client_tpm_get_storage_key(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len);
int hsm_client_tpm_import_key(HSM_CLIENT_HANDLE handle, const unsigned char* key, size_t key_len);
int hsm_client_tpm_sign_data(HSM_CLIENT_HANDLE handle, const unsigned char* data, size_t data_len, unsigned char** key, size_t* key_len);

#ifdef __cplusplus
}
#endif

#endif /* HSM_CLIENT_TPM_H */
