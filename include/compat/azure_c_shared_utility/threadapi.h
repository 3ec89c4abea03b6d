/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stand-in: the results, and of the functions the one that sleeps. */
#ifndef THREADAPI_H
#define THREADAPI_H

#include "azure_macro_utils/macro_utils.h"
#include "umock_c/umock_c_prod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* THREADAPI_RESULT_INVALID, which is 0, comes before these. */
#define THREADAPI_RESULT_VALUES \
    THREADAPI_OK, \
    THREADAPI_INVALID_ARG, \
    THREADAPI_NO_MEMORY, \
    THREADAPI_ERROR

MU_DEFINE_ENUM(THREADAPI_RESULT, THREADAPI_RESULT_VALUES);

/* The calling thread pauses for at least this long. */
MOCKABLE_FUNCTION(, void, ThreadAPI_Sleep, unsigned int, milliseconds)

#ifdef __cplusplus
}
#endif

#endif /* THREADAPI_H */
