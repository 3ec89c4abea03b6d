/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the original's client and its transports agree on, for code that names these types.
 *
 * Programs cannot bring a transport of their own: libdps never looks into a
 * PROV_DEVICE_TRANSPORT_PROVIDER, which for it is an opaque token, and reads no member of this table.
 * Its transports are within the library. What its Prov_Device_*_Protocol functions give must not be
 * looked into either; Create with a table that a program has filled in gives NULL.
 */
#ifndef PROV_TRANSPORT_PRIVATE_H
#define PROV_TRANSPORT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "azure_c_shared_utility/buffer_.h"
#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/prov_transport.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void* PROV_DEVICE_TRANSPORT_HANDLE;

typedef enum PROV_DEVICE_TRANSPORT_STATUS_TAG
{
    PROV_DEVICE_TRANSPORT_STATUS_CONNECTED,
    PROV_DEVICE_TRANSPORT_STATUS_AUTHENTICATED,
    PROV_DEVICE_TRANSPORT_STATUS_UNASSIGNED,
    PROV_DEVICE_TRANSPORT_STATUS_ASSIGNING,
    PROV_DEVICE_TRANSPORT_STATUS_ASSIGNED,
    PROV_DEVICE_TRANSPORT_STATUS_BLACKLISTED,
    PROV_DEVICE_TRANSPORT_STATUS_TRANSIENT,
    PROV_DEVICE_TRANSPORT_STATUS_ERROR,
    PROV_DEVICE_TRANSPORT_STATUS_DISABLED
} PROV_DEVICE_TRANSPORT_STATUS;

typedef enum PROV_DEVICE_TRANSPORT_ERROR_TAG
{
    PROV_DEVICE_ERROR_KEY_FAIL,
    PROV_DEVICE_ERROR_KEY_UNAUTHORIZED,
    PROV_DEVICE_ERROR_MEMORY
} PROV_DEVICE_TRANSPORT_ERROR;

/* What a reply of the service says. */
typedef struct PROV_JSON_INFO_TAG
{
    PROV_DEVICE_TRANSPORT_STATUS prov_status;
    char* operation_id;
    BUFFER_HANDLE authorization_key;
    char* key_name;
    char* iothub_uri;
    char* device_id;
} PROV_JSON_INFO;

/* From a transport to the client. */
typedef void (*PROV_DEVICE_TRANSPORT_REGISTER_CALLBACK)(PROV_DEVICE_TRANSPORT_RESULT transport_result, BUFFER_HANDLE iothub_key, const char* assigned_hub, const char* device_id, void* user_ctx);
typedef void (*PROV_DEVICE_TRANSPORT_STATUS_CALLBACK)(PROV_DEVICE_TRANSPORT_STATUS transport_status, uint32_t retry_interval, void* user_ctx);
/* A SAS token from malloc. */
typedef char* (*PROV_TRANSPORT_CHALLENGE_CALLBACK)(const unsigned char* nonce, size_t nonce_len, const char* key_name, void* user_ctx);
typedef PROV_JSON_INFO* (*PROV_TRANSPORT_JSON_PARSE)(const char* json_document, void* user_ctx);
/* Both keys in base64. */
typedef char* (*PROV_TRANSPORT_CREATE_JSON_PAYLOAD)(const char* ek_value, const char* srk_value, void* user_ctx);
typedef void (*PROV_TRANSPORT_ERROR_CALLBACK)(PROV_DEVICE_TRANSPORT_ERROR transport_error, void* user_ctx);

/* From the client to a transport. */
struct PROV_DEVICE_TRANSPORT_PROVIDER_TAG
{
    PROV_DEVICE_TRANSPORT_HANDLE (*prov_transport_create)(const char* uri, TRANSPORT_HSM_TYPE type, const char* scope_id, const char* api_version, PROV_TRANSPORT_ERROR_CALLBACK error_cb, void* error_ctx);
    void (*prov_transport_destroy)(PROV_DEVICE_TRANSPORT_HANDLE handle);
    int (*prov_transport_open)(PROV_DEVICE_TRANSPORT_HANDLE handle, const char* registration_id, BUFFER_HANDLE ek, BUFFER_HANDLE srk, PROV_DEVICE_TRANSPORT_REGISTER_CALLBACK data_callback, void* user_ctx, PROV_DEVICE_TRANSPORT_STATUS_CALLBACK status_cb, void* status_ctx, PROV_TRANSPORT_CHALLENGE_CALLBACK reg_challenge_cb, void* challenge_ctx);
    int (*prov_transport_close)(PROV_DEVICE_TRANSPORT_HANDLE handle);
    int (*prov_transport_register)(PROV_DEVICE_TRANSPORT_HANDLE handle, PROV_TRANSPORT_JSON_PARSE json_parse_cb, PROV_TRANSPORT_CREATE_JSON_PAYLOAD json_create_cb, void* json_ctx);
    int (*prov_transport_get_op_status)(PROV_DEVICE_TRANSPORT_HANDLE handle);
    void (*prov_transport_dowork)(PROV_DEVICE_TRANSPORT_HANDLE handle);
    int (*prov_transport_set_trace)(PROV_DEVICE_TRANSPORT_HANDLE handle, bool trace_on);
    int (*prov_transport_x509_cert)(PROV_DEVICE_TRANSPORT_HANDLE handle, const char* certificate, const char* private_key);
    int (*prov_transport_trusted_cert)(PROV_DEVICE_TRANSPORT_HANDLE handle, const char* certificate);
    int (*prov_transport_set_proxy)(PROV_DEVICE_TRANSPORT_HANDLE handle, const HTTP_PROXY_OPTIONS* proxy_option);
    int (*prov_transport_set_option)(PROV_DEVICE_TRANSPORT_HANDLE handle, const char* option, const void* value);
};

#ifdef __cplusplus
}
#endif

#endif /* PROV_TRANSPORT_PRIVATE_H */
