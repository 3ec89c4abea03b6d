/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Names and types of the connection options. docs/c-api.md tells which of them the library takes.
 */
#ifndef SHARED_UTIL_OPTIONS_H
#define SHARED_UTIL_OPTIONS_H

#include "azure_c_shared_utility/const_defines.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Value of OPTION_HTTP_PROXY. */
typedef struct HTTP_PROXY_OPTIONS_TAG
{
    const char* host_address;
    int port;
    const char* username;
    const char* password;
} HTTP_PROXY_OPTIONS;

/* Value of OPTION_OPENSSL_PRIVATE_KEY_TYPE. */
typedef enum OPTION_OPENSSL_KEY_TYPE_TAG
{
    KEY_TYPE_DEFAULT,
    KEY_TYPE_ENGINE
} OPTION_OPENSSL_KEY_TYPE;

static const char* const OPTION_HTTP_PROXY STATIC_VAR_UNUSED = "proxy_data";
static const char* const OPTION_TRUSTED_CERT STATIC_VAR_UNUSED = "TrustedCerts";
static const char* const OPTION_X509_ECC_CERT STATIC_VAR_UNUSED = "x509EccCertificate";
static const char* const OPTION_X509_ECC_KEY STATIC_VAR_UNUSED = "x509EccAliasKey";
static const char* const OPTION_OPENSSL_CIPHER_SUITE STATIC_VAR_UNUSED = "CipherSuite";
static const char* const OPTION_OPENSSL_ENGINE STATIC_VAR_UNUSED = "Engine";
static const char* const OPTION_OPENSSL_PRIVATE_KEY_TYPE STATIC_VAR_UNUSED = "x509PrivatekeyType";
static const char* const OPTION_TLS_VERSION STATIC_VAR_UNUSED = "tls_version";
static const char* const OPTION_SET_TLS_RENEGOTIATION STATIC_VAR_UNUSED = "tls_renegotiation";
static const char* const OPTION_NET_INT_MAC_ADDRESS STATIC_VAR_UNUSED = "net_interface_mac_address";
static const char* const OPTION_ADDRESS_TYPE STATIC_VAR_UNUSED = "ADDRESS_TYPE";

#ifdef __cplusplus
}
#endif

#endif /* SHARED_UTIL_OPTIONS_H */
