/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "text.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST_FILE ((size_t)1024 * 1024)

void text_wipe_and_free(char* text)
{
    /* volatile: the compiler must not think that nobody reads it any more. */
    volatile char* place = text;
    while (text != NULL && *place != '\0')
    {
        *place++ = '\0';
    }
    free(text);
}

char* text_copy(const char* text)
{
    size_t size = strlen(text) + 1;
    char* copy = malloc(size);
    if (copy != NULL)
    {
        memcpy(copy, text, size);
    }
    return copy;
}

char* text_of_file(const char* name)
{
    char* text = NULL;
    size_t length = 0;
    FILE* file = fopen(name, "rb");
    if (file == NULL)
    {
        fprintf(stderr, "error: cannot open %s: %s\n", name, strerror(errno));
        return NULL;
    }
    text = malloc(LARGEST_FILE + 1);
    if (text == NULL)
    {
        fprintf(stderr, "error: out of memory\n");
    }
    else
    {
        length = fread(text, 1, LARGEST_FILE + 1, file);
        if (ferror(file) || length > LARGEST_FILE)
        {
            fprintf(stderr, "error: cannot read %s, or it is too large\n", name);
            free(text);
            text = NULL;
        }
        else
        {
            text[length] = '\0';
        }
    }
    fclose(file);
    return text;
}
