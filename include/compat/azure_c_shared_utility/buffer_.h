/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stand-in: the opaque type only. */
#ifndef BUFFER__H
#define BUFFER__H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct BUFFER_TAG* BUFFER_HANDLE;

#ifdef __cplusplus
}
#endif

#endif /* BUFFER__H */
