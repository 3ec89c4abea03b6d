/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The security module of a program of 2017, whose kind is chosen when the program is linked:
 * -Ddps_auth_type=tpm, tpm_simulator or x509, and -Ddps_hsm_custom_lib for a module of one's own.
 */
#ifndef SECURE_DEVICE_FACTORY_H
#define SECURE_DEVICE_FACTORY_H

#include "azure_c_shared_utility/macro_utils.h"
#include "azure_c_shared_utility/umock_c_prod.h"
/* SECURE_DEVICE_TYPE: today's, which has the same numbers and some more. */
#include "azure_prov_client/prov_security_factory.h"

#ifdef __cplusplus
extern "C" {
#endif

const char* SECURE_DEVICE_TYPEStrings(SECURE_DEVICE_TYPE value);

/* Starts the security module; DPS_LL_Create, dps_sec_create and iothub_device_auth_create do it where the
 * program has not. A custom one's initialize_hsm_system is called, once until deinit. 0 when it went well; may be repeated. dps_client_last_error(NULL) tells why not. */
MOCKABLE_FUNCTION(, int, dps_secure_device_init)

/* Ends it, with a custom module's deinitialize_hsm_system. Destroy the clients first. */
MOCKABLE_FUNCTION(, void, dps_secure_device_deinit)

/* A custom module's functions: an HSM_CLIENT_X509_INTERFACE or HSM_CLIENT_TPM_INTERFACE of
 * hsm_client_data.h, by dps_secure_device_type. NULL when the module is the library's own. */
MOCKABLE_FUNCTION(, const void*, dps_secure_device_interface)

/* SECURE_DEVICE_TYPE_TPM or SECURE_DEVICE_TYPE_X509, also before init. */
MOCKABLE_FUNCTION(, SECURE_DEVICE_TYPE, dps_secure_device_type)

/* The name of dps_secure_device_init in documents of 2017. */
MOCKABLE_FUNCTION(, int, security_device_init)

#ifdef __cplusplus
}
#endif

#endif /* SECURE_DEVICE_FACTORY_H */
