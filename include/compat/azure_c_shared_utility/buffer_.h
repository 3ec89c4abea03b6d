/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stand-in: the functions that provisioning tools use, which libdps_compat has. */
#ifndef BUFFER__H
#define BUFFER__H

#include <stddef.h>

#include "umock_c/umock_c_prod.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct BUFFER_TAG* BUFFER_HANDLE;

/* An empty one; NULL without memory. */
MOCKABLE_FUNCTION(, BUFFER_HANDLE, BUFFER_new)
/* A copy of size bytes; NULL without memory, and for a NULL source with a size. */
MOCKABLE_FUNCTION(, BUFFER_HANDLE, BUFFER_create, const unsigned char*, source, size_t, size)
MOCKABLE_FUNCTION(, void, BUFFER_delete, BUFFER_HANDLE, handle)
/* The bytes; NULL for an empty one, and for NULL. */
MOCKABLE_FUNCTION(, unsigned char*, BUFFER_u_char, BUFFER_HANDLE, handle)
MOCKABLE_FUNCTION(, size_t, BUFFER_length, BUFFER_HANDLE, handle)

#ifdef __cplusplus
}
#endif

#endif /* BUFFER__H */
