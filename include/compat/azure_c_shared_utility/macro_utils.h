/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The enumeration macros of 2017, beside today's of azure_macro_utils/macro_utils.h:
 *
 *     DEFINE_ENUM(T, A, B, ...)          in a header: the type T and the declaration of TStrings
 *     DEFINE_ENUM_STRINGS(T, A, B, ...)  in one source file: its definition
 *     ENUM_TO_STRING(T, value)           the name, or NULL
 *
 * Up to 64 values, the first of which is 0.
 */
#ifndef DPS_COMPAT_MACRO_UTILS_2017_H
#define DPS_COMPAT_MACRO_UTILS_2017_H

#include "azure_macro_utils/macro_utils.h"

#ifndef DEFINE_ENUM
#define DEFINE_ENUM(T, ...) \
    typedef enum T##_TAG { __VA_ARGS__ } T; \
    const char* T##Strings(T value);

#define DEFINE_ENUM_STRINGS(T, ...) \
    const char* T##Strings(T value) \
    { \
        switch (value) \
        { \
            DPS_MU_CASES(__VA_ARGS__) \
            default: \
                return NULL; \
        } \
    }

#define ENUM_TO_STRING(T, value) T##Strings(value)
#endif

/* What a function returns that has failed. */
#ifndef __FAILURE__
#define __FAILURE__ MU_FAILURE
#endif

#endif /* DPS_COMPAT_MACRO_UTILS_2017_H */
