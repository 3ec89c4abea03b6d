/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What libdps offers beyond the functions of the Azure IoT C SDK's provisioning client: its own
 * version, why something failed, and how patient a registration is.
 *
 * A program that is linked with other provisioning libraries at times can ask for this header's
 * presence with __has_include and for its version with the macros below.
 */
#ifndef DPS_DPS_H
#define DPS_DPS_H

#include <stddef.h>
#include <stdint.h>

#include "azure_prov_client/prov_device_client.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "hsm_client_data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this library. PROV_DEVICE_CLIENT_VERSION is the version of the interface that it
 * stands in for. */
#define DPS_VERSION_MAJOR 0
#define DPS_VERSION_MINOR 1
#define DPS_VERSION_PATCH 0
#define DPS_VERSION "0.1.0"

/* The version of the library that is linked: DPS_VERSION of the headers it was built with. */
const char* dps_version(void);

/* A failure. Set size to sizeof(DPS_FAILURE) before asking for one; newer libraries leave what an
 * older program does not know unwritten, older ones what a newer program has room for. */
typedef struct DPS_FAILURE_TAG
{
    size_t size;
    /* PROV_DEVICE_RESULT_OK when nothing has failed; then the texts are empty. */
    PROV_DEVICE_RESULT result;
    /* 1 when trying again, without changing anything, can help; else 0. */
    int32_t transient;
    /* How far it got: config, hsm, resolve, connect, proxy, tls, websocket, authenticate, register,
     * poll or deadline. */
    const char* stage;
    /* What happened, in one line. Never contains a key or a token. */
    const char* text;
    /* What a person can do about it. */
    const char* hint;
    /* What the service said: its status (as in HTTP) and error code, 0 when it said nothing, and
     * its texts, NULL when it said nothing. */
    uint32_t service_status;
    uint32_t service_error_code;
    const char* service_message;
    const char* service_tracking_id;
    const char* service_time;
} DPS_FAILURE;

/*
 * The last failure of a handle: of a registration, or of a call with this handle. Register_Device
 * forgets earlier ones. With a NULL handle: the last failure, on the calling thread, of a call
 * without a handle (Create) or with one that is not alive.
 *
 * The texts live until the calling thread makes the next of these calls, for any handle.
 *
 * Returns PROV_DEVICE_RESULT_OK, or PROV_DEVICE_RESULT_INVALID_ARG when the handle is not alive, or
 * failure is NULL or its size is less than that of the first published DPS_FAILURE.
 */
PROV_DEVICE_RESULT dps_ll_last_failure(PROV_DEVICE_LL_HANDLE handle, DPS_FAILURE* failure);
PROV_DEVICE_RESULT dps_last_failure(PROV_DEVICE_HANDLE handle, DPS_FAILURE* failure);

/* The same as one line, text and hint, for a log. Empty when nothing has failed, never NULL. */
const char* dps_ll_last_error(PROV_DEVICE_LL_HANDLE handle);
const char* dps_last_error(PROV_DEVICE_HANDLE handle);

/* How patient a registration is. Set size to sizeof(DPS_POLICY). */
typedef struct DPS_POLICY_TAG
{
    size_t size;
    /* The whole registration fails with PROV_DEVICE_RESULT_TIMEOUT after this time; 0, the default:
     * never. provisioning_timeout limits single requests instead. */
    uint32_t deadline_ms;
    /* A connection on which nothing arrives for this long while something is awaited counts as
     * lost. Default 60000; at least 1. */
    uint32_t silence_ms;
    /* How many connections may be opened in all before a lost one fails the registration; 0: no
     * limit. Default 3. */
    uint32_t max_connections;
    /* Pause between two questions to the service when it names none. Default 1000. */
    uint32_t poll_interval_ms;
    /* Life of the SAS token of a connection. Default 2400; at least 1. */
    uint32_t token_lifetime_s;
    /* 1: each step waits for the answer to the one before, as the C SDK does; 0, the default: steps
     * are sent ahead where the protocol allows it, which saves round trips. */
    uint32_t conservative;
    /* The three below change what programs written for the C SDK are used to; 0, the default,
     * leaves all as they know it. */
    /* 1: the status callback is also told REGISTERING, after CONNECTED; and, just before the register
     * callback, ASSIGNED, PROV_DEVICE_REG_HUB_NOT_SPECIFIED for that result, or ERROR. */
    uint32_t all_statuses;
    /* 1: a key or certificate that cannot be used ends with PROV_DEVICE_RESULT_KEY_ERROR instead of
     * TRANSPORT. */
    uint32_t key_errors;
    /* 1: the same answer of the service has the same result over every transport: that of MQTT. */
    uint32_t uniform_results;
    /* 0. */
    uint32_t reserved;
} DPS_POLICY;

/* Reads and changes a handle's policy; a change counts from the next Register_Device on. Get, change
 * what matters, set. PROV_DEVICE_RESULT_INVALID_ARG as above, or for a value out of range. */
PROV_DEVICE_RESULT dps_ll_get_policy(PROV_DEVICE_LL_HANDLE handle, DPS_POLICY* policy);
PROV_DEVICE_RESULT dps_ll_set_policy(PROV_DEVICE_LL_HANDLE handle, const DPS_POLICY* policy);
PROV_DEVICE_RESULT dps_get_policy(PROV_DEVICE_HANDLE handle, DPS_POLICY* policy);
PROV_DEVICE_RESULT dps_set_policy(PROV_DEVICE_HANDLE handle, const DPS_POLICY* policy);

/* The same for the policy that handles begin with which are created from then on: one call for a
 * whole program, for example for a deadline that no registration can do without. */
PROV_DEVICE_RESULT dps_get_default_policy(DPS_POLICY* policy);
PROV_DEVICE_RESULT dps_set_default_policy(const DPS_POLICY* policy);

/*
 * Security modules of yours, whose rules hsm_client_data.h has. A registered one takes the place of
 * the library's own of its kind, for the clients and hub credentials that are created from then on,
 * once prov_dev_security_init has chosen that kind. The table is copied; its functions must stay
 * as long as the process lives, since a handle may be in use for a while after it was destroyed or
 * another module was registered. NULL: the library's own again. dps_hsm_register_x509 and
 * dps_hsm_register_x509_signer take each other's place.
 *
 * With a module for certificates, the options x509certificate and x509privatekey are refused.
 *
 * Trusted platform modules register over HTTP and AMQP; SECURE_DEVICE_TYPE_TPM is only accepted once
 * there is a module.
 *
 * PROV_DEVICE_RESULT_INVALID_ARG when a function of the table is NULL that also the hub's credentials
 * take; dps_last_error(NULL) names it. Without one that only a registration takes, such as
 * hsm_client_get_common_name, no client can be created, which then names it.
 */
PROV_DEVICE_RESULT dps_hsm_register_symmetric_key(const HSM_CLIENT_KEY_INTERFACE* hsm);
PROV_DEVICE_RESULT dps_hsm_register_x509(const HSM_CLIENT_X509_INTERFACE* hsm);
PROV_DEVICE_RESULT dps_hsm_register_tpm(const HSM_CLIENT_TPM_INTERFACE* hsm);

/* What a key is to do, by TLS's numbers (RFC 8446 section 4.2.3). The message is not hashed yet. A
 * certificate's RSA key is asked for any of the RSA ones, which the service chooses from; an EC key
 * for the one of its curve. */
typedef enum DPS_SIGNATURE_SCHEME_TAG
{
    DPS_RSA_PKCS1_SHA256 = 0x0401,
    DPS_RSA_PKCS1_SHA384 = 0x0501,
    DPS_RSA_PKCS1_SHA512 = 0x0601,
    DPS_ECDSA_P256_SHA256 = 0x0403,
    DPS_ECDSA_P384_SHA384 = 0x0503,
    DPS_RSA_PSS_SHA256 = 0x0804,
    DPS_RSA_PSS_SHA384 = 0x0805,
    DPS_RSA_PSS_SHA512 = 0x0806
} DPS_SIGNATURE_SCHEME;

/* A module whose private key never leaves it. It signs the TLS handshake, within DoWork or on the
 * client's thread. Set size to sizeof(DPS_X509_SIGNER_INTERFACE). */
typedef struct DPS_X509_SIGNER_INTERFACE_TAG
{
    size_t size;
    HSM_CLIENT_CREATE create;
    HSM_CLIENT_DESTROY destroy;
    HSM_CLIENT_GET_CERTIFICATE get_cert;
    HSM_CLIENT_GET_COMMON_NAME get_common_name;
    /* Signs under a DPS_SIGNATURE_SCHEME. An ECDSA signature is a DER sequence. 0, and bytes from
     * malloc; or not 0, and nothing. */
    int (*sign)(HSM_CLIENT_HANDLE handle, uint32_t scheme, const unsigned char* message, size_t message_length,
                unsigned char** signature, size_t* signature_length);
} DPS_X509_SIGNER_INTERFACE;

PROV_DEVICE_RESULT dps_hsm_register_x509_signer(const DPS_X509_SIGNER_INTERFACE* hsm);

/* The key in base64 of a device in an enrollment group: HMAC-SHA256 of the registration id with the
 * group's key, which is for where devices are made and must not be on them. To be wiped and freed with
 * free(). NULL when an argument is NULL, the key is no base64 of 16 to 64 bytes, or the id is none;
 * dps_last_error(NULL) tells. */
char* dps_derive_device_key(const char* group_key_base64, const char* registration_id);

/* The simulated device of libraries built with the CMake option hsm_type_riot, which alone define this:
 * for development, see hsm_client_riot.h. The seed, 8 bytes at least, makes its keys; NULL: a fixed seed
 * that EVERYBODY KNOWS. The registration id, 64 characters at most, is its common name; NULL: the
 * environment's DPS_RIOT_COMMON_NAME, else riot-device-cert. For what is made from then on.
 * PROV_DEVICE_RESULT_INVALID_ARG when one of them cannot be; dps_last_error(NULL) tells. */
PROV_DEVICE_RESULT dps_riot_set_device(const char* seed, const char* registration_id);

/*
 * Keys in PKCS#11 tokens, for libraries built with the CMake option DPS_PKCS11. A pkcs11: URI
 * (RFC 7512) takes the place of a key: as the option x509privatekey, or as the key of
 * prov_dev_set_symmetric_key_info. See docs/pkcs11.md.
 *
 * These two are for the whole process, and for what is looked for from then on. In other builds
 * they return PROV_DEVICE_RESULT_ERROR, and dps_last_error(NULL) says why.
 */

/* The token's library, for URIs without module-path: a path, or a name that the system's loader
 * finds. It is copied. NULL: that of the environment's PKCS11_MODULE_PATH, else p11-kit's. */
PROV_DEVICE_RESULT dps_pkcs11_set_module(const char* path);

/* Gives the PIN of the token with this label, for URIs without pin-value and pin-source: writes it
 * to pin, where there is room for size bytes, and returns its length; or a negative number when
 * there is none. It is asked at each login, on the thread that registers or signs or on one of the
 * library's own, also after a client was destroyed whose token was at work; so it and its context
 * must be good, and safe on any thread, as long as the process lives. It must call no function of
 * this library. The buffer is wiped afterwards. */
typedef int (*DPS_PKCS11_PIN_CALLBACK)(const char* token, char* pin, size_t size, void* context);

/* NULL: none, as in the beginning; then the environment's PKCS11_PIN is taken if it is there. */
PROV_DEVICE_RESULT dps_pkcs11_set_pin_callback(DPS_PKCS11_PIN_CALLBACK callback, void* context);

/*
 * The TPM that the library drives by itself, in libraries built with the CMake option
 * hsm_type_sastoken or use_tpm_simulator. See docs/tpm.md. In other builds this returns
 * PROV_DEVICE_RESULT_ERROR, and dps_last_error(NULL) says why.
 *
 * How it is reached, as for the tss2 tools: "device:/dev/tpmrm0", "tabrmd",
 * "swtpm:host=127.0.0.1,port=2321". For the whole process, and for what is created from then on. It
 * is copied. NULL: that of the environment's DPS_TCTI, else of its TPM2TOOLS_TCTI, else the
 * machine's own TPM ("auto"); with use_tpm_simulator, swtpm at port 2321. Text that is none is
 * refused, and changes nothing.
 */
PROV_DEVICE_RESULT dps_tpm_set_tcti(const char* tcti);

/*
 * A library of modules of all kinds: the seven functions of hsm_client_data.h, for the security state
 * and the clients that are made from then on. It goes before one that the program is linked with, and
 * behind single modules that are registered. Set size to sizeof(DPS_HSM_LIBRARY).
 */
typedef struct DPS_HSM_LIBRARY_TAG
{
    size_t size;
    int (*x509_init)(void);
    void (*x509_deinit)(void);
    int (*tpm_init)(void);
    void (*tpm_deinit)(void);
    const HSM_CLIENT_TPM_INTERFACE* (*tpm_interface)(void);
    const HSM_CLIENT_X509_INTERFACE* (*x509_interface)(void);
    const HSM_CLIENT_KEY_INTERFACE* (*key_interface)(void);
} DPS_HSM_LIBRARY;

/* The struct is copied, and its functions must stay as long as the process lives. NULL: not any more.
 * PROV_DEVICE_RESULT_INVALID_ARG when one of them is NULL; dps_last_error(NULL) names it.
 * PROV_DEVICE_RESULT_ERROR between prov_dev_security_init and prov_dev_security_deinit: the library's
 * modules would not have got ready. */
PROV_DEVICE_RESULT dps_hsm_register_library(const DPS_HSM_LIBRARY* library);

/* The same with the seven functions of a shared object, which stays loaded for good. NULL: not any more.
 * PROV_DEVICE_RESULT_ERROR when it cannot be loaded or lacks one of the functions, and as above;
 * dps_last_error(NULL) tells. A path without a slash is looked for as dlopen does. */
PROV_DEVICE_RESULT dps_hsm_load(const char* path);

/* The library's own modules, as tables. libdps_hsm gives their functions the C SDK's names
 * (hsm_client_key.h, hsm_client_x509.h, hsm_client_tpm.h). The certificate is the process's, which
 * options and prov_auth_set_certificate give too. A newer library's struct may be larger. */
typedef struct DPS_HSM_BUILT_IN_TAG
{
    size_t size;
    HSM_CLIENT_KEY_INTERFACE key;
    HSM_CLIENT_X509_INTERFACE x509;
    HSM_CLIENT_TPM_INTERFACE tpm;
    int (*x509_set_certificate)(HSM_CLIENT_HANDLE handle, const char* certificate);
    int (*x509_set_key)(HSM_CLIENT_HANDLE handle, const char* key);
    /* Forgets both. */
    void (*x509_reset)(void);
} DPS_HSM_BUILT_IN;

const DPS_HSM_BUILT_IN* dps_hsm_built_in(void);

#ifdef __cplusplus
}
#endif

#endif /* DPS_DPS_H */
