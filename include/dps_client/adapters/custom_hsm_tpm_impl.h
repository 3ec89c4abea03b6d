/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a security module of 2017 with a TPM defines, for -Ddps_auth_type=tpm -Ddps_hsm_custom_lib=...
 * New modules use the tables of hsm_client_data.h.
 *
 * int functions return 0 when they succeed. Bytes come from malloc, and the library frees them. Each
 * client makes a handle of its own; the functions of one handle are called one at a time, and must
 * return.
 */
#ifndef CUSTOM_HSM_TPM_IMPL_H
#define CUSTOM_HSM_TPM_IMPL_H

#include <stddef.h>

#include "custom_hsm_module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The public endorsement key and storage root key, as the TPM marshals them (TPM2B_PUBLIC). */
int custom_hsm_get_endorsement_key(DPS_CUSTOM_HSM_HANDLE handle, unsigned char** key, size_t* key_len);
int custom_hsm_get_storage_root_key(DPS_CUSTOM_HSM_HANDLE handle, unsigned char** key, size_t* key_len);
/* Takes the service's activation blob, and keeps the key within as the identity key. */
int custom_hsm_import_key(DPS_CUSTOM_HSM_HANDLE handle, const unsigned char* key, size_t key_len);
/* HMAC-SHA256 with the identity key. */
int custom_hsm_sign_key(DPS_CUSTOM_HSM_HANDLE handle, const unsigned char* data, size_t data_len, unsigned char** signed_value, size_t* signed_len);

#ifdef __cplusplus
}
#endif

#endif /* CUSTOM_HSM_TPM_IMPL_H */
