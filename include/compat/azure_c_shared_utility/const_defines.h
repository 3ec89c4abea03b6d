/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CONST_DEFINES_H
#define CONST_DEFINES_H

#ifndef STATIC_VAR_UNUSED
#if defined(__GNUC__) || defined(__clang__)
#define STATIC_VAR_UNUSED __attribute__((unused))
#else
#define STATIC_VAR_UNUSED
#endif
#endif

#ifndef AZURE_UNREFERENCED_PARAMETER
#define AZURE_UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#endif

#ifndef AZURE_DEPRECATED
#if defined(__GNUC__) || defined(__clang__)
#define AZURE_DEPRECATED(reason) __attribute__((deprecated(reason)))
#elif defined(_MSC_VER)
#define AZURE_DEPRECATED(reason) __declspec(deprecated(reason))
#else
#define AZURE_DEPRECATED(reason)
#endif
#endif

#endif /* CONST_DEFINES_H */
