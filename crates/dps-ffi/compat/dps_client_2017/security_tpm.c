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
    return prov_dev_security_init(SECURE_DEVICE_TYPE_TPM);
}

void dps_2017_end(void)
{
}
