/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* libdps_compat: what provisioning tools use of c-utility's BUFFER. */
#include "azure_c_shared_utility/buffer_.h"

#include <stdlib.h>
#include <string.h>

/* So that nothing clashes in a program that has c-utility's, too. */
#ifdef __GNUC__
#pragma weak BUFFER_new
#pragma weak BUFFER_create
#pragma weak BUFFER_delete
#pragma weak BUFFER_u_char
#pragma weak BUFFER_length
#endif

struct BUFFER_TAG
{
    unsigned char* bytes;
    size_t size;
};

BUFFER_HANDLE BUFFER_new(void)
{
    return calloc(1, sizeof(struct BUFFER_TAG));
}

BUFFER_HANDLE BUFFER_create(const unsigned char* source, size_t size)
{
    BUFFER_HANDLE buffer = source == NULL && size > 0 ? NULL : BUFFER_new();
    if (buffer != NULL && size > 0)
    {
        buffer->bytes = malloc(size);
        if (buffer->bytes == NULL)
        {
            free(buffer);
            return NULL;
        }
        memcpy(buffer->bytes, source, size);
        buffer->size = size;
    }
    return buffer;
}

void BUFFER_delete(BUFFER_HANDLE handle)
{
    if (handle != NULL)
    {
        free(handle->bytes);
        free(handle);
    }
}

unsigned char* BUFFER_u_char(BUFFER_HANDLE handle)
{
    return handle == NULL ? NULL : handle->bytes;
}

size_t BUFFER_length(BUFFER_HANDLE handle)
{
    return handle == NULL ? 0 : handle->size;
}
