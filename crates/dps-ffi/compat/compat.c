/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * libdps_compat: the few functions of the hub client and of c-utility that provisioning programs
 * call. Kept out of libdps so that a program can link the real ones instead.
 */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include "iothub.h"
#include "azure_c_shared_utility/threadapi.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <errno.h>
#include <time.h>
#endif

int IoTHub_Init(void)
{
    return 0;
}

void IoTHub_Deinit(void)
{
}

void ThreadAPI_Sleep(unsigned int milliseconds)
{
#ifdef _WIN32
    Sleep(milliseconds);
#else
    struct timespec rest;
    rest.tv_sec = (time_t)(milliseconds / 1000u);
    rest.tv_nsec = (long)(milliseconds % 1000u) * 1000000L;
    /* A signal cuts the sleep short; sleep on for what is left. */
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
    {
    }
#endif
}
