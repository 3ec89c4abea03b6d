/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "azure_prov_client/prov_device_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"

int main(void)
{
    int asserts = 0;
    PROV_DEVICE_HANDLE handle;
    assert((asserts = 1) == 1);
    if (!asserts)
    {
        puts("the build type of the parent was changed: asserts are off");
        return 1;
    }
    if (strcmp(Prov_Device_GetVersionString(), PROV_DEVICE_CLIENT_VERSION) != 0 ||
        prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY) != 0 ||
        prov_dev_set_symmetric_key_info("device", "AAECAwQFBgcICQoLDA0ODw==") != 0)
    {
        puts("the library does not work");
        return 1;
    }
    handle = Prov_Device_Create("localhost", "scope", Prov_Device_MQTT_Protocol);
    if (handle == NULL)
    {
        puts("no client");
        return 1;
    }
    Prov_Device_Destroy(handle);
    prov_dev_security_deinit();
    puts("consumer works");
    return 0;
}
