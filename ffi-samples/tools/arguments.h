/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the tools share: their command lines, and bytes as base64. */
#ifndef TOOLS_ARGUMENTS_H
#define TOOLS_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes: 0 when it is done, EXIT_FAILURE when it cannot be, EXIT_USAGE for a command line that
 * asks for nothing sensible. */
#define EXIT_USAGE 2

/* An option: with a place for its value, or with a place that tells that it was given. */
typedef struct OPTION_TAG
{
    const char* name;
    const char** value;
    bool* given;
} OPTION;

/* Reads `--name VALUE`, `--name=VALUE` and `--name`; the list ends with a NULL name. `--help` prints the
 * help and ends the program. Returns 0, or EXIT_USAGE after a message. */
int arguments_read(int argc, char** argv, const OPTION* options, const char* help);

/* The first line of a file, or of standard input for "-", without blanks around it; from malloc, NULL
 * after a message. */
char* arguments_secret(const char* file);

/* In base64, from malloc; NULL when there is no memory. */
char* arguments_base64(const unsigned char* bytes, size_t length);

#endif /* TOOLS_ARGUMENTS_H */
