/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The API of 2017 with a security module that defines the functions for TPMs only: that it links is half
 * of the test. The keys are those of no TPM, and no service is asked.
 */
#include <stdlib.h>
#include <string.h>

#include "azure_hub_modules/dps_transport_http_client.h"
#include "azure_c_shared_utility/buffer_.h"
#include "azure_hub_modules/dps_sec_client.h"
#include "azure_hub_modules/iothub_security_factory.h"
#include "azure_hub_modules/secure_device_factory.h"
#include "custom_hsm_tpm_impl.h"
#include "hsm_client_data.h"

#include "../threads.h"
#include "legacy.h"

static int alive = 0;
static const char* endorsement_key = NULL;

DPS_CUSTOM_HSM_HANDLE custom_hsm_create(void)
{
    alive++;
    return malloc(1);
}

void custom_hsm_destroy(DPS_CUSTOM_HSM_HANDLE handle)
{
    alive--;
    free(handle);
}

static int give(const char* text, unsigned char** key, size_t* length)
{
    if (text == NULL || (*key = malloc(strlen(text))) == NULL)
    {
        return 1;
    }
    *length = strlen(text);
    memcpy(*key, text, *length);
    return 0;
}

int custom_hsm_get_endorsement_key(DPS_CUSTOM_HSM_HANDLE handle, unsigned char** key, size_t* key_len)
{
    (void)handle;
    return give(endorsement_key, key, key_len);
}

int custom_hsm_get_storage_root_key(DPS_CUSTOM_HSM_HANDLE handle, unsigned char** key, size_t* key_len)
{
    (void)handle;
    return give("storage root key", key, key_len);
}

int custom_hsm_import_key(DPS_CUSTOM_HSM_HANDLE handle, const unsigned char* key, size_t key_len)
{
    (void)handle;
    (void)key;
    (void)key_len;
    return 1;
}

int custom_hsm_sign_key(DPS_CUSTOM_HSM_HANDLE handle, const unsigned char* data, size_t data_len, unsigned char** signed_value, size_t* signed_len)
{
    (void)handle;
    (void)data;
    (void)data_len;
    (void)signed_value;
    (void)signed_len;
    return 1;
}

int main(void)
{
    const HSM_CLIENT_TPM_INTERFACE* table = dps_secure_device_interface();
    RECORD record;
    DPS_SEC_HANDLE auth;
    BUFFER_HANDLE key;
    char* id;
    CHECK_EQ(dps_secure_device_type(), SECURE_DEVICE_TYPE_TPM);
    CHECK(table->hsm_client_sign_with_identity == custom_hsm_sign_key);
    CHECK(table->hsm_client_activate_identity_key == custom_hsm_import_key);

    /* It has no initialize_hsm_system. */
    CHECK_EQ(security_device_init(), 0);
    CHECK_EQ(iothub_security_init(), 0);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_SAS);
    CHECK(DPS_LL_Create("127.0.0.1:1", "0ne1", DPS_HTTP_Protocol, on_error, &record) == NULL);
    CHECK_TOLD(NULL, "hsm_client_get_ek of the plug-in failed");
    CHECK_EQ(alive, 0);

    endorsement_key = "Endorsement key\r\n";
    memset(&record, 0, sizeof(record));
    record.client = DPS_LL_Create("127.0.0.1:1", "0ne1", DPS_HTTP_Protocol, on_error, &record);
    CHECK(record.client != NULL);
    CHECK_EQ(DPS_LL_Register_Device(record.client, on_registered, &record, on_status, &record), DPS_CLIENT_OK);
    finish(&record);
    CHECK_EQ(record.failed, 1);
    CHECK_EQ(record.error, DPS_ERROR_TRANSPORT);
    DPS_LL_Destroy(record.client);
    CHECK_EQ(alive, 0);

    /* The tools' view; the vector of c-abi.md section 1.7. */
    auth = dps_sec_create();
    CHECK_EQ(dps_sec_get_type(auth), DPS_SEC_TYPE_TPM);
    id = dps_sec_get_registration_id(auth);
    CHECK(strcmp(id, "peaiyuv4dp7nrghsnr3sroo5errsotviungqd546j6hp7w76v76q") == 0);
    free(id);
    key = dps_sec_get_endorsement_key(auth);
    CHECK_EQ(BUFFER_length(key), 17);
    BUFFER_delete(key);
    key = dps_sec_get_storage_key(auth);
    CHECK_EQ(BUFFER_length(key), 16);
    BUFFER_delete(key);
    CHECK(dps_sec_import_key(auth, (const unsigned char*)"blob", 4) != 0);
    CHECK(dps_sec_get_root_cert(auth) == NULL);
    dps_sec_destroy(auth);
    CHECK_EQ(alive, 0);
    dps_secure_device_deinit();
    no_thread_is_left();
    return 0;
}
