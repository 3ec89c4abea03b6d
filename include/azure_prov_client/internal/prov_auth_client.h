/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How a device proves itself to the provisioning service, for tools: what prov_dev_security_init has
 * chosen, from the library's own security modules or from one of the program's. All functions may be
 * called from any thread. What is returned is to be freed with free(), buffers with BUFFER_delete;
 * NULL or not 0 on failure, and dps_last_error(NULL) of dps/dps.h tells why.
 */
#ifndef PROV_AUTH_CLIENT_H
#define PROV_AUTH_CLIENT_H

#include <stddef.h>

#include "azure_c_shared_utility/buffer_.h"
#include "umock_c/umock_c_prod.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct PROV_AUTH_INFO_TAG* PROV_AUTH_HANDLE;

typedef enum PROV_AUTH_RESULT_TAG
{
    PROV_AUTH_SUCCESS,
    PROV_AUTH_INVALID_ARG,
    PROV_AUTH_ERROR,
    PROV_AUTH_STATUS_UNASSIGNED,
    PROV_AUTH_STATUS_ASSIGNING
} PROV_AUTH_RESULT;

typedef enum PROV_AUTH_TYPE_TAG
{
    PROV_AUTH_TYPE_UNKNOWN,
    PROV_AUTH_TYPE_TPM,
    PROV_AUTH_TYPE_X509,
    PROV_AUTH_TYPE_KEY
} PROV_AUTH_TYPE;

/* Of the kind that prov_dev_security_get_type tells; takes a copy of the key. */
MOCKABLE_FUNCTION(, PROV_AUTH_HANDLE, prov_auth_create)

/* NULL, and handles that are not alive, are ignored. */
MOCKABLE_FUNCTION(, void, prov_auth_destroy, PROV_AUTH_HANDLE, handle)

MOCKABLE_FUNCTION(, PROV_AUTH_TYPE, prov_auth_get_type, PROV_AUTH_HANDLE, handle)

/* What was set, or what the security module knows: the name given with a symmetric key, a certificate's
 * common name, the hash of a TPM's endorsement key. Once known it stays. */
MOCKABLE_FUNCTION(, char*, prov_auth_get_registration_id, PROV_AUTH_HANDLE, handle)

/* Once, before it is known. */
MOCKABLE_FUNCTION(, int, prov_auth_set_registration_id, PROV_AUTH_HANDLE, handle, const char*, registration_id)

/* A TPM's keys, each a marshalled TPM2B_PUBLIC. They call BUFFER_create: link the C SDK's aziotsharedutil,
 * or libdps_compat. dps_prov_auth_tpm_key gives the same without. */
MOCKABLE_FUNCTION(, BUFFER_HANDLE, prov_auth_get_endorsement_key, PROV_AUTH_HANDLE, handle)
MOCKABLE_FUNCTION(, BUFFER_HANDLE, prov_auth_get_storage_key, PROV_AUTH_HANDLE, handle)

/* Beyond the original: the endorsement key, or with storage_root not 0 the storage root key, as bytes
 * from malloc. 0 on success. */
int dps_prov_auth_tpm_key(PROV_AUTH_HANDLE handle, int storage_root, unsigned char** key, size_t* key_len);

/* Has a TPM recover a key that the service has sent, and sign with it from now on. */
MOCKABLE_FUNCTION(, int, prov_auth_import_key, PROV_AUTH_HANDLE, handle, const unsigned char*, key_value, size_t, key_len)

/* A SAS token for token_scope, which stands in it as it is; expiry_time in seconds since 1970. Not for
 * certificates. */
MOCKABLE_FUNCTION(, char*, prov_auth_construct_sas_token, PROV_AUTH_HANDLE, handle, const char*, token_scope, const char*, key_name, size_t, expiry_time)

/* The certificate and its private key in PEM. */
MOCKABLE_FUNCTION(, char*, prov_auth_get_certificate, PROV_AUTH_HANDLE, handle)
MOCKABLE_FUNCTION(, char*, prov_auth_get_alias_key, PROV_AUTH_HANDLE, handle)

/* The certificate and the key of the process, which clients take that are given none by option. Once
 * each; not with a security module of the program's, and not for other kinds. */
MOCKABLE_FUNCTION(, int, prov_auth_set_certificate, PROV_AUTH_HANDLE, handle, const char*, certificate)
MOCKABLE_FUNCTION(, int, prov_auth_set_key, PROV_AUTH_HANDLE, handle, const char*, key)

#ifdef __cplusplus
}
#endif

#endif /* PROV_AUTH_CLIENT_H */
