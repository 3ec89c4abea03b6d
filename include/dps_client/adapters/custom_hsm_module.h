/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What both kinds of security modules of 2017 define; included by custom_hsm_tpm_impl.h and
 * custom_hsm_x509_impl.h.
 */
#ifndef DPS_CUSTOM_HSM_MODULE_H
#define DPS_CUSTOM_HSM_MODULE_H

/* Today these are functions of the library; a module's own go by other names. */
#ifndef DPS_CUSTOM_HSM_KEEP_NAMES
#define initialize_hsm_system dps_custom_hsm_initialize
#define deinitialize_hsm_system dps_custom_hsm_deinitialize
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef void* DPS_CUSTOM_HSM_HANDLE;

/* Never NULL but on failure. Each client makes a handle of its own. */
DPS_CUSTOM_HSM_HANDLE custom_hsm_create(void);
void custom_hsm_destroy(DPS_CUSTOM_HSM_HANDLE handle);

/* Called by dps_secure_device_init (or the first Create) and dps_secure_device_deinit, unlike in 2017. A module may leave them
 * out. 0 when the module can be used. */
int initialize_hsm_system(void);
void deinitialize_hsm_system(void);

#ifdef __cplusplus
}
#endif

#endif /* DPS_CUSTOM_HSM_MODULE_H */
