/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The hub client's side of the security state, and its credentials. No service needed. */
#include "scenarios.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "azure_prov_client/internal/iothub_auth_client.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_security_factory.h"
#include "certificates.h"

#define KEY_OF_VECTORS "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define OTHER_KEY "MZDCwJ3bnw6CafGGqJx08DuDViOwM7NJ9SdrF7KF3w4="
#define NOT_A_HANDLE ((IOTHUB_SECURITY_HANDLE)(uintptr_t)0x5EED)

/* c-abi.md section 1.5, the hub's side, and what the sides take over from each other. */
void hub_security_factory(void)
{
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_UNKNOWN);
    CHECK(iothub_security_get_symmetric_key() == NULL);
    CHECK(iothub_security_get_symm_registration_name() == NULL);

    CHECK(iothub_security_init(IOTHUB_SECURITY_TYPE_UNKNOWN) != 0);
    CHECK(iothub_security_init((IOTHUB_SECURITY_TYPE)5) != 0);
    CHECK(iothub_security_init(IOTHUB_SECURITY_TYPE_SAS) != 0);
    CHECK(strstr(dps_last_error(NULL), "trusted platform modules need a security module") != NULL);
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM) != 0);
    CHECK(strstr(dps_last_error(NULL), "trusted platform modules need a security module") != NULL);
    CHECK(iothub_security_init(IOTHUB_SECURITY_TYPE_HTTP_EDGE) != 0);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_UNKNOWN);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_UNKNOWN);

    /* The transcript of section 1.5. */
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY);
    CHECK_EQ(iothub_security_init(IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY), 0);
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_X509) != 0);
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_X509);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY);
    prov_dev_security_deinit();
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_X509);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY);
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_X509) != 0);
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
    CHECK(iothub_security_init(IOTHUB_SECURITY_TYPE_X509) != 0);
    CHECK_EQ(iothub_security_type(), IOTHUB_SECURITY_TYPE_X509);
    CHECK_EQ(iothub_security_init(IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY), 0);

    CHECK(iothub_security_set_symmetric_key_info(NULL, OTHER_KEY) != 0);
    CHECK(iothub_security_set_symmetric_key_info("name", NULL) != 0);
    CHECK_EQ(prov_dev_set_symmetric_key_info("r1", KEY_OF_VECTORS), 0);
    CHECK_EQ(prov_dev_set_symmetric_key_info("r2", OTHER_KEY), 0);
    CHECK(strcmp(prov_dev_get_symm_registration_name(), "r2") == 0);
    CHECK(strcmp(iothub_security_get_symm_registration_name(), "r1") == 0);
    CHECK(strcmp(iothub_security_get_symmetric_key(), KEY_OF_VECTORS) == 0);
    CHECK_EQ(iothub_security_set_symmetric_key_info("r3", OTHER_KEY), 0);
    CHECK(strcmp(iothub_security_get_symm_registration_name(), "r3") == 0);
    CHECK(strcmp(prov_dev_get_symm_registration_name(), "r2") == 0);

    iothub_security_deinit();
    CHECK(iothub_security_get_symmetric_key() == NULL);
    CHECK(prov_dev_get_symmetric_key() == NULL);
    CHECK_EQ(iothub_security_set_symmetric_key_info("r4", KEY_OF_VECTORS), 0);
    CHECK(strcmp(prov_dev_get_symm_registration_name(), "r4") == 0);
    prov_dev_security_deinit();
    CHECK(iothub_security_get_symm_registration_name() == NULL);
}

/* c-abi.md section 1.6, tokens. */
void hub_tokens(void)
{
    static const char HUB[] = "contoso-hub.azure-devices.net/devices/my-symkey-device";
    static const char TOKEN[] = "SharedAccessSignature sr=contoso-hub.azure-devices.net/devices/my-symkey-device"
                                "&sig=qZAwITtXVZgiCwcrehr6EWAepajIrYr7wmwi2pvDI3o%3d&se=1893456000";
    DEVICE_AUTH_CREDENTIAL_INFO info;
    IOTHUB_SECURITY_HANDLE handle;
    CREDENTIAL_RESULT* first;
    CREDENTIAL_RESULT* second;

    memset(&info, 0, sizeof(info));
    info.dev_auth_type = AUTH_TYPE_SAS;
    info.sas_info.expiry_seconds = 1893456000;
    info.sas_info.token_scope = HUB;

    CHECK(iothub_device_auth_create() == NULL);
    CHECK(strstr(dps_last_error(NULL), "iothub_security_init") != NULL);
    CHECK_EQ(iothub_security_init(IOTHUB_SECURITY_TYPE_SYMMETRIC_KEY), 0);
    CHECK(iothub_device_auth_create() == NULL);
    CHECK(strstr(dps_last_error(NULL), "symmetric_key_info") != NULL);

    iothub_device_auth_destroy(NULL);
    iothub_device_auth_destroy(NOT_A_HANDLE);
    CHECK_EQ(iothub_device_auth_get_type(NULL), AUTH_TYPE_UNKNOWN);
    CHECK_EQ(iothub_device_auth_get_type(NOT_A_HANDLE), AUTH_TYPE_UNKNOWN);
    CHECK(iothub_device_auth_generate_credentials(NULL, &info) == NULL);

    /* The key of the provisioning client serves the hub too. */
    CHECK_EQ(prov_dev_set_symmetric_key_info("my-symkey-device", KEY_OF_VECTORS), 0);
    handle = iothub_device_auth_create();
    CHECK(handle != NULL);
    CHECK_EQ(iothub_device_auth_get_type(handle), AUTH_TYPE_SYMM_KEY);

    CHECK(iothub_device_auth_generate_credentials(handle, NULL) == NULL);
    info.dev_auth_type = AUTH_TYPE_X509;
    CHECK(iothub_device_auth_generate_credentials(handle, &info) == NULL);
    CHECK(strstr(dps_last_error(NULL), "dev_auth_type") != NULL);
    info.dev_auth_type = AUTH_TYPE_SYMM_KEY;
    info.sas_info.token_scope = NULL;
    CHECK(iothub_device_auth_generate_credentials(handle, &info) == NULL);
    CHECK(strstr(dps_last_error(NULL), "token_scope") != NULL);

    info.sas_info.token_scope = HUB;
    first = iothub_device_auth_generate_credentials(handle, &info);
    CHECK(first != NULL);
    CHECK(strcmp(first->auth_cred_result.sas_result.sas_token, TOKEN) == 0);
    info.dev_auth_type = AUTH_TYPE_SAS;
    info.sas_info.key_name = "";
    second = iothub_device_auth_generate_credentials(handle, &info);
    CHECK(second != NULL);
    CHECK_EQ(second->dev_auth_type, AUTH_TYPE_SYMM_KEY);
    CHECK(strcmp(second->auth_cred_result.sas_result.sas_token, TOKEN) == 0);
    free(first);
    free(second);

    /* What is set later counts for handles that are made later. */
    CHECK_EQ(iothub_security_set_symmetric_key_info("other", OTHER_KEY), 0);
    info.sas_info.key_name = "device";
    first = iothub_device_auth_generate_credentials(handle, &info);
    CHECK(first != NULL);
    CHECK(strncmp(first->auth_cred_result.sas_result.sas_token, TOKEN, strlen(TOKEN)) == 0);
    CHECK(strcmp(first->auth_cred_result.sas_result.sas_token + strlen(TOKEN), "&skn=device") == 0);
    free(first);
    prov_dev_security_deinit();
    first = iothub_device_auth_generate_credentials(handle, &info);
    CHECK(first != NULL);
    iothub_device_auth_destroy(handle);
    iothub_device_auth_destroy(handle);
    CHECK(iothub_device_auth_generate_credentials(handle, &info) == NULL);
    free(first);

    CHECK_EQ(iothub_security_set_symmetric_key_info("other", "no base64!"), 0);
    handle = iothub_device_auth_create();
    CHECK(handle != NULL);
    CHECK(iothub_device_auth_generate_credentials(handle, &info) == NULL);
    CHECK(strstr(dps_last_error(NULL), "base64") != NULL);
    CHECK(strstr(dps_last_error(NULL), "no base64!") == NULL);
    iothub_device_auth_destroy(handle);
}

/* c-abi.md section 1.6, certificates. */
void hub_certificates(void)
{
    IOTHUB_SECURITY_HANDLE handle;
    CREDENTIAL_RESULT* result;
    CLIENT client;

    use_certificates();
    handle = iothub_device_auth_create();
    CHECK(handle != NULL);
    CHECK_EQ(iothub_device_auth_get_type(handle), AUTH_TYPE_X509);
    CHECK(iothub_device_auth_generate_credentials(handle, NULL) == NULL);
    CHECK(strstr(dps_last_error(NULL), "x509certificate") != NULL);

    client = client_create("localhost", "0ne1");
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_OK);
    CHECK(iothub_device_auth_generate_credentials(handle, NULL) == NULL);
    CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, DEVICE_KEY), PROV_DEVICE_RESULT_OK);
    client_destroy(client);

    result = iothub_device_auth_generate_credentials(handle, NULL);
    CHECK(result != NULL);
    CHECK_EQ(result->dev_auth_type, AUTH_TYPE_X509);
    CHECK(strcmp(result->auth_cred_result.x509_result.x509_cert, DEVICE_CERTIFICATE) == 0);
    CHECK(strcmp(result->auth_cred_result.x509_result.x509_alias_key, DEVICE_KEY) == 0);
    free(result);
    prov_dev_security_deinit();
    CHECK(iothub_device_auth_generate_credentials(handle, NULL) == NULL);
    iothub_device_auth_destroy(handle);
}
