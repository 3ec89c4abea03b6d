/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifndef DPS_DPS_ABI_H
#define DPS_DPS_ABI_H

/*
 * Generated from crates/dps-ffi by cbindgen, not to be edited. Every function that libdps exports,
 * as the Rust code defines it. The types come from the hand-written headers, which declare the same
 * functions: a compiler that sees both refuses any difference.
 */

#include <stddef.h>
#include <stdint.h>
#include "azure_prov_client/internal/iothub_auth_client.h"
#include "azure_prov_client/internal/prov_auth_client.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_device_client.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport.h"
#include "azure_prov_client/prov_transport_amqp_client.h"
#include "azure_prov_client/prov_transport_amqp_ws_client.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "azure_prov_client/prov_transport_mqtt_ws_client.h"
#include "dps/dps.h"

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

const DPS_HSM_BUILT_IN *dps_hsm_built_in(void);

char *dps_derive_device_key(const char *group_key_base64,
                            const char *registration_id);

const char *dps_version(void);

PROV_DEVICE_RESULT dps_ll_last_failure(PROV_DEVICE_LL_HANDLE handle,
                                       DPS_FAILURE *failure);

PROV_DEVICE_RESULT dps_last_failure(PROV_DEVICE_HANDLE handle,
                                    DPS_FAILURE *failure);

const char *dps_ll_last_error(PROV_DEVICE_LL_HANDLE handle);

const char *dps_last_error(PROV_DEVICE_HANDLE handle);

PROV_DEVICE_RESULT dps_ll_get_policy(PROV_DEVICE_LL_HANDLE handle,
                                     DPS_POLICY *policy);

PROV_DEVICE_RESULT dps_ll_set_policy(PROV_DEVICE_LL_HANDLE handle,
                                     const DPS_POLICY *policy);

PROV_DEVICE_RESULT dps_get_policy(PROV_DEVICE_HANDLE handle,
                                  DPS_POLICY *policy);

PROV_DEVICE_RESULT dps_set_policy(PROV_DEVICE_HANDLE handle,
                                  const DPS_POLICY *policy);

PROV_DEVICE_RESULT dps_get_default_policy(DPS_POLICY *policy);

PROV_DEVICE_RESULT dps_set_default_policy(const DPS_POLICY *policy);

IOTHUB_SECURITY_HANDLE iothub_device_auth_create(void);

void iothub_device_auth_destroy(IOTHUB_SECURITY_HANDLE handle);

DEVICE_AUTH_TYPE iothub_device_auth_get_type(IOTHUB_SECURITY_HANDLE handle);

CREDENTIAL_RESULT *iothub_device_auth_generate_credentials(IOTHUB_SECURITY_HANDLE handle,
                                                           const DEVICE_AUTH_CREDENTIAL_INFO *dev_auth_cred);

int initialize_hsm_system(void);

void deinitialize_hsm_system(void);

PROV_DEVICE_RESULT dps_hsm_register_library(const DPS_HSM_LIBRARY *library);

PROV_DEVICE_RESULT dps_hsm_load(const char *path);

PROV_DEVICE_LL_HANDLE Prov_Device_LL_Create(const char *uri,
                                            const char *scope_id,
                                            PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION protocol);

void Prov_Device_LL_Destroy(PROV_DEVICE_LL_HANDLE handle);

PROV_DEVICE_RESULT Prov_Device_LL_Register_Device(PROV_DEVICE_LL_HANDLE handle,
                                                  PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK register_callback,
                                                  void *user_context,
                                                  PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK reg_status_cb,
                                                  void *status_user_ctext);

void Prov_Device_LL_DoWork(PROV_DEVICE_LL_HANDLE handle);

PROV_DEVICE_RESULT Prov_Device_LL_SetOption(PROV_DEVICE_LL_HANDLE handle,
                                            const char *option_name,
                                            const void *value);

const char *Prov_Device_LL_GetVersionString(void);

PROV_DEVICE_RESULT Prov_Device_LL_Set_Provisioning_Payload(PROV_DEVICE_LL_HANDLE handle,
                                                           const char *json);

const char *Prov_Device_LL_Get_Provisioning_Payload(PROV_DEVICE_LL_HANDLE handle);

PROV_DEVICE_RESULT dps_pkcs11_set_module(const char *path);

PROV_DEVICE_RESULT dps_pkcs11_set_pin_callback(DPS_PKCS11_PIN_CALLBACK callback,
                                               void *context);

PROV_DEVICE_RESULT dps_hsm_register_symmetric_key(const HSM_CLIENT_KEY_INTERFACE *hsm);

PROV_DEVICE_RESULT dps_hsm_register_x509(const HSM_CLIENT_X509_INTERFACE *hsm);

PROV_DEVICE_RESULT dps_hsm_register_x509_signer(const DPS_X509_SIGNER_INTERFACE *hsm);

PROV_DEVICE_RESULT dps_hsm_register_tpm(const HSM_CLIENT_TPM_INTERFACE *hsm);

PROV_AUTH_HANDLE prov_auth_create(void);

void prov_auth_destroy(PROV_AUTH_HANDLE handle);

PROV_AUTH_TYPE prov_auth_get_type(PROV_AUTH_HANDLE handle);

char *prov_auth_get_registration_id(PROV_AUTH_HANDLE handle);

int prov_auth_set_registration_id(PROV_AUTH_HANDLE handle,
                                  const char *registration_id);

int dps_prov_auth_tpm_key(PROV_AUTH_HANDLE handle,
                          int storage_root,
                          unsigned char **key,
                          size_t *key_len);

int prov_auth_import_key(PROV_AUTH_HANDLE handle,
                         const unsigned char *key_value,
                         size_t key_len);

char *prov_auth_construct_sas_token(PROV_AUTH_HANDLE handle,
                                    const char *token_scope,
                                    const char *key_name,
                                    size_t expiry_time);

char *prov_auth_get_certificate(PROV_AUTH_HANDLE handle);

char *prov_auth_get_alias_key(PROV_AUTH_HANDLE handle);

int prov_auth_set_certificate(PROV_AUTH_HANDLE handle,
                              const char *certificate);

int prov_auth_set_key(PROV_AUTH_HANDLE handle,
                      const char *key);

PROV_DEVICE_RESULT dps_riot_set_device(const char *seed,
                                       const char *registration_id);

void *hsm_client_riot_create(void);

void hsm_client_riot_destroy(void *handle);

char *hsm_client_riot_get_certificate(void *handle);

char *hsm_client_riot_get_alias_key(void *handle);

char *hsm_client_riot_get_device_cert(void *handle);

char *hsm_client_riot_get_signer_cert(void *handle);

char *hsm_client_riot_get_root_cert(void *handle);

char *hsm_client_riot_get_root_key(void *handle);

char *hsm_client_riot_get_common_name(void *handle);

char *hsm_client_riot_create_leaf_cert(void *handle,
                                       const char *common_name);

int prov_dev_security_init(SECURE_DEVICE_TYPE hsm_type);

void prov_dev_security_deinit(void);

SECURE_DEVICE_TYPE prov_dev_security_get_type(void);

int prov_dev_set_symmetric_key_info(const char *registration_name,
                                    const char *symmetric_key);

const char *prov_dev_get_symmetric_key(void);

const char *prov_dev_get_symm_registration_name(void);

int iothub_security_init(IOTHUB_SECURITY_TYPE sec_type);

void iothub_security_deinit(void);

IOTHUB_SECURITY_TYPE iothub_security_type(void);

int iothub_security_set_symmetric_key_info(const char *registration_name,
                                           const char *symmetric_key);

const char *iothub_security_get_symmetric_key(void);

const char *iothub_security_get_symm_registration_name(void);

PROV_DEVICE_HANDLE Prov_Device_Create(const char *uri,
                                      const char *scope_id,
                                      PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION protocol);

void Prov_Device_Destroy(PROV_DEVICE_HANDLE prov_device_handle);

PROV_DEVICE_RESULT Prov_Device_Register_Device(PROV_DEVICE_HANDLE prov_device_handle,
                                               PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK register_callback,
                                               void *user_context,
                                               PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK reg_status_cb,
                                               void *status_user_context);

PROV_DEVICE_RESULT Prov_Device_SetOption(PROV_DEVICE_HANDLE prov_device_handle,
                                         const char *option_name,
                                         const void *value);

const char *Prov_Device_GetVersionString(void);

PROV_DEVICE_RESULT Prov_Device_Set_Provisioning_Payload(PROV_DEVICE_HANDLE prov_device_handle,
                                                        const char *json);

const char *Prov_Device_Get_Provisioning_Payload(PROV_DEVICE_HANDLE prov_device_handle);

PROV_DEVICE_RESULT dps_tpm_set_tcti(const char *tcti);

const PROV_DEVICE_TRANSPORT_PROVIDER *Prov_Device_MQTT_Protocol(void);

const PROV_DEVICE_TRANSPORT_PROVIDER *Prov_Device_MQTT_WS_Protocol(void);

const PROV_DEVICE_TRANSPORT_PROVIDER *Prov_Device_HTTP_Protocol(void);

const PROV_DEVICE_TRANSPORT_PROVIDER *Prov_Device_AMQP_Protocol(void);

const PROV_DEVICE_TRANSPORT_PROVIDER *Prov_Device_AMQP_WS_Protocol(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DPS_DPS_ABI_H */
