/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Transports by name: the library holds all of them, and the program chooses when it runs. */
#ifndef SAMPLE_TRANSPORTS_H
#define SAMPLE_TRANSPORTS_H

#include "azure_prov_client/prov_device_ll_client.h"

#define DEFAULT_TRANSPORT "mqtt"

/* NULL for a name that is not there. */
PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION transport_by_name(const char* name);

/* All names, for a message. */
const char* transport_names(void);

#endif /* SAMPLE_TRANSPORTS_H */
