/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How a device of 2017 proves itself, for tools: today's prov_auth_* under the names of that time. What is
 * returned is to be freed with free(), buffers with BUFFER_delete; NULL or not 0 on failure, and
 * dps_client_last_error(NULL) tells why.
 */
#ifndef DPS_SEC_CLIENT_H
#define DPS_SEC_CLIENT_H

#include <stddef.h>

#include "azure_c_shared_utility/macro_utils.h"
#include "azure_c_shared_utility/umock_c_prod.h"
#include "azure_prov_client/internal/prov_auth_client.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef PROV_AUTH_HANDLE DPS_SEC_HANDLE;

/* The numbers of PROV_AUTH_TYPE. */
typedef enum DPS_SEC_TYPE_TAG
{
    DPS_SEC_TYPE_UNKNOWN,
    DPS_SEC_TYPE_TPM,
    DPS_SEC_TYPE_X509
} DPS_SEC_TYPE;

/* As the functions of prov_auth_client.h. */
MOCKABLE_FUNCTION(, DPS_SEC_HANDLE, dps_sec_create)
MOCKABLE_FUNCTION(, void, dps_sec_destroy, DPS_SEC_HANDLE, handle)
MOCKABLE_FUNCTION(, DPS_SEC_TYPE, dps_sec_get_type, DPS_SEC_HANDLE, handle)
MOCKABLE_FUNCTION(, char*, dps_sec_get_registration_id, DPS_SEC_HANDLE, handle)

/* Of TPMs. The first two call BUFFER_create: link the C SDK's aziotsharedutil, or libdps_compat. */
MOCKABLE_FUNCTION(, BUFFER_HANDLE, dps_sec_get_endorsement_key, DPS_SEC_HANDLE, handle)
MOCKABLE_FUNCTION(, BUFFER_HANDLE, dps_sec_get_storage_key, DPS_SEC_HANDLE, handle)
MOCKABLE_FUNCTION(, int, dps_sec_import_key, DPS_SEC_HANDLE, handle, const unsigned char*, key_value, size_t, key_len)
MOCKABLE_FUNCTION(, char*, dps_sec_construct_sas_token, DPS_SEC_HANDLE, handle, const char*, token_scope, const char*, key_name, size_t, expiry_time)

/* Of certificates. */
MOCKABLE_FUNCTION(, char*, dps_sec_get_certificate, DPS_SEC_HANDLE, handle)
MOCKABLE_FUNCTION(, char*, dps_sec_get_alias_key, DPS_SEC_HANDLE, handle)

/* What a custom module with a certificate has; NULL for other modules. A program that calls one of these
 * is linked with a module that defines its counterpart in custom_hsm_x509_impl.h. */
MOCKABLE_FUNCTION(, char*, dps_sec_get_signer_cert, DPS_SEC_HANDLE, handle)
MOCKABLE_FUNCTION(, char*, dps_sec_get_root_cert, DPS_SEC_HANDLE, handle)
MOCKABLE_FUNCTION(, char*, dps_sec_get_root_key, DPS_SEC_HANDLE, handle)

#ifdef __cplusplus
}
#endif

#endif /* DPS_SEC_CLIENT_H */
