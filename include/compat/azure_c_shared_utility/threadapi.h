/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stand-in: the sleep function only. */
#ifndef THREADAPI_H
#define THREADAPI_H

#include "azure_macro_utils/macro_utils.h"
#include "umock_c/umock_c_prod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The calling thread pauses for at least this long. */
MOCKABLE_FUNCTION(, void, ThreadAPI_Sleep, unsigned int, milliseconds)

#ifdef __cplusplus
}
#endif

#endif /* THREADAPI_H */
