/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a program knows of a transport: an opaque provider, obtained from one of the
 * Prov_Device_*_Protocol functions and handed to Create. Transports of a program's own are not
 * supported; internal/prov_transport_private.h declares what the original has for them.
 */
#ifndef PROV_TRANSPORT_H
#define PROV_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "azure_macro_utils/macro_utils.h"
#include "umock_c/umock_c_prod.h"
#include "azure_prov_client/prov_client_const.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct PROV_DEVICE_TRANSPORT_PROVIDER_TAG PROV_DEVICE_TRANSPORT_PROVIDER;

typedef enum TRANSPORT_HSM_TYPE_TAG
{
    TRANSPORT_HSM_TYPE_TPM,
    TRANSPORT_HSM_TYPE_X509,
    TRANSPORT_HSM_TYPE_SYMM_KEY
} TRANSPORT_HSM_TYPE;

typedef enum PROV_DEVICE_TRANSPORT_RESULT_TAG
{
    PROV_DEVICE_TRANSPORT_RESULT_OK,
    PROV_DEVICE_TRANSPORT_RESULT_UNAUTHORIZED,
    PROV_DEVICE_TRANSPORT_RESULT_ERROR
} PROV_DEVICE_TRANSPORT_RESULT;

/* Reads a pause of 1 to 300 whole seconds; anything else gives PROV_GET_THROTTLE_TIME. The library
 * itself also understands HTTP dates and longer pauses. */
static inline uint32_t parse_retry_after_value(const char* retry_after)
{
    uint32_t seconds = 0;
    const char* digit = retry_after;
    if (digit == NULL || *digit == '\0')
    {
        return PROV_GET_THROTTLE_TIME;
    }
    for (; *digit >= '0' && *digit <= '9' && seconds <= MAX_PROV_GET_THROTTLE_TIME; digit++)
    {
        seconds = seconds * 10u + (uint32_t)(*digit - '0');
    }
    if (*digit != '\0' || seconds < 1 || seconds > MAX_PROV_GET_THROTTLE_TIME)
    {
        return PROV_GET_THROTTLE_TIME;
    }
    return seconds;
}

#ifdef __cplusplus
}
#endif

#endif /* PROV_TRANSPORT_H */
