/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stands in for the C SDK's aziotsharedutil: BUFFER with a struct that libdps_compat's functions would
 * not understand, and names that are in both. */
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/buffer_.h"
#include "azure_c_shared_utility/threadapi.h"

const char* buffer_owner(void);

const char* buffer_owner(void)
{
    return "the C SDK";
}

struct BUFFER_TAG
{
    size_t guard[7];
    size_t size;
    unsigned char* bytes;
};

BUFFER_HANDLE BUFFER_new(void)
{
    return calloc(1, sizeof(struct BUFFER_TAG));
}

BUFFER_HANDLE BUFFER_create(const unsigned char* source, size_t size)
{
    BUFFER_HANDLE buffer = BUFFER_new();
    if (buffer != NULL && (buffer->bytes = malloc(size)) != NULL)
    {
        memcpy(buffer->bytes, source, size);
        buffer->size = size;
    }
    return buffer;
}

void BUFFER_delete(BUFFER_HANDLE handle)
{
    free(handle->bytes);
    free(handle);
}

unsigned char* BUFFER_u_char(BUFFER_HANDLE handle)
{
    return handle->bytes;
}

size_t BUFFER_length(BUFFER_HANDLE handle)
{
    return handle->size;
}

void ThreadAPI_Sleep(unsigned int milliseconds)
{
    (void)milliseconds;
}
