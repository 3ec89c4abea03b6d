/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The tables of functions that a security module of yours has. The order of the members is the
 * interface. Include dps/dps.h to register one; or define the functions at the end of this header.
 *
 * Rules. Texts and bytes that a function returns come from malloc, and the library frees them. int
 * functions return 0 when they succeed. Arguments may be read until the function returns. The
 * functions of one handle are called one at a time, on any thread, and those of different handles at
 * the same time. They must not call functions of a handle, a provisioning client's or a hub
 * credentials', and must return: what C++ exceptions out of them do is undefined.
 */
#ifndef HSM_CLIENT_DATA_H
#define HSM_CLIENT_DATA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void* HSM_CLIENT_HANDLE;

/* Never NULL but on failure. Each client makes a handle of its own. */
typedef HSM_CLIENT_HANDLE (*HSM_CLIENT_CREATE)(void);
typedef void (*HSM_CLIENT_DESTROY)(HSM_CLIENT_HANDLE handle);

/* The device's certificate in PEM, or a chain that begins with it. */
typedef char* (*HSM_CLIENT_GET_CERTIFICATE)(HSM_CLIENT_HANDLE handle);
/* The certificate's private key in PEM. */
typedef char* (*HSM_CLIENT_GET_ALIAS_KEY)(HSM_CLIENT_HANDLE handle);
/* The registration id, unless the program sets one by option. */
typedef char* (*HSM_CLIENT_GET_COMMON_NAME)(HSM_CLIENT_HANDLE handle);

/* The key in base64. */
typedef char* (*HSM_CLIENT_GET_SYMMETRICAL_KEY)(HSM_CLIENT_HANDLE handle);
/* The registration id, unless the program sets one by option. */
typedef char* (*HSM_CLIENT_GET_REGISTRATION_NAME)(HSM_CLIENT_HANDLE handle);
/* What the program has set with prov_dev_set_symmetric_key_info (or its counterpart for the hub), or
 * two NULLs. A module may ignore it; 0 unless no client is to be made. */
typedef int (*HSM_CLIENT_SET_SYMMETRICAL_KEY_INFO)(HSM_CLIENT_HANDLE handle, const char* reg_name, const char* symm_key);

/* Recovers the key in what the service sends, byte for byte as it came, and keeps it beyond the life of
 * the handle: the hub client signs with it. */
typedef int (*HSM_CLIENT_ACTIVATE_IDENTITY_KEY)(HSM_CLIENT_HANDLE handle, const unsigned char* key, size_t key_len);
/* The public half of the endorsement key or the storage root key, a marshalled TPM2B_PUBLIC. The
 * registration id is the SHA-256 of the former in base32, unless the program sets one by option. */
typedef int (*HSM_CLIENT_GET_ENDORSEMENT_KEY)(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len);
typedef int (*HSM_CLIENT_GET_STORAGE_ROOT_KEY)(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len);
/* The HMAC-SHA256 of the data by the key that was activated last: 32 bytes. */
typedef int (*HSM_CLIENT_SIGN_WITH_IDENTITY)(HSM_CLIENT_HANDLE handle, const unsigned char* data, size_t data_len, unsigned char** key, size_t* key_len);

/* Of the edge runtime's module, see below: the certificates to trust, in PEM. */
typedef char* (*HSM_CLIENT_GET_TRUST_BUNDLE)(HSM_CLIENT_HANDLE handle);

typedef struct HSM_CLIENT_TPM_INTERFACE_TAG
{
    HSM_CLIENT_CREATE hsm_client_tpm_create;
    HSM_CLIENT_DESTROY hsm_client_tpm_destroy;
    HSM_CLIENT_ACTIVATE_IDENTITY_KEY hsm_client_activate_identity_key;
    HSM_CLIENT_GET_ENDORSEMENT_KEY hsm_client_get_ek;
    HSM_CLIENT_GET_STORAGE_ROOT_KEY hsm_client_get_srk;
    HSM_CLIENT_SIGN_WITH_IDENTITY hsm_client_sign_with_identity;
} HSM_CLIENT_TPM_INTERFACE;

typedef struct HSM_CLIENT_X509_INTERFACE_TAG
{
    HSM_CLIENT_CREATE hsm_client_x509_create;
    HSM_CLIENT_DESTROY hsm_client_x509_destroy;
    HSM_CLIENT_GET_CERTIFICATE hsm_client_get_cert;
    HSM_CLIENT_GET_ALIAS_KEY hsm_client_get_key;
    HSM_CLIENT_GET_COMMON_NAME hsm_client_get_common_name;
} HSM_CLIENT_X509_INTERFACE;

typedef struct HSM_CLIENT_KEY_INTERFACE_TAG
{
    HSM_CLIENT_CREATE hsm_client_key_create;
    HSM_CLIENT_DESTROY hsm_client_key_destroy;
    HSM_CLIENT_GET_SYMMETRICAL_KEY hsm_client_get_symm_key;
    HSM_CLIENT_GET_REGISTRATION_NAME hsm_client_get_registration_name;
    HSM_CLIENT_SET_SYMMETRICAL_KEY_INFO hsm_client_set_symm_key_info;
} HSM_CLIENT_KEY_INTERFACE;

/*
 * What a library of such modules defines. A program that is linked with these seven functions has all
 * its security modules from them: prov_dev_security_init calls hsm_client_x509_init and
 * hsm_client_tpm_init, for either side, prov_dev_security_deinit their counterparts, and each client
 * that is created asks for the table of its kind. They must bear to be called repeatedly; one that gives
 * not 0 has prov_dev_security_init fail. docs/c-api.md tells how to link one. libdps itself defines none
 * of them; libdps_hsm does, for programs that call its own modules under these names.
 */
const HSM_CLIENT_TPM_INTERFACE* hsm_client_tpm_interface(void);
const HSM_CLIENT_X509_INTERFACE* hsm_client_x509_interface(void);
const HSM_CLIENT_KEY_INTERFACE* hsm_client_key_interface(void);
int hsm_client_x509_init(void);
void hsm_client_x509_deinit(void);
int hsm_client_tpm_init(void);
void hsm_client_tpm_deinit(void);

/* As in the original's builds for edge modules, so that code compiles. libdps has no such module, and
 * asks none of a program's for this table. */
#ifdef HSM_TYPE_HTTP_EDGE
typedef struct HSM_CLIENT_HTTP_EDGE_INTERFACE_TAG
{
    HSM_CLIENT_CREATE hsm_client_http_edge_create;
    HSM_CLIENT_DESTROY hsm_client_http_edge_destroy;
    HSM_CLIENT_SIGN_WITH_IDENTITY hsm_client_sign_with_identity;
    HSM_CLIENT_GET_TRUST_BUNDLE hsm_client_get_trust_bundle;
} HSM_CLIENT_HTTP_EDGE_INTERFACE;

const HSM_CLIENT_HTTP_EDGE_INTERFACE* hsm_client_http_edge_interface(void);
int hsm_client_http_edge_init(void);
void hsm_client_http_edge_deinit(void);
#endif

/* Of libdps: what prov_dev_security_init and prov_dev_security_deinit have the modules do. 0 on success. */
int initialize_hsm_system(void);
void deinitialize_hsm_system(void);

#ifdef __cplusplus
}
#endif

#endif /* HSM_CLIENT_DATA_H */
