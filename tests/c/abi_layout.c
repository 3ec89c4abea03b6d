/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Compile-time proof of the numbers and layouts in c-abi.md section 1.1 and dps.h. The Rust side
 * asserts the same about its own types (crates/dps-ffi/src/abi.rs).
 */
#include <stddef.h>

/* As in a build for edge modules. */
#define HSM_TYPE_HTTP_EDGE

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_prov_client/internal/iothub_auth_client.h"
#include "azure_prov_client/internal/prov_auth_client.h"
#include "azure_prov_client/internal/prov_transport_private.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_client_const.h"
#include "azure_prov_client/prov_device_client.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport.h"
#include "dps/dps.h"
#include "dps/dps_abi.h"
#include "hsm_client_data.h"
#include "hsm_client_key.h"
#include "hsm_client_tpm.h"
#include "hsm_client_x509.h"

#define JOIN_NOW(a, b) a##b
#define JOIN(a, b) JOIN_NOW(a, b)
/* C99 has no static assertion: an array type of negative size will not compile. */
#define ASSERT(condition) typedef char JOIN(assertion_, __LINE__)[(condition) ? 1 : -1] STATIC_VAR_UNUSED

ASSERT(PROV_DEVICE_RESULT_OK == 0);
ASSERT(PROV_DEVICE_RESULT_INVALID_ARG == 1);
ASSERT(PROV_DEVICE_RESULT_SUCCESS == 2);
ASSERT(PROV_DEVICE_RESULT_MEMORY == 3);
ASSERT(PROV_DEVICE_RESULT_PARSING == 4);
ASSERT(PROV_DEVICE_RESULT_TRANSPORT == 5);
ASSERT(PROV_DEVICE_RESULT_INVALID_STATE == 6);
ASSERT(PROV_DEVICE_RESULT_DEV_AUTH_ERROR == 7);
ASSERT(PROV_DEVICE_RESULT_TIMEOUT == 8);
ASSERT(PROV_DEVICE_RESULT_KEY_ERROR == 9);
ASSERT(PROV_DEVICE_RESULT_ERROR == 10);
ASSERT(PROV_DEVICE_RESULT_HUB_NOT_SPECIFIED == 11);
ASSERT(PROV_DEVICE_RESULT_UNAUTHORIZED == 12);
ASSERT(PROV_DEVICE_RESULT_DISABLED == 13);

ASSERT(PROV_DEVICE_REG_STATUS_CONNECTED == 0);
ASSERT(PROV_DEVICE_REG_STATUS_REGISTERING == 1);
ASSERT(PROV_DEVICE_REG_STATUS_ASSIGNING == 2);
ASSERT(PROV_DEVICE_REG_STATUS_ASSIGNED == 3);
ASSERT(PROV_DEVICE_REG_STATUS_ERROR == 4);
ASSERT(PROV_DEVICE_REG_HUB_NOT_SPECIFIED == 5);

ASSERT(SECURE_DEVICE_TYPE_UNKNOWN == 0);
ASSERT(SECURE_DEVICE_TYPE_TPM == 1);
ASSERT(SECURE_DEVICE_TYPE_X509 == 2);
ASSERT(SECURE_DEVICE_TYPE_HTTP_EDGE == 3);
ASSERT(SECURE_DEVICE_TYPE_SYMMETRIC_KEY == 4);

ASSERT(IOTHUB_SECURITY_TYPE_UNKNOWN == 0);
ASSERT(IOTHUB_SECURITY_TYPE_SAS == 1);
ASSERT(IOTHUB_SECURITY_TYPE_X509 == 2);
ASSERT(IOTHUB_SECURITY_TYPE_HTTP_EDGE == 3);
ASSERT(IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY == 4);

ASSERT(AUTH_TYPE_UNKNOWN == 0);
ASSERT(AUTH_TYPE_SAS == 1);
ASSERT(AUTH_TYPE_X509 == 2);
ASSERT(AUTH_TYPE_SYMM_KEY == 3);
ASSERT(sizeof(DEVICE_AUTH_TYPE) == 4);

ASSERT(PROV_AUTH_SUCCESS == 0);
ASSERT(PROV_AUTH_INVALID_ARG == 1);
ASSERT(PROV_AUTH_ERROR == 2);
ASSERT(PROV_AUTH_STATUS_UNASSIGNED == 3);
ASSERT(PROV_AUTH_STATUS_ASSIGNING == 4);
ASSERT(PROV_AUTH_TYPE_UNKNOWN == 0);
ASSERT(PROV_AUTH_TYPE_TPM == 1);
ASSERT(PROV_AUTH_TYPE_X509 == 2);
ASSERT(PROV_AUTH_TYPE_KEY == 3);
ASSERT(sizeof(PROV_AUTH_TYPE) == 4);

ASSERT(TRANSPORT_HSM_TYPE_TPM == 0);
ASSERT(TRANSPORT_HSM_TYPE_X509 == 1);
ASSERT(TRANSPORT_HSM_TYPE_SYMM_KEY == 2);
ASSERT(PROV_DEVICE_TRANSPORT_RESULT_OK == 0);
ASSERT(PROV_DEVICE_TRANSPORT_RESULT_UNAUTHORIZED == 1);
ASSERT(PROV_DEVICE_TRANSPORT_RESULT_ERROR == 2);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_CONNECTED == 0);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_AUTHENTICATED == 1);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_UNASSIGNED == 2);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_ASSIGNING == 3);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_ASSIGNED == 4);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_BLACKLISTED == 5);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_TRANSIENT == 6);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_ERROR == 7);
ASSERT(PROV_DEVICE_TRANSPORT_STATUS_DISABLED == 8);
ASSERT(sizeof(PROV_DEVICE_TRANSPORT_STATUS) == 4);
ASSERT(PROV_DEVICE_ERROR_KEY_FAIL == 0);
ASSERT(PROV_DEVICE_ERROR_KEY_UNAUTHORIZED == 1);
ASSERT(PROV_DEVICE_ERROR_MEMORY == 2);
ASSERT(sizeof(PROV_DEVICE_TRANSPORT_ERROR) == 4);
ASSERT(sizeof(PROV_DEVICE_TRANSPORT_RESULT) == 4);
ASSERT(sizeof(TRANSPORT_HSM_TYPE) == 4);
ASSERT(THREADAPI_RESULT_INVALID == 0);
ASSERT(THREADAPI_OK == 1);
ASSERT(THREADAPI_INVALID_ARG == 2);
ASSERT(THREADAPI_NO_MEMORY == 3);
ASSERT(THREADAPI_ERROR == 4);
ASSERT(sizeof(THREADAPI_RESULT) == 4);
ASSERT(KEY_TYPE_DEFAULT == 0);
ASSERT(KEY_TYPE_ENGINE == 1);

ASSERT(sizeof(PROV_DEVICE_RESULT) == 4);
ASSERT(sizeof(PROV_DEVICE_REG_STATUS) == 4);
ASSERT(sizeof(SECURE_DEVICE_TYPE) == 4);
ASSERT(sizeof(IOTHUB_SECURITY_TYPE) == 4);
ASSERT(PROV_GET_THROTTLE_TIME == 1);
ASSERT((MAX_PROV_GET_THROTTLE_TIME) == 300);
ASSERT(sizeof(PROV_DEVICE_CLIENT_VERSION) == sizeof("1.15.0"));

#if defined(__LP64__) || defined(_WIN64)
ASSERT(sizeof(HTTP_PROXY_OPTIONS) == 32);
ASSERT(offsetof(HTTP_PROXY_OPTIONS, host_address) == 0);
ASSERT(offsetof(HTTP_PROXY_OPTIONS, port) == 8);
ASSERT(offsetof(HTTP_PROXY_OPTIONS, username) == 16);
ASSERT(offsetof(HTTP_PROXY_OPTIONS, password) == 24);

ASSERT(sizeof(PROV_JSON_INFO) == 48);
ASSERT(offsetof(PROV_JSON_INFO, prov_status) == 0);
ASSERT(offsetof(PROV_JSON_INFO, operation_id) == 8);
ASSERT(offsetof(PROV_JSON_INFO, authorization_key) == 16);
ASSERT(offsetof(PROV_JSON_INFO, key_name) == 24);
ASSERT(offsetof(PROV_JSON_INFO, iothub_uri) == 32);
ASSERT(offsetof(PROV_JSON_INFO, device_id) == 40);
ASSERT(sizeof(PROV_DEVICE_TRANSPORT_PROVIDER) == 96);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_create) == 0);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_destroy) == 8);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_open) == 16);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_close) == 24);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_register) == 32);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_get_op_status) == 40);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_dowork) == 48);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_set_trace) == 56);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_x509_cert) == 64);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_trusted_cert) == 72);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_set_proxy) == 80);
ASSERT(offsetof(PROV_DEVICE_TRANSPORT_PROVIDER, prov_transport_set_option) == 88);

ASSERT(sizeof(DEVICE_AUTH_SAS_INFO) == 24);
ASSERT(offsetof(DEVICE_AUTH_SAS_INFO, expiry_seconds) == 0);
ASSERT(offsetof(DEVICE_AUTH_SAS_INFO, token_scope) == 8);
ASSERT(offsetof(DEVICE_AUTH_SAS_INFO, key_name) == 16);
ASSERT(sizeof(DEVICE_AUTH_CREDENTIAL_INFO) == 32);
ASSERT(offsetof(DEVICE_AUTH_CREDENTIAL_INFO, sas_info) == 8);
ASSERT(sizeof(DEVICE_AUTH_SAS_RESULT) == 8);
ASSERT(sizeof(DEVICE_AUTH_X509_RESULT) == 16);
ASSERT(offsetof(DEVICE_AUTH_X509_RESULT, x509_alias_key) == 8);
ASSERT(sizeof(CREDENTIAL_RESULT) == 24);
ASSERT(offsetof(CREDENTIAL_RESULT, auth_cred_result) == 8);

ASSERT(sizeof(HSM_CLIENT_TPM_INTERFACE) == 48);
ASSERT(offsetof(HSM_CLIENT_TPM_INTERFACE, hsm_client_activate_identity_key) == 16);
ASSERT(offsetof(HSM_CLIENT_TPM_INTERFACE, hsm_client_sign_with_identity) == 40);
ASSERT(sizeof(HSM_CLIENT_X509_INTERFACE) == 40);
ASSERT(offsetof(HSM_CLIENT_X509_INTERFACE, hsm_client_get_cert) == 16);
ASSERT(offsetof(HSM_CLIENT_X509_INTERFACE, hsm_client_get_key) == 24);
ASSERT(offsetof(HSM_CLIENT_X509_INTERFACE, hsm_client_get_common_name) == 32);
ASSERT(sizeof(HSM_CLIENT_KEY_INTERFACE) == 40);
ASSERT(offsetof(HSM_CLIENT_KEY_INTERFACE, hsm_client_get_symm_key) == 16);
ASSERT(offsetof(HSM_CLIENT_KEY_INTERFACE, hsm_client_get_registration_name) == 24);
ASSERT(offsetof(HSM_CLIENT_KEY_INTERFACE, hsm_client_set_symm_key_info) == 32);
ASSERT(sizeof(HSM_CLIENT_HTTP_EDGE_INTERFACE) == 32);
ASSERT(offsetof(HSM_CLIENT_HTTP_EDGE_INTERFACE, hsm_client_http_edge_create) == 0);
ASSERT(offsetof(HSM_CLIENT_HTTP_EDGE_INTERFACE, hsm_client_http_edge_destroy) == 8);
ASSERT(offsetof(HSM_CLIENT_HTTP_EDGE_INTERFACE, hsm_client_sign_with_identity) == 16);
ASSERT(offsetof(HSM_CLIENT_HTTP_EDGE_INTERFACE, hsm_client_get_trust_bundle) == 24);
ASSERT(sizeof(DPS_X509_SIGNER_INTERFACE) == 48);
ASSERT(offsetof(DPS_X509_SIGNER_INTERFACE, sign) == 40);

ASSERT(sizeof(DPS_HSM_LIBRARY) == 64);
ASSERT(offsetof(DPS_HSM_LIBRARY, x509_init) == 8);
ASSERT(offsetof(DPS_HSM_LIBRARY, tpm_interface) == 40);
ASSERT(offsetof(DPS_HSM_LIBRARY, key_interface) == 56);
ASSERT(sizeof(DPS_HSM_BUILT_IN) == 160);
ASSERT(offsetof(DPS_HSM_BUILT_IN, key) == 8);
ASSERT(offsetof(DPS_HSM_BUILT_IN, x509) == 48);
ASSERT(offsetof(DPS_HSM_BUILT_IN, tpm) == 88);
ASSERT(offsetof(DPS_HSM_BUILT_IN, x509_set_certificate) == 136);
ASSERT(offsetof(DPS_HSM_BUILT_IN, x509_reset) == 152);

ASSERT(sizeof(DPS_FAILURE) == 72);
ASSERT(offsetof(DPS_FAILURE, result) == 8);
ASSERT(offsetof(DPS_FAILURE, transient) == 12);
ASSERT(offsetof(DPS_FAILURE, stage) == 16);
ASSERT(offsetof(DPS_FAILURE, text) == 24);
ASSERT(offsetof(DPS_FAILURE, hint) == 32);
ASSERT(offsetof(DPS_FAILURE, service_status) == 40);
ASSERT(offsetof(DPS_FAILURE, service_error_code) == 44);
ASSERT(offsetof(DPS_FAILURE, service_message) == 48);
ASSERT(offsetof(DPS_FAILURE, service_tracking_id) == 56);
ASSERT(offsetof(DPS_FAILURE, service_time) == 64);

ASSERT(sizeof(DPS_POLICY) == 48);
ASSERT(offsetof(DPS_POLICY, deadline_ms) == 8);
ASSERT(offsetof(DPS_POLICY, silence_ms) == 12);
ASSERT(offsetof(DPS_POLICY, max_connections) == 16);
ASSERT(offsetof(DPS_POLICY, poll_interval_ms) == 20);
ASSERT(offsetof(DPS_POLICY, token_lifetime_s) == 24);
ASSERT(offsetof(DPS_POLICY, conservative) == 28);
ASSERT(offsetof(DPS_POLICY, all_statuses) == 32);
ASSERT(offsetof(DPS_POLICY, key_errors) == 36);
ASSERT(offsetof(DPS_POLICY, uniform_results) == 40);
ASSERT(offsetof(DPS_POLICY, reserved) == 44);
#endif

/* These only compile when the declared types are exactly these. */
PROV_DEVICE_LL_HANDLE (*const check_ll_create)(const char*, const char*, PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION) = Prov_Device_LL_Create;
void (*const check_ll_destroy)(struct PROV_INSTANCE_INFO_TAG*) = Prov_Device_LL_Destroy;
void (*const check_destroy)(struct PROV_DEVICE_INSTANCE_TAG*) = Prov_Device_Destroy;
PROV_DEVICE_RESULT (*const check_option)(PROV_DEVICE_HANDLE, const char*, const void*) = Prov_Device_SetOption;
int (*const check_init)(SECURE_DEVICE_TYPE) = prov_dev_security_init;
const PROV_DEVICE_TRANSPORT_PROVIDER* (*const check_protocol)(void) = Prov_Device_MQTT_Protocol;
PROV_AUTH_HANDLE (*const check_auth_create)(void) = prov_auth_create;
BUFFER_HANDLE (*const check_auth_ek)(struct PROV_AUTH_INFO_TAG*) = prov_auth_get_endorsement_key;
BUFFER_HANDLE (*const check_auth_srk)(PROV_AUTH_HANDLE) = prov_auth_get_storage_key;
int (*const check_auth_import)(PROV_AUTH_HANDLE, const unsigned char*, size_t) = prov_auth_import_key;
char* (*const check_auth_token)(PROV_AUTH_HANDLE, const char*, const char*, size_t) = prov_auth_construct_sas_token;
int (*const check_hsm_init)(void) = initialize_hsm_system;
int (*const check_key_info)(HSM_CLIENT_HANDLE, const char*, const char*) = hsm_client_set_key_info;
int (*const check_x509_set)(HSM_CLIENT_HANDLE, const char*) = hsm_client_x509_set_certificate;
int (*const check_tpm_sign)(HSM_CLIENT_HANDLE, const unsigned char*, size_t, unsigned char**, size_t*) = hsm_client_tpm_sign_data;
char* (*const check_trust_bundle)(HSM_CLIENT_HANDLE) = (HSM_CLIENT_GET_TRUST_BUNDLE)0;

/* A table as the original's transports have one: it must be possible to write it down. */
static PROV_JSON_INFO* parse_json(const char* json, void* context)
{
    (void)json;
    (void)context;
    return NULL;
}
static char* create_json(const char* ek, const char* srk, void* context)
{
    (void)ek;
    (void)srk;
    (void)context;
    return NULL;
}
static char* answer_challenge(const unsigned char* nonce, size_t nonce_len, const char* key_name, void* context)
{
    (void)nonce;
    (void)nonce_len;
    (void)key_name;
    (void)context;
    return NULL;
}
static void on_data(PROV_DEVICE_TRANSPORT_RESULT result, BUFFER_HANDLE key, const char* hub, const char* device_id, void* context)
{
    (void)result;
    (void)key;
    (void)hub;
    (void)device_id;
    (void)context;
}
static void on_transport_status(PROV_DEVICE_TRANSPORT_STATUS status, uint32_t retry_interval, void* context)
{
    (void)status;
    (void)retry_interval;
    (void)context;
}
static void on_transport_error(PROV_DEVICE_TRANSPORT_ERROR error, void* context)
{
    (void)error;
    (void)context;
}
const PROV_TRANSPORT_JSON_PARSE check_parse = parse_json;
const PROV_TRANSPORT_CREATE_JSON_PAYLOAD check_create = create_json;
const PROV_TRANSPORT_CHALLENGE_CALLBACK check_challenge = answer_challenge;
const PROV_DEVICE_TRANSPORT_REGISTER_CALLBACK check_data = on_data;
const PROV_DEVICE_TRANSPORT_STATUS_CALLBACK check_status = on_transport_status;
const PROV_TRANSPORT_ERROR_CALLBACK check_error = on_transport_error;

static PROV_DEVICE_TRANSPORT_HANDLE create_transport(const char* uri, TRANSPORT_HSM_TYPE type, const char* scope_id, const char* api_version, PROV_TRANSPORT_ERROR_CALLBACK error_cb, void* error_ctx)
{
    (void)uri;
    (void)type;
    (void)scope_id;
    (void)api_version;
    (void)error_cb;
    (void)error_ctx;
    return NULL;
}
static int set_proxy(PROV_DEVICE_TRANSPORT_HANDLE handle, const HTTP_PROXY_OPTIONS* options)
{
    (void)handle;
    (void)options;
    return 0;
}
const PROV_DEVICE_TRANSPORT_PROVIDER check_table = {
    create_transport, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, set_proxy, NULL
};
