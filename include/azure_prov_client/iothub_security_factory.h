/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The process-wide choice of how the device proves its identity to its hub: the hub client's side of
 * prov_security_factory.h. What one side is told, the other takes over while it has nothing of its
 * own. All functions may be called from any thread.
 */
#ifndef IOTHUB_SECURITY_FACTORY_H
#define IOTHUB_SECURITY_FACTORY_H

#include "azure_macro_utils/macro_utils.h"
#include "umock_c/umock_c_prod.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IOTHUB_SECURITY_TYPE_VALUES \
    IOTHUB_SECURITY_TYPE_UNKNOWN, \
    IOTHUB_SECURITY_TYPE_SAS, \
    IOTHUB_SECURITY_TYPE_X509, \
    IOTHUB_SECURITY_TYPE_HTTP_EDGE, \
    IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY

MU_DEFINE_ENUM_WITHOUT_INVALID(IOTHUB_SECURITY_TYPE, IOTHUB_SECURITY_TYPE_VALUES);

/* Chooses the kind of proof: IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY, IOTHUB_SECURITY_TYPE_X509, or
 * IOTHUB_SECURITY_TYPE_SAS, a TPM, where there is a module for TPMs, see dps_hsm_register_tpm. 0 when it
 * is available and prov_dev_security_init has not chosen another. */
MOCKABLE_FUNCTION(, int, iothub_security_init, IOTHUB_SECURITY_TYPE, sec_type)

/* The same as prov_dev_security_deinit: forgets (and wipes) the keys of both sides and the
 * certificate. The kinds stay chosen. */
MOCKABLE_FUNCTION(, void, iothub_security_deinit)

/* The kind given to the last iothub_security_init call with an available kind; before the first one,
 * what prov_dev_security_init has chosen. */
MOCKABLE_FUNCTION(, IOTHUB_SECURITY_TYPE, iothub_security_type)

/* Keeps copies of a device id and a key in base64, before or after init. They are used by
 * iothub_device_auth_create from then on. 0 unless an argument is NULL. */
MOCKABLE_FUNCTION(, int, iothub_security_set_symmetric_key_info, const char*, registration_name, const char*, symmetric_key)

/* What was given last, or taken over from prov_dev_set_symmetric_key_info; or NULL. The text belongs
 * to the library and lives until the next iothub_security_set_symmetric_key_info,
 * iothub_security_deinit or prov_dev_security_deinit. */
MOCKABLE_FUNCTION(, const char*, iothub_security_get_symmetric_key)
MOCKABLE_FUNCTION(, const char*, iothub_security_get_symm_registration_name)

#ifdef __cplusplus
}
#endif

#endif /* IOTHUB_SECURITY_FACTORY_H */
