/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_SECRET 512

/* How many arguments the option takes here: 0 when it is another one. */
static int take(const OPTION* option, int left, char** arguments)
{
    size_t length = strlen(option->name);
    const char* rest = arguments[0] + length;
    if (strncmp(arguments[0], option->name, length) != 0)
    {
        return 0;
    }
    if (option->given != NULL)
    {
        *option->given = *option->given || *rest == '\0';
        return *rest == '\0' ? 1 : 0;
    }
    if (*rest == '=')
    {
        *option->value = rest + 1;
        return 1;
    }
    if (*rest == '\0' && left > 1)
    {
        *option->value = arguments[1];
        return 2;
    }
    return 0;
}

int arguments_read(int argc, char** argv, const OPTION* options, const char* help)
{
    int index = 1;
    while (index < argc)
    {
        const OPTION* option = options;
        int taken = 0;
        if (strcmp(argv[index], "--help") == 0)
        {
            printf("Usage: %s %s", argv[0], help);
            exit(EXIT_SUCCESS);
        }
        for (; option->name != NULL && taken == 0; option++)
        {
            taken = take(option, argc - index, argv + index);
        }
        if (taken == 0)
        {
            /* Not echoed: it might be a misplaced key. */
            fprintf(stderr, "error: argument %d is unknown or lacks its value (see --help)\n", index);
            return EXIT_USAGE;
        }
        index += taken;
    }
    return 0;
}

char* arguments_secret(const char* name)
{
    static const char BLANKS[] = " \t\r\n";
    bool from_input = strcmp(name, "-") == 0;
    FILE* file = from_input ? stdin : fopen(name, "rb");
    /* Cleared, since the line is moved to the front: nothing of it stays behind the end mark. */
    char* text = calloc(1, LONGEST_SECRET);
    bool read = false;
    if (file == NULL)
    {
        fprintf(stderr, "error: cannot open %s: %s\n", name, strerror(errno));
    }
    else if (text == NULL)
    {
        fprintf(stderr, "error: out of memory\n");
    }
    else
    {
        read = fgets(text, LONGEST_SECRET, file) != NULL;
        if (read)
        {
            size_t blanks = strspn(text, BLANKS);
            size_t length = strlen(text + blanks);
            while (length > 0 && strchr(BLANKS, text[blanks + length - 1]) != NULL)
            {
                length--;
            }
            memmove(text, text + blanks, length);
            memset(text + length, 0, LONGEST_SECRET - length);
        }
        if (!read || *text == '\0')
        {
            fprintf(stderr, "error: %s holds nothing in its first line\n", from_input ? "standard input" : name);
            read = false;
        }
    }
    if (file != NULL && !from_input)
    {
        fclose(file);
    }
    if (!read)
    {
        free(text);
        text = NULL;
    }
    return text;
}

char* arguments_base64(const unsigned char* bytes, size_t length)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char* text = malloc((length + 2) / 3 * 4 + 1);
    char* end = text;
    size_t at;
    if (text == NULL)
    {
        return NULL;
    }
    for (at = 0; at < length; at += 3)
    {
        size_t left = length - at;
        unsigned long group = (unsigned long)bytes[at] << 16;
        group |= left > 1 ? (unsigned long)bytes[at + 1] << 8 : 0;
        group |= left > 2 ? bytes[at + 2] : 0;
        *end++ = DIGITS[group >> 18 & 63];
        *end++ = DIGITS[group >> 12 & 63];
        *end++ = left > 1 ? DIGITS[group >> 6 & 63] : '=';
        *end++ = left > 2 ? DIGITS[group & 63] : '=';
    }
    *end = '\0';
    return text;
}
