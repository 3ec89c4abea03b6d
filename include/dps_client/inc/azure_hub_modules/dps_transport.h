/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a program of 2017 knows of a transport. It is the same type as today's, so that the
 * Prov_Device_*_Protocol functions may be given to DPS_LL_Create, too. The original's structure of
 * eleven functions is not public here: transports are the library's own.
 */
#ifndef DPS_TRANSPORT_H
#define DPS_TRANSPORT_H

#include "azure_c_shared_utility/macro_utils.h"
#include "azure_c_shared_utility/umock_c_prod.h"
#include "azure_prov_client/prov_transport.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef PROV_DEVICE_TRANSPORT_PROVIDER DPS_TRANSPORT_PROVIDER;

#ifdef __cplusplus
}
#endif

#endif /* DPS_TRANSPORT_H */
