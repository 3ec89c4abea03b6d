/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The library's own TPM. Only built where libdps has it. */
#include "security.h"

#include <stddef.h>

SECURE_DEVICE_TYPE dps_2017_kind(void)
{
    return SECURE_DEVICE_TYPE_TPM;
}

const void* dps_2017_interface(void)
{
    return NULL;
}

int dps_2017_begin(void)
{
    return 0;
}

void dps_2017_end(void)
{
}

/* libdps derives the registration id from the endorsement key. */
int dps_2017_identify(PROV_DEVICE_LL_HANDLE client)
{
    (void)client;
    return 0;
}
