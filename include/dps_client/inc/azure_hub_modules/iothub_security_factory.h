/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The hub client's side of the security module. In 2017 iothub_security_init had no argument, today it
 * has one, and libdps defines today's. So here it is a macro, which takes both forms; in a file that
 * includes this header, the function's address is that of today's.
 */
#ifndef DPS_IOTHUB_SECURITY_FACTORY_2017_H
#define DPS_IOTHUB_SECURITY_FACTORY_2017_H

#include "azure_c_shared_utility/macro_utils.h"
#include "azure_c_shared_utility/umock_c_prod.h"
/* iothub_security_deinit and IOTHUB_SECURITY_TYPE are as today. Before the macros below, which would
 * garble the declarations. */
#include "azure_prov_client/iothub_security_factory.h"

#ifdef __cplusplus
extern "C" {
#endif

const char* IOTHUB_SECURITY_TYPEStrings(IOTHUB_SECURITY_TYPE value);

/* With 0: dps_secure_device_init, and the same kind for the hub client. Else today's
 * iothub_security_init. */
MOCKABLE_FUNCTION(, int, dps_2017_iothub_security_init, int, sec_type)

/* iothub_security_init(), or iothub_security_init(IOTHUB_SECURITY_TYPE_X509): without an argument the
 * sum is +0. */
#define iothub_security_init(...) dps_2017_iothub_security_init((int)(__VA_ARGS__ + 0))

/* Today's, but before init what the program is linked with, as dps_secure_device_type tells. */
MOCKABLE_FUNCTION(, IOTHUB_SECURITY_TYPE, dps_2017_iothub_security_type)
#define iothub_security_type() dps_2017_iothub_security_type()

/* As dps_secure_device_interface. */
MOCKABLE_FUNCTION(, const void*, iothub_security_interface)

#ifdef __cplusplus
}
#endif

#endif /* DPS_IOTHUB_SECURITY_FACTORY_2017_H */
