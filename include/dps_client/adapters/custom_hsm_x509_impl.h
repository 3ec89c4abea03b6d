/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a security module of 2017 with a certificate defines, for -Ddps_auth_type=x509
 * -Ddps_hsm_custom_lib=... New modules use the tables of hsm_client_data.h.
 *
 * Texts come from malloc, and the library frees them. Each client makes a handle of its own; the
 * functions of one handle are called one at a time, and must return.
 */
#ifndef CUSTOM_HSM_X509_IMPL_H
#define CUSTOM_HSM_X509_IMPL_H

#include "custom_hsm_module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The device's certificate in PEM, or a chain that begins with it. */
char* custom_hsm_get_certificate(DPS_CUSTOM_HSM_HANDLE handle);
/* The certificate's private key in PEM. */
char* custom_hsm_get_alias_key(DPS_CUSTOM_HSM_HANDLE handle);
/* The registration id. */
char* custom_hsm_get_common_name(DPS_CUSTOM_HSM_HANDLE handle);

/* Only for programs that call dps_sec_get_signer_cert and the like; a module may leave them out. */
char* custom_hsm_get_signer_cert(DPS_CUSTOM_HSM_HANDLE handle);
char* custom_hsm_get_root_cert(DPS_CUSTOM_HSM_HANDLE handle);
char* custom_hsm_get_root_key(DPS_CUSTOM_HSM_HANDLE handle);

#ifdef __cplusplus
}
#endif

#endif /* CUSTOM_HSM_X509_IMPL_H */
