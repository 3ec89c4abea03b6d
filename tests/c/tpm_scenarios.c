/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The TPM that the library drives by itself: c-abi.md sections 1.6 to 1.8 and 9, 84 to 87. It is where
 * the environment's DPS_TCTI says. */
#include "scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/internal/iothub_auth_client.h"
#include "azure_prov_client/internal/prov_auth_client.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_security_factory.h"
#include "hsm_client_tpm.h"

#define NOT_A_HANDLE ((HSM_CLIENT_HANDLE)(uintptr_t)0x5EED)
#define SCOPE "hub%2fdevices%2fdevice"

static void last_error_has(const char* words)
{
    if (strstr(dps_last_error(NULL), words) == NULL)
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
}

/* In a library without a TPM of its own. */
void tpm_missing(void)
{
    CHECK_EQ(dps_tpm_set_tcti("device:/dev/tpmrm0"), PROV_DEVICE_RESULT_ERROR);
    last_error_has("hsm_type_sastoken");
    CHECK_EQ(dps_tpm_set_tcti(NULL), PROV_DEVICE_RESULT_ERROR);
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM) != 0);
    last_error_has("trusted platform modules need a security module");
}

/* Text that is no way to a TPM, and ways at whose end there is none. */
static void no_tpm(const char* tcti, const char* words)
{
    CHECK_EQ(dps_tpm_set_tcti(tcti), PROV_DEVICE_RESULT_OK);
    CHECK(hsm_client_tpm_create() == NULL);
    last_error_has(words);
    CHECK(!client_exists(client_create("localhost:1", "0ne1")));
    last_error_has(words);
    CHECK(prov_auth_create() == NULL);
    last_error_has(words);
    CHECK(iothub_device_auth_create() == NULL);
    last_error_has(words);
}

/* 84 where there is no TPM. */
void tpm_unreachable(void)
{
    char tcti[64];

    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM), 0);
    snprintf(tcti, sizeof(tcti), "swtpm:host=127.0.0.1,port=%u", (unsigned)closed_port());
    no_tpm(tcti, "cannot be reached");
    last_error_has("check that the TPM");
    CHECK_EQ(dps_tpm_set_tcti("/dev/tpm0"), PROV_DEVICE_RESULT_ERROR);
    last_error_has("none of auto, device, tabrmd");
    no_tpm("device:/no/such/tpm", "/no/such/tpm");
}

typedef int (*GET_KEY)(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len);

/* 86; gives what must be freed. */
static unsigned char* public_key(GET_KEY get, HSM_CLIENT_HANDLE handle, size_t* length)
{
    unsigned char* key = NULL;
    *length = 0;
    CHECK(get(NULL, &key, length) != 0);
    CHECK(get(NOT_A_HANDLE, &key, length) != 0);
    CHECK(get(handle, NULL, length) != 0);
    CHECK(get(handle, &key, NULL) != 0);
    CHECK(key == NULL && *length == 0);
    if (get(handle, &key, length) != 0)
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
    /* A TPM2B_PUBLIC, which begins with its length. */
    CHECK(key != NULL && *length > 2 && (size_t)key[0] * 256 + key[1] == *length - 2);
    return key;
}

/* 84 to 87 with a TPM that has no key of a service yet. */
void tpm_module(void)
{
    static const unsigned char data[] = "data";
    HSM_CLIENT_HANDLE one, other;
    PROV_AUTH_HANDLE auth;
    BUFFER_HANDLE buffer;
    char* id;
    unsigned char *ek, *srk, *again, *mac = NULL;
    size_t ek_length, srk_length, length = 0;

    CHECK_EQ(dps_tpm_set_tcti(NULL), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(hsm_client_tpm_init(), 0);
    one = hsm_client_tpm_create();
    if (one == NULL)
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
    other = hsm_client_tpm_create();
    CHECK(other != NULL && other != one);
    hsm_client_tpm_destroy(NULL);
    hsm_client_tpm_destroy(NOT_A_HANDLE);

    ek = public_key(hsm_client_tpm_get_endorsement_key, one, &ek_length);
    srk = public_key(hsm_client_tpm_get_storage_key, one, &srk_length);
    CHECK(ek_length != srk_length || memcmp(ek, srk, ek_length) != 0);
    again = public_key(hsm_client_tpm_get_endorsement_key, other, &length);
    CHECK(length == ek_length && memcmp(ek, again, length) == 0);
    free(again);

    CHECK(hsm_client_tpm_import_key(NULL, data, sizeof(data)) != 0);
    CHECK(hsm_client_tpm_import_key(NOT_A_HANDLE, data, sizeof(data)) != 0);
    CHECK(hsm_client_tpm_import_key(one, NULL, sizeof(data)) != 0);
    CHECK(hsm_client_tpm_import_key(one, data, 0) != 0);
    CHECK(hsm_client_tpm_import_key(one, data, sizeof(data)) != 0);
    last_error_has("activate the key that the service sent");

    length = 0;
    CHECK(hsm_client_tpm_sign_data(NULL, data, sizeof(data), &mac, &length) != 0);
    CHECK(hsm_client_tpm_sign_data(NOT_A_HANDLE, data, sizeof(data), &mac, &length) != 0);
    CHECK(hsm_client_tpm_sign_data(one, NULL, sizeof(data), &mac, &length) != 0);
    CHECK(hsm_client_tpm_sign_data(one, data, 0, &mac, &length) != 0);
    CHECK(hsm_client_tpm_sign_data(one, data, sizeof(data), NULL, &length) != 0);
    CHECK(hsm_client_tpm_sign_data(one, data, sizeof(data), &mac, NULL) != 0);
    CHECK(hsm_client_tpm_sign_data(one, data, sizeof(data), &mac, &length) != 0);
    last_error_has("an identity key comes with a registration");
    CHECK(mac == NULL && length == 0);

    /* The same keys by the tools' API. */
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM), 0);
    auth = prov_auth_create();
    CHECK(auth != NULL);
    CHECK_EQ(prov_auth_get_type(auth), PROV_AUTH_TYPE_TPM);
    id = prov_auth_get_registration_id(auth);
    CHECK(id != NULL);
    printf("Registration Id: %s\n", id);
    free(id);
    buffer = prov_auth_get_endorsement_key(auth);
    CHECK(buffer != NULL && BUFFER_length(buffer) == ek_length);
    CHECK(memcmp(BUFFER_u_char(buffer), ek, ek_length) == 0);
    BUFFER_delete(buffer);
    buffer = prov_auth_get_storage_key(auth);
    CHECK(buffer != NULL && BUFFER_length(buffer) == srk_length);
    CHECK(memcmp(BUFFER_u_char(buffer), srk, srk_length) == 0);
    BUFFER_delete(buffer);
    CHECK(prov_auth_import_key(auth, data, sizeof(data)) != 0);
    prov_auth_destroy(auth);

    printf("Endorsement Key: ");
    for (length = 0; length < ek_length; length++)
    {
        printf("%02x", ek[length]);
    }
    printf("\n");
    free(ek);
    free(srk);
    hsm_client_tpm_destroy(one);
    hsm_client_tpm_destroy(one);
    CHECK(hsm_client_tpm_import_key(one, data, sizeof(data)) != 0);
    hsm_client_tpm_destroy(other);
    hsm_client_tpm_deinit();
}

/* What the hub client would be given. */
static void print_hub_token(void)
{
    DEVICE_AUTH_CREDENTIAL_INFO info;
    IOTHUB_SECURITY_HANDLE handle;
    CREDENTIAL_RESULT* result;

    memset(&info, 0, sizeof(info));
    info.dev_auth_type = AUTH_TYPE_SAS;
    info.sas_info.expiry_seconds = 1893456000;
    info.sas_info.token_scope = SCOPE;
    handle = iothub_device_auth_create();
    if (handle == NULL)
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
    CHECK_EQ(iothub_device_auth_get_type(handle), AUTH_TYPE_SAS);
    result = iothub_device_auth_generate_credentials(handle, &info);
    if (result == NULL)
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
    printf("Hub token: %s\n", result->auth_cred_result.sas_result.sas_token);
    free(result);
    iothub_device_auth_destroy(handle);
}

/* Twice with one handle; then the hub's side. */
void tpm_register(void)
{
    CLIENT client;
    RECORD record;
    int round;

    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM), 0);
    client = client_create(arguments.endpoint, arguments.id_scope);
    if (!client_exists(client))
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    for (round = 0; round < 2; round++)
    {
        register_and_finish(client, &record);
        expect_success(&record);
        CHECK(strcmp(record.device_id, "tpm-device") == 0);
    }
    client_destroy(client);
    print_hub_token();
}

/* Another process, later: the key is in the TPM. */
void tpm_hub_token(void)
{
    CHECK_EQ(iothub_security_init(IOTHUB_SECURITY_TYPE_SAS), 0);
    print_hub_token();
}

/* MQTT has no way for a TPM. */
void tpm_without_mqtt(void)
{
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM), 0);
    CHECK(!client_exists(client_create("localhost:1", "0ne1")));
    last_error_has("not over MQTT");
}

/* Not enrolled, or under another key. */
void tpm_refused(void)
{
    CLIENT client;
    RECORD record;

    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM), 0);
    client = client_create(arguments.endpoint, arguments.id_scope);
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    register_and_finish(client, &record);
    CHECK_EQ(record.result, arguments.refused);
    client_destroy(client);
}

/* Says what came of it, whatever that is. */
void tpm_outcome(void)
{
    CLIENT client;
    RECORD record;

    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM), 0);
    client = client_create(arguments.endpoint, arguments.id_scope);
    if (!client_exists(client))
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    register_and_finish(client, &record);
    printf("Result: %d\n", (int)record.result);
    printf("Reason: %s\n", client_error(client));
    client_destroy(client);
}
