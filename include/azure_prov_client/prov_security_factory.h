/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The process-wide choice of how the device proves its identity. All functions may be called from
 * any thread.
 */
#ifndef PROV_SECURITY_FACTORY_H
#define PROV_SECURITY_FACTORY_H

#include "azure_macro_utils/macro_utils.h"
#include "umock_c/umock_c_prod.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SECURE_DEVICE_TYPE_VALUES \
    SECURE_DEVICE_TYPE_UNKNOWN, \
    SECURE_DEVICE_TYPE_TPM, \
    SECURE_DEVICE_TYPE_X509, \
    SECURE_DEVICE_TYPE_HTTP_EDGE, \
    SECURE_DEVICE_TYPE_SYMMETRIC_KEY

MU_DEFINE_ENUM_WITHOUT_INVALID(SECURE_DEVICE_TYPE, SECURE_DEVICE_TYPE_VALUES);

/* Chooses the kind of proof: SECURE_DEVICE_TYPE_SYMMETRIC_KEY, SECURE_DEVICE_TYPE_X509, or
 * SECURE_DEVICE_TYPE_TPM where there is a module for TPMs, see dps_hsm_register_tpm. 0 when it is
 * available; may be repeated with the same kind. The kind can not be changed for the life of the
 * process, not even after prov_dev_security_deinit. Without a module for certificates, a certificate is
 * given by option to each client; the first one is kept for clients that are given none, until the next
 * init or deinit. */
MOCKABLE_FUNCTION(, int, prov_dev_security_init, SECURE_DEVICE_TYPE, hsm_type)

/* Forgets (and wipes) the symmetric key, also the hub client's, and the certificate and key that were
 * kept. The kind of proof stays chosen. */
MOCKABLE_FUNCTION(, void, prov_dev_security_deinit)

/* The kind given to the last prov_dev_security_init call with an available kind. */
MOCKABLE_FUNCTION(, SECURE_DEVICE_TYPE, prov_dev_security_get_type)

/* Keeps copies of a registration id and a key in base64, before or after init. They are used by
 * the Create functions from then on. 0 unless an argument is NULL. */
MOCKABLE_FUNCTION(, int, prov_dev_set_symmetric_key_info, const char*, registration_name, const char*, symmetric_key)

/* What was given last, or NULL. The text belongs to the library and lives until the next
 * prov_dev_set_symmetric_key_info, prov_dev_security_deinit or iothub_security_deinit. */
MOCKABLE_FUNCTION(, const char*, prov_dev_get_symmetric_key)
MOCKABLE_FUNCTION(, const char*, prov_dev_get_symm_registration_name)

#ifdef __cplusplus
}
#endif

#endif /* PROV_SECURITY_FACTORY_H */
