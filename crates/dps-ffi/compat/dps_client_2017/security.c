/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What all kinds of security modules have in common. */
#include "security.h"

#include <stdbool.h>
#include <stddef.h>

#include "azure_hub_modules/iothub_security_factory.h"
#include "azure_hub_modules/secure_device_factory.h"
#include "lock.h"

static OF_THREAD const char* reason_of_thread = NULL;
static LOCK lock = LOCK_FREE;
static bool started = false;

void dps_2017_set_reason(const char* reason)
{
    reason_of_thread = reason;
}

const char* dps_2017_reason(void)
{
    return reason_of_thread;
}

int dps_secure_device_init(void)
{
    int result = 0;
    dps_2017_set_reason(NULL);
    lock_take(&lock);
    /* A second init of libdps would forget the certificate that the hub client is to get. */
    if (!started)
    {
        result = dps_2017_begin();
        started = result == 0;
    }
    lock_give(&lock);
    return result;
}

int dps_2017_start(void)
{
    SECURE_DEVICE_TYPE chosen = prov_dev_security_get_type();
    if (chosen == SECURE_DEVICE_TYPE_UNKNOWN || chosen == dps_2017_kind())
    {
        return dps_secure_device_init();
    }
    dps_2017_set_reason(NULL);
    return 0;
}

void dps_secure_device_deinit(void)
{
    lock_take(&lock);
    if (started)
    {
        started = false;
        prov_dev_security_deinit();
        dps_2017_end();
    }
    lock_give(&lock);
}

const void* dps_secure_device_interface(void)
{
    return dps_2017_interface();
}

SECURE_DEVICE_TYPE dps_secure_device_type(void)
{
    return dps_2017_kind();
}

const void* iothub_security_interface(void)
{
    return dps_2017_interface();
}

static IOTHUB_SECURITY_TYPE hub_kind(void)
{
    return dps_2017_kind() == SECURE_DEVICE_TYPE_TPM ? IOTHUB_SECURITY_TYPE_SAS : IOTHUB_SECURITY_TYPE_X509;
}

IOTHUB_SECURITY_TYPE dps_2017_iothub_security_type(void)
{
    IOTHUB_SECURITY_TYPE chosen = (iothub_security_type)();
    return chosen == IOTHUB_SECURITY_TYPE_UNKNOWN ? hub_kind() : chosen;
}

int dps_2017_iothub_security_init(int sec_type)
{
    IOTHUB_SECURITY_TYPE wanted = (IOTHUB_SECURITY_TYPE)sec_type;
    int result;
    /* In parentheses it is the function, not the macro. */
    if (wanted != IOTHUB_SECURITY_TYPE_UNKNOWN)
    {
        return (iothub_security_init)(wanted);
    }
    wanted = hub_kind();
    result = dps_secure_device_init();
    if (result == 0 && (iothub_security_type)() != wanted)
    {
        result = (iothub_security_init)(wanted);
    }
    return result;
}
