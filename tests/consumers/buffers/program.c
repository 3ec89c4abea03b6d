/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Asks for a TPM's endorsement key as the tool tpm_device_provision does. The TPM is a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_prov_client/internal/prov_auth_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_c_shared_utility/threadapi.h"
#include "dps/dps.h"

#pragma weak buffer_owner
const char* buffer_owner(void);

static HSM_CLIENT_HANDLE create(void)
{
    return malloc(1);
}

static int give(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* length)
{
    (void)handle;
    *length = 17;
    *key = calloc(1, *length);
    memcpy(*key, "Endorsement key\r\n", *length);
    return 0;
}

static int take(HSM_CLIENT_HANDLE handle, const unsigned char* key, size_t length)
{
    (void)handle;
    (void)key;
    (void)length;
    return 1;
}

static int sign(HSM_CLIENT_HANDLE handle, const unsigned char* data, size_t length, unsigned char** mac, size_t* mac_length)
{
    (void)handle;
    (void)data;
    (void)length;
    (void)mac;
    (void)mac_length;
    return 1;
}

int main(void)
{
    static const HSM_CLIENT_TPM_INTERFACE tpm = { create, free, take, give, give, sign };
    PROV_AUTH_HANDLE auth;
    BUFFER_HANDLE key;
    if (dps_hsm_register_tpm(&tpm) != PROV_DEVICE_RESULT_OK || prov_dev_security_init(SECURE_DEVICE_TYPE_TPM) != 0)
    {
        return 1;
    }
    ThreadAPI_Sleep(0);
    auth = prov_auth_create();
    key = prov_auth_get_endorsement_key(auth);
    if (key == NULL || BUFFER_length(key) != 17 || memcmp(BUFFER_u_char(key), "Endorsement key\r\n", 17) != 0)
    {
        return 2;
    }
    printf("%u bytes in a buffer of %s\n", (unsigned)BUFFER_length(key), buffer_owner == NULL ? "libdps_compat" : buffer_owner());
    BUFFER_delete(key);
    prov_auth_destroy(auth);
    prov_dev_security_deinit();
    return 0;
}
