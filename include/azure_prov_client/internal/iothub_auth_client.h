/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Credentials for the hub, as the C SDK's hub client asks for them when it is created from device
 * auth. All functions may be called from any thread.
 */
#ifndef IOTHUB_AUTH_CLIENT_H
#define IOTHUB_AUTH_CLIENT_H

#include <stdint.h>

#include "umock_c/umock_c_prod.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct IOTHUB_SECURITY_INFO_TAG* IOTHUB_SECURITY_HANDLE;

typedef enum DEVICE_AUTH_TYPE_TAG
{
    AUTH_TYPE_UNKNOWN,
    AUTH_TYPE_SAS,
    AUTH_TYPE_X509,
    AUTH_TYPE_SYMM_KEY
} DEVICE_AUTH_TYPE;

typedef struct DEVICE_AUTH_SAS_INFO_TAG
{
    uint64_t expiry_seconds;
    const char* token_scope;
    const char* key_name;
} DEVICE_AUTH_SAS_INFO;

typedef struct DEVICE_AUTH_CREDENTIAL_INFO_TAG
{
    DEVICE_AUTH_TYPE dev_auth_type;
    DEVICE_AUTH_SAS_INFO sas_info;
} DEVICE_AUTH_CREDENTIAL_INFO;

typedef struct DEVICE_AUTH_SAS_RESULT_TAG
{
    const char* sas_token;
} DEVICE_AUTH_SAS_RESULT;

typedef struct DEVICE_AUTH_X509_RESULT_TAG
{
    const char* x509_cert;
    const char* x509_alias_key;
} DEVICE_AUTH_X509_RESULT;

typedef struct CREDENTIAL_RESULT_TAG
{
    DEVICE_AUTH_TYPE dev_auth_type;
    union
    {
        DEVICE_AUTH_SAS_RESULT sas_result;
        DEVICE_AUTH_X509_RESULT x509_result;
    } auth_cred_result;
} CREDENTIAL_RESULT;

/* Of the kind that iothub_security_init or prov_dev_security_init has chosen; takes a copy of the key, or
 * a handle of the security module. NULL when none is chosen, there is no key, or the module gives no
 * handle; dps_last_error(NULL) tells. */
MOCKABLE_FUNCTION(, IOTHUB_SECURITY_HANDLE, iothub_device_auth_create)

/* NULL, and handles that are not alive, are ignored. */
MOCKABLE_FUNCTION(, void, iothub_device_auth_destroy, IOTHUB_SECURITY_HANDLE, handle)

/* AUTH_TYPE_SYMM_KEY, AUTH_TYPE_X509, or AUTH_TYPE_SAS for a TPM; AUTH_TYPE_UNKNOWN for NULL and handles
 * that are not alive. */
MOCKABLE_FUNCTION(, DEVICE_AUTH_TYPE, iothub_device_auth_get_type, IOTHUB_SECURITY_HANDLE, handle)

/* With a key or a TPM: a SAS token for token_scope, which stands in the token as it is; dev_auth_type is
 * AUTH_TYPE_SAS or AUTH_TYPE_SYMM_KEY; key_name may be NULL or empty. With a certificate: it and its
 * key in PEM, from the module for certificates, or without one what a provisioning client of this
 * process was given by option; the argument is ignored.
 *
 * The struct is to be freed with free(). The texts in it belong to the handle, and live until the
 * next call with it, or Destroy. NULL on failure; dps_last_error(NULL) tells why. */
MOCKABLE_FUNCTION(, CREDENTIAL_RESULT*, iothub_device_auth_generate_credentials, IOTHUB_SECURITY_HANDLE, handle, const DEVICE_AUTH_CREDENTIAL_INFO*, dev_auth_cred)

#ifdef __cplusplus
}
#endif

#endif /* IOTHUB_AUTH_CLIENT_H */
