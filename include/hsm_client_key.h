/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * libdps's own security module for symmetric keys, under the C SDK's names. Defined by libdps_hsm. What
 * is returned is to be freed with free(). Handles that are not alive give NULL, or not 0.
 */
#ifndef HSM_CLIENT_KEY_H
#define HSM_CLIENT_KEY_H

#include "hsm_client_data.h"

#ifdef __cplusplus
extern "C" {
#endif

HSM_CLIENT_HANDLE hsm_client_key_create(void);
void hsm_client_key_destroy(HSM_CLIENT_HANDLE handle);
/* NULL until the two were set. */
char* hsm_client_get_symmetric_key(HSM_CLIENT_HANDLE handle);
char* hsm_client_get_registration_name(HSM_CLIENT_HANDLE handle);
/* Replaces what was set before. 0 unless an argument is NULL. */
int hsm_client_set_key_info(HSM_CLIENT_HANDLE handle, const char* reg_name, const char* symm_key);

#ifdef __cplusplus
}
#endif

#endif /* HSM_CLIENT_KEY_H */
