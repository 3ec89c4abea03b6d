/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Compile-time proof of the numbers and prototypes of 2017 (c-abi.md sections 11.1 to 11.4). Compiled as
 * C and as C++.
 */
#include "azure_hub_modules/dps_client.h"
#include "azure_hub_modules/dps_transport.h"
#include "azure_hub_modules/dps_transport_amqp_client.h"
#include "azure_hub_modules/dps_transport_amqp_ws_client.h"
#include "azure_hub_modules/dps_transport_http_client.h"
#include "azure_hub_modules/dps_transport_mqtt_client.h"
#include "azure_hub_modules/dps_transport_mqtt_ws_client.h"
#include "azure_hub_modules/iothub_device_auth.h"
#include "azure_hub_modules/iothub_security_factory.h"
#include "azure_hub_modules/secure_device_factory.h"
#include "custom_hsm_tpm_impl.h"
#include "custom_hsm_x509_impl.h"

#define JOIN_NOW(a, b) a##b
#define JOIN(a, b) JOIN_NOW(a, b)
/* C99 has no static assertion: an array type of negative size will not compile. */
#define ASSERT(condition) typedef char JOIN(assertion_, __LINE__)[(condition) ? 1 : -1] STATIC_VAR_UNUSED

ASSERT(DPS_CLIENT_OK == 0);
ASSERT(DPS_CLIENT_INVALID_ARG == 1);
ASSERT(DPS_CLIENT_ERROR == 2);
ASSERT(IOTHUB_DPS_OK == DPS_CLIENT_OK);
ASSERT(sizeof(DPS_RESULT) == 4);

ASSERT(DPS_ERROR_SUCCESS == 0);
ASSERT(DPS_ERROR_INVALID_ARG == 1);
ASSERT(DPS_ERROR_MEMORY == 2);
ASSERT(DPS_ERROR_PARSING == 3);
ASSERT(DPS_ERROR_TRANSPORT == 4);
ASSERT(DPS_ERROR_INVALID_STATE == 5);
ASSERT(DPS_ERROR_DEV_AUTH_ERROR == 6);
ASSERT(DPS_ERROR_TIMEOUT == 7);
ASSERT(DPS_ERROR_KEY_ERROR == 8);
ASSERT(sizeof(DPS_ERROR) == 4);

ASSERT(DPS_REGISTRATION_STATUS_CONNECTED == 0);
ASSERT(DPS_REGISTRATION_STATUS_REGISTERING == 1);
ASSERT(DPS_REGISTRATION_STATUS_ASSIGNING == 2);
ASSERT(DPS_REGISTRATION_STATUS_ASSIGNED == 3);
ASSERT(sizeof(DPS_REGISTRATION_STATUS) == 4);

ASSERT(SECURE_DEVICE_TYPE_UNKNOWN == 0);
ASSERT(SECURE_DEVICE_TYPE_TPM == 1);
ASSERT(SECURE_DEVICE_TYPE_X509 == 2);

/* These only compile when the declared types are exactly these. */
typedef DPS_LL_HANDLE (*CREATE)(const char*, const char*, const DPS_TRANSPORT_PROVIDER* (*)(void), void (*)(DPS_ERROR, void*), void*);
typedef DPS_RESULT (*REGISTER)(DPS_LL_HANDLE, void (*)(DPS_RESULT, const char*, const char*, void*), void*, void (*)(DPS_REGISTRATION_STATUS, void*), void*);
typedef DPS_RESULT (*SET_OPTION)(struct DPS_INSTANCE_INFO_TAG*, const char*, const void*);
typedef void (*ON_HANDLE)(DPS_LL_HANDLE);
typedef const char* (*TEXT)(void);
typedef int (*START)(void);
typedef const DPS_TRANSPORT_PROVIDER* (*PROTOCOL)(void);
typedef int (*READ_KEY)(void*, unsigned char**, size_t*);
typedef char* (*READ_TEXT)(void*);

void check_prototypes_of_2017(void);
void check_prototypes_of_2017(void)
{
    CREATE create[] = { DPS_LL_Create, DPS_Client_LL_Create };
    REGISTER registers[] = { DPS_LL_Register_Device, DPS_Client_LL_Register_Device };
    SET_OPTION options[] = { DPS_LL_SetOption, DPS_Client_LL_SetOption };
    ON_HANDLE on_handles[] = { DPS_LL_Destroy, DPS_LL_DoWork, DPS_Client_LL_Destroy, DPS_Client_LL_DoWork };
    TEXT texts[] = { DPS_LL_Get_Version_String, DPS_Client_LL_Get_Version_String };
    START starts[] = { dps_secure_device_init, security_device_init, initialize_hsm_system };
    void (*ends[])(void) = { dps_secure_device_deinit, iothub_security_deinit, deinitialize_hsm_system };
    const void* (*interfaces[])(void) = { dps_secure_device_interface, iothub_security_interface };
    SECURE_DEVICE_TYPE (*kind)(void) = dps_secure_device_type;
    IOTHUB_SECURITY_TYPE (*hub_kind)(void) = iothub_security_type;
    DEVICE_AUTH_TYPE (*auth_type)(IOTHUB_SECURITY_HANDLE) = iothub_device_auth_get_auth_type;
    PROTOCOL protocols[] = { DPS_HTTP_Protocol, DPS_MQTT_Protocol, DPS_MQTT_WS_Protocol, DPS_AMQP_Protocol, DPS_AMQP_WS_Protocol };
    DPS_CUSTOM_HSM_HANDLE (*make)(void) = custom_hsm_create;
    void (*unmake)(DPS_CUSTOM_HSM_HANDLE) = custom_hsm_destroy;
    READ_KEY keys[] = { custom_hsm_get_endorsement_key, custom_hsm_get_storage_root_key };
    int (*import_key)(void*, const unsigned char*, size_t) = custom_hsm_import_key;
    int (*sign)(void*, const unsigned char*, size_t, unsigned char**, size_t*) = custom_hsm_sign_key;
    READ_TEXT module_texts[] = { custom_hsm_get_certificate, custom_hsm_get_alias_key, custom_hsm_get_common_name, custom_hsm_get_signer_cert, custom_hsm_get_root_cert, custom_hsm_get_root_key };
    /* Without an argument as in 2017, and with one as today. */
    (void)sizeof(iothub_security_init());
    (void)sizeof(iothub_security_init(IOTHUB_SECURITY_TYPE_X509));
    (void)create, (void)registers, (void)options, (void)on_handles, (void)texts, (void)starts, (void)ends;
    (void)interfaces, (void)kind, (void)hub_kind, (void)auth_type, (void)protocols, (void)make, (void)unmake;
    (void)keys, (void)import_key, (void)sign, (void)module_texts;
}
