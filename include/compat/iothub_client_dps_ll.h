/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Stand-in: in 2017 the hub client declared IoTHubClient_LL_CreateFromDeviceAuth here. Today it is in
 * iothub_client_ll.h, which is included where the C SDK's headers are on the search path.
 */
#ifndef IOTHUB_CLIENT_DPS_LL_H
#define IOTHUB_CLIENT_DPS_LL_H

#if defined(__has_include)
#if __has_include("iothub_client_ll.h")
#include "iothub_client_ll.h"
#endif
#endif

#endif /* IOTHUB_CLIENT_DPS_LL_H */
