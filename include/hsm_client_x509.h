/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * libdps's own security module for certificates, under the C SDK's names. Defined by libdps_hsm. There is
 * one certificate in the process, and so one handle; options of clients give it too. What is returned is
 * to be freed with free().
 */
#ifndef HSM_CLIENT_X509_H
#define HSM_CLIENT_X509_H

#include "hsm_client_data.h"

#ifdef __cplusplus
extern "C" {
#endif

HSM_CLIENT_HANDLE hsm_client_x509_create(void);
/* Does nothing. */
void hsm_client_x509_destroy(HSM_CLIENT_HANDLE handle);
/* In PEM; NULL until it was set. */
char* hsm_client_x509_get_certificate(HSM_CLIENT_HANDLE handle);
char* hsm_client_x509_get_key(HSM_CLIENT_HANDLE handle);
/* Always NULL. */
char* hsm_client_x509_get_common_name(HSM_CLIENT_HANDLE handle);
/* 0 when there was none. hsm_client_x509_init and hsm_client_x509_deinit forget both. */
int hsm_client_x509_set_certificate(HSM_CLIENT_HANDLE handle, const char* certificate);
int hsm_client_x509_set_key(HSM_CLIENT_HANDLE handle, const char* key);

#ifdef __cplusplus
}
#endif

#endif /* HSM_CLIENT_X509_H */
