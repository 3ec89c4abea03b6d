/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Stand-in for the hub client's header of the same name: what provisioning programs use of it.
 * Leave include/compat off the search path when the C SDK's own headers are there.
 */
#ifndef IOTHUB_H
#define IOTHUB_H

#include "umock_c/umock_c_prod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Both do nothing; Init returns 0. */
MOCKABLE_FUNCTION(, int, IoTHub_Init)
MOCKABLE_FUNCTION(, void, IoTHub_Deinit)

#ifdef __cplusplus
}
#endif

#endif /* IOTHUB_H */
