/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * dps_c_self_check overflow|race: does on purpose what a sanitizer must report, so that its silence
 * about the scenarios means something. Both happen in the library's code, by a lie of the caller's.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "dps/dps.h"

/* The struct is smaller than its size says: the library writes behind it. */
static int overflow(PROV_DEVICE_LL_HANDLE handle)
{
    DPS_POLICY* policy = malloc(sizeof(*policy) - 8);
    PROV_DEVICE_RESULT result;
    policy->size = sizeof(*policy);
    result = dps_ll_get_policy(handle, policy);
    free(policy);
    return (int)result;
}

static DPS_POLICY shared;

static void* write_shared(void* handle)
{
    int round;
    for (round = 0; round < 1000; round++)
    {
        (void)dps_ll_get_policy(handle, &shared);
    }
    return NULL;
}

/* Two threads have the library write to the same struct. */
static int race(PROV_DEVICE_LL_HANDLE handle)
{
    pthread_t threads[2];
    int index;
    shared.size = sizeof(shared);
    for (index = 0; index < 2; index++)
    {
        if (pthread_create(&threads[index], NULL, write_shared, handle) != 0)
        {
            return 1;
        }
    }
    for (index = 0; index < 2; index++)
    {
        pthread_join(threads[index], NULL);
    }
    return 0;
}

int main(int argc, char** argv)
{
    PROV_DEVICE_LL_HANDLE handle;
    int result;
    if (argc != 2 || prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY) != 0 ||
        prov_dev_set_symmetric_key_info("device", "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=") != 0)
    {
        return 2;
    }
    handle = Prov_Device_LL_Create("localhost", "0ne1", Prov_Device_MQTT_Protocol);
    if (handle == NULL)
    {
        return 2;
    }
    result = strcmp(argv[1], "overflow") == 0 ? overflow(handle) : race(handle);
    Prov_Device_LL_Destroy(handle);
    printf("not noticed\n");
    return result;
}
