/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The library's own modules under the original's names: c-abi.md sections 1.8 and 9, 76 to 87. No
 * service needed. */
#include "scenarios.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/prov_security_factory.h"
#include "certificates.h"
#include "hsm_client_key.h"
#include "hsm_client_tpm.h"
#include "hsm_client_x509.h"

#define NOT_A_HANDLE ((HSM_CLIENT_HANDLE)(uintptr_t)0x5EED)

static void given(char* text, const char* expected)
{
    CHECK(text != NULL && strcmp(text, expected) == 0);
    free(text);
}

/* 76 to 79 */
void built_in_key(void)
{
    const HSM_CLIENT_KEY_INTERFACE* table = hsm_client_key_interface();
    HSM_CLIENT_HANDLE one = hsm_client_key_create(), other = hsm_client_key_create();
    CHECK(one != NULL && other != NULL && one != other);
    CHECK(hsm_client_get_symmetric_key(one) == NULL);
    CHECK(hsm_client_get_registration_name(one) == NULL);
    CHECK(hsm_client_set_key_info(one, NULL, "a2V5") != 0);
    CHECK(hsm_client_set_key_info(one, "name", NULL) != 0);
    CHECK(hsm_client_set_key_info(NULL, "name", "a2V5") != 0);
    CHECK(hsm_client_set_key_info(NOT_A_HANDLE, "name", "a2V5") != 0);
    CHECK_EQ(hsm_client_set_key_info(one, "name", "a2V5"), 0);
    CHECK_EQ(hsm_client_set_key_info(other, "first", "a2V5"), 0);
    CHECK_EQ(hsm_client_set_key_info(other, "second", "b3RoZXI="), 0);
    given(hsm_client_get_registration_name(one), "name");
    given(hsm_client_get_symmetric_key(one), "a2V5");
    given(hsm_client_get_registration_name(other), "second");
    given(hsm_client_get_symmetric_key(other), "b3RoZXI=");
    CHECK(hsm_client_get_symmetric_key(NULL) == NULL);
    CHECK(hsm_client_get_registration_name(NULL) == NULL);
    hsm_client_key_destroy(NULL);
    hsm_client_key_destroy(one);
    hsm_client_key_destroy(one);
    CHECK(hsm_client_get_symmetric_key(one) == NULL);
    hsm_client_key_destroy(other);

    CHECK(table->hsm_client_key_create != NULL && table->hsm_client_key_destroy != NULL);
    CHECK(table->hsm_client_get_symm_key != NULL && table->hsm_client_get_registration_name != NULL);
    CHECK(table->hsm_client_set_symm_key_info != NULL);
}

/* 80 to 83 */
void built_in_x509(void)
{
    const HSM_CLIENT_X509_INTERFACE* table = hsm_client_x509_interface();
    HSM_CLIENT_HANDLE handle = hsm_client_x509_create();
    CLIENT client;
    CHECK(handle != NULL && hsm_client_x509_create() == handle);
    CHECK(hsm_client_x509_get_certificate(handle) == NULL);
    CHECK(hsm_client_x509_get_key(handle) == NULL);
    CHECK(hsm_client_x509_set_certificate(NULL, DEVICE_CERTIFICATE) != 0);
    CHECK(hsm_client_x509_set_certificate(NOT_A_HANDLE, DEVICE_CERTIFICATE) != 0);
    CHECK(hsm_client_x509_set_certificate(handle, NULL) != 0);
    CHECK(hsm_client_x509_set_key(NULL, DEVICE_KEY) != 0);
    CHECK(hsm_client_x509_set_key(handle, NULL) != 0);
    CHECK_EQ(hsm_client_x509_set_certificate(handle, DEVICE_CERTIFICATE), 0);
    CHECK_EQ(hsm_client_x509_set_key(handle, DEVICE_KEY), 0);
    CHECK(hsm_client_x509_set_certificate(handle, DEVICE_CERTIFICATE) != 0);
    CHECK(hsm_client_x509_set_key(handle, DEVICE_KEY) != 0);
    given(hsm_client_x509_get_certificate(handle), DEVICE_CERTIFICATE);
    given(hsm_client_x509_get_key(handle), DEVICE_KEY);
    CHECK(hsm_client_x509_get_certificate(NULL) == NULL);
    CHECK(hsm_client_x509_get_key(NULL) == NULL);
    CHECK(hsm_client_x509_get_common_name(handle) == NULL);
    CHECK(hsm_client_x509_get_common_name(NULL) == NULL);
    hsm_client_x509_destroy(NULL);
    hsm_client_x509_destroy(handle);
    given(hsm_client_x509_get_certificate(handle), DEVICE_CERTIFICATE);
    CHECK(table->hsm_client_x509_create != NULL && table->hsm_client_x509_destroy != NULL);
    CHECK(table->hsm_client_get_cert != NULL && table->hsm_client_get_key != NULL && table->hsm_client_get_common_name != NULL);

    /* Getting ready and winding up forget both. */
    CHECK_EQ(hsm_client_x509_init(), 0);
    CHECK(hsm_client_x509_get_certificate(handle) == NULL);
    CHECK_EQ(hsm_client_x509_set_key(handle, DEVICE_KEY), 0);
    hsm_client_x509_deinit();
    CHECK(hsm_client_x509_get_key(handle) == NULL);
    CHECK_EQ(hsm_client_x509_set_key(handle, DEVICE_KEY), 0);
    CHECK_EQ(initialize_hsm_system(), 0);
    CHECK(hsm_client_x509_get_key(handle) == NULL);
    CHECK_EQ(hsm_client_x509_set_key(handle, DEVICE_KEY), 0);
    deinitialize_hsm_system();
    CHECK(hsm_client_x509_get_key(handle) == NULL);

    /* It is the certificate that options give. */
    use_certificates();
    client = client_create("localhost:1", "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_OK);
    given(hsm_client_x509_get_certificate(handle), DEVICE_CERTIFICATE);
    client_destroy(client);
}

/* 84 to 87, without a TPM. */
void built_in_tpm(void)
{
    const HSM_CLIENT_HANDLE dead[] = { NULL, NOT_A_HANDLE };
    const HSM_CLIENT_TPM_INTERFACE* table = hsm_client_tpm_interface();
    unsigned char* bytes = NULL;
    size_t length = 0, index;
    const unsigned char data[] = "data";
    CHECK_EQ(hsm_client_tpm_init(), 0);
    CHECK(hsm_client_tpm_create() == NULL);
    CHECK(strstr(dps_last_error(NULL), "trusted platform modules") != NULL);
    for (index = 0; index < sizeof(dead) / sizeof(dead[0]); index++)
    {
        CHECK(hsm_client_tpm_get_endorsement_key(dead[index], &bytes, &length) != 0);
        CHECK(hsm_client_tpm_get_storage_key(dead[index], &bytes, &length) != 0);
        CHECK(hsm_client_tpm_get_endorsement_key(dead[index], NULL, NULL) != 0);
        CHECK(hsm_client_tpm_import_key(dead[index], data, sizeof(data)) != 0);
        CHECK(hsm_client_tpm_import_key(dead[index], NULL, 0) != 0);
        CHECK(hsm_client_tpm_sign_data(dead[index], data, sizeof(data), &bytes, &length) != 0);
        CHECK(hsm_client_tpm_sign_data(dead[index], NULL, 0, NULL, NULL) != 0);
        hsm_client_tpm_destroy(dead[index]);
    }
    CHECK(bytes == NULL && length == 0);
    CHECK(table->hsm_client_tpm_create != NULL && table->hsm_client_tpm_destroy != NULL);
    CHECK(table->hsm_client_get_ek != NULL && table->hsm_client_get_srk != NULL);
    CHECK(table->hsm_client_activate_identity_key != NULL && table->hsm_client_sign_with_identity != NULL);
    hsm_client_tpm_deinit();
}
