/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A simulated device with DICE-style certificates, in libraries built with the CMake option
 * hsm_type_riot. FOR DEVELOPMENT ONLY: its keys come from a seed, and unless dps_riot_set_device
 * (dps/dps.h) gives another, from a fixed one that everybody knows.
 *
 * The certificate's common name, which is the registration id, is "riot-device-cert" unless
 * dps_riot_set_device or the environment's DPS_RIOT_COMMON_NAME says otherwise. What is returned is in PEM
 * (but for the name) and to be freed with free(); NULL for a handle that is NULL or not alive.
 */
#ifndef HSM_CLIENT_RIOT_H
#define HSM_CLIENT_RIOT_H

#include "hsm_client_data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The device as it is chosen at this moment. */
HSM_CLIENT_HANDLE hsm_client_riot_create(void);
void hsm_client_riot_destroy(HSM_CLIENT_HANDLE handle);
/* What the device presents: the alias certificate, then the device's, which signed it. */
char* hsm_client_riot_get_certificate(HSM_CLIENT_HANDLE handle);
char* hsm_client_riot_get_alias_key(HSM_CLIENT_HANDLE handle);
/* Here the device's certificate is the signer's. */
char* hsm_client_riot_get_device_cert(HSM_CLIENT_HANDLE handle);
char* hsm_client_riot_get_signer_cert(HSM_CLIENT_HANDLE handle);
/* What an enrollment group names, and its private key. */
char* hsm_client_riot_get_root_cert(HSM_CLIENT_HANDLE handle);
char* hsm_client_riot_get_root_key(HSM_CLIENT_HANDLE handle);
char* hsm_client_riot_get_common_name(HSM_CLIENT_HANDLE handle);
/* A certificate under the root: with a provisioning service's code as its name it proves the possession
 * of the root's key. NULL too when common_name is NULL, empty or longer than 64 characters. */
char* hsm_client_riot_create_leaf_cert(HSM_CLIENT_HANDLE handle, const char* common_name);

#ifdef __cplusplus
}
#endif

#endif /* HSM_CLIENT_RIOT_H */
