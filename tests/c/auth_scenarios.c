/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* prov_auth_*: c-abi.md sections 1.7 and 9, 56 to 65. No service needed. */
#define _POSIX_C_SOURCE 200809L

#include "scenarios.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "azure_prov_client/internal/prov_auth_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "certificates.h"

#define GOLDEN_KEY "c2VjcmV0a2V5c2VjcmV0a2V5c2VjcmV0a2V5c2VjcmU="
#define NOT_A_HANDLE ((PROV_AUTH_HANDLE)(uintptr_t)0x5EED)

/* A module of every kind, which can be told to fail. */
static struct
{
    bool no_handle;
    bool no_answer;
    int refusal;
    int ek_refusal;
    int srk_refusal;
    int alive;
    int asked;
    unsigned char imported[8];
    size_t imported_length;
    int inits;
    int init_refusal;
    bool no_tables;
} fake;

static HSM_CLIENT_HANDLE fake_create(void)
{
    if (fake.no_handle)
    {
        return NULL;
    }
    fake.alive++;
    return &fake;
}

static void fake_destroy(HSM_CLIENT_HANDLE handle)
{
    CHECK(handle == &fake);
    fake.alive--;
}

static char* fake_text(const char* text)
{
    fake.asked++;
    return fake.no_answer ? NULL : strdup(text);
}

static char* fake_name(HSM_CLIENT_HANDLE handle)
{
    CHECK(handle == &fake);
    return fake_text("fake-name");
}

static char* fake_certificate(HSM_CLIENT_HANDLE handle)
{
    CHECK(handle == &fake);
    return fake_text("the certificate");
}

static char* fake_key(HSM_CLIENT_HANDLE handle)
{
    CHECK(handle == &fake);
    return fake_text("the key");
}

static char* fake_symmetric_key(HSM_CLIENT_HANDLE handle)
{
    CHECK(handle == &fake);
    return fake_text(GOLDEN_KEY);
}

static int fake_told(HSM_CLIENT_HANDLE handle, const char* name, const char* key)
{
    CHECK(handle == &fake);
    CHECK((name == NULL) == (key == NULL));
    return fake.refusal;
}

static int fake_bytes(const char* text, unsigned char** bytes, size_t* length)
{
    fake.asked++;
    if (fake.refusal != 0)
    {
        return fake.refusal;
    }
    *length = strlen(text);
    *bytes = (unsigned char*)strdup(text);
    return 0;
}

/* The keys of c-abi.md 1.7's vector. */
static int fake_ek(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* length)
{
    CHECK(handle == &fake);
    return fake.ek_refusal != 0 ? fake.ek_refusal : fake_bytes("Endorsement key\r\n", key, length);
}

static int fake_srk(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* length)
{
    CHECK(handle == &fake);
    return fake.srk_refusal != 0 ? fake.srk_refusal : fake_bytes("Storage root key", key, length);
}

static int fake_activate(HSM_CLIENT_HANDLE handle, const unsigned char* key, size_t length)
{
    CHECK(handle == &fake);
    CHECK(length <= sizeof(fake.imported));
    memcpy(fake.imported, key, length);
    fake.imported_length = length;
    return fake.refusal;
}

static int fake_sign(HSM_CLIENT_HANDLE handle, const unsigned char* data, size_t length, unsigned char** mac, size_t* mac_length)
{
    CHECK(handle == &fake);
    CHECK(length == strlen("scope\n1700000000") && memcmp(data, "scope\n1700000000", length) == 0);
    return fake_bytes("KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK", mac, mac_length);
}

static const HSM_CLIENT_TPM_INTERFACE FAKE_TPM = { fake_create, fake_destroy, fake_activate, fake_ek, fake_srk, fake_sign };
static const HSM_CLIENT_X509_INTERFACE FAKE_X509 = { fake_create, fake_destroy, fake_certificate, fake_key, fake_name };
static const HSM_CLIENT_KEY_INTERFACE FAKE_KEY = { fake_create, fake_destroy, fake_symmetric_key, fake_name, fake_told };

static void last_error_has(const char* words)
{
    if (strstr(dps_last_error(NULL), words) == NULL)
    {
        check(false, dps_last_error(NULL), __FILE__, __LINE__);
    }
}

static PROV_AUTH_HANDLE created(void)
{
    PROV_AUTH_HANDLE handle = prov_auth_create();
    CHECK(handle != NULL);
    return handle;
}

/* Takes a text that the library gave. */
static void given(char* text, const char* expected)
{
    CHECK(text != NULL && strcmp(text, expected) == 0);
    free(text);
}

static int fake_init(void)
{
    fake.inits++;
    return fake.init_refusal;
}

static void fake_deinit(void)
{
    fake.inits--;
}

static HSM_CLIENT_TPM_INTERFACE current_tpm;
static HSM_CLIENT_X509_INTERFACE current_x509;

static const HSM_CLIENT_TPM_INTERFACE* fake_tpm_interface(void)
{
    return fake.no_tables ? NULL : &current_tpm;
}

static const HSM_CLIENT_X509_INTERFACE* fake_x509_interface(void)
{
    return fake.no_tables ? NULL : &current_x509;
}

static const HSM_CLIENT_KEY_INTERFACE* fake_key_interface(void)
{
    return fake.no_tables ? NULL : &FAKE_KEY;
}

/* All modules come from a library that is registered at run time. */
static void use_library(SECURE_DEVICE_TYPE kind)
{
    DPS_HSM_LIBRARY library;
    memset(&library, 0, sizeof(library));
    CHECK_EQ(dps_hsm_register_library(&library), PROV_DEVICE_RESULT_INVALID_ARG);
    last_error_has("size");
    library.size = sizeof(library);
    CHECK_EQ(dps_hsm_register_library(&library), PROV_DEVICE_RESULT_INVALID_ARG);
    last_error_has("hsm_client_x509_init");
    library.x509_init = fake_init;
    library.x509_deinit = fake_deinit;
    library.tpm_init = fake_init;
    library.tpm_deinit = fake_deinit;
    library.tpm_interface = fake_tpm_interface;
    library.x509_interface = fake_x509_interface;
    CHECK_EQ(dps_hsm_register_library(&library), PROV_DEVICE_RESULT_INVALID_ARG);
    last_error_has("hsm_client_key_interface");
    library.key_interface = fake_key_interface;
    CHECK_EQ(dps_hsm_register_library(&library), PROV_DEVICE_RESULT_OK);
    current_tpm = FAKE_TPM;
    current_x509 = FAKE_X509;

    /* Section 9, 73: a module that does not get ready has init fail. */
    fake.init_refusal = 3;
    CHECK(prov_dev_security_init(kind) != 0);
    last_error_has("hsm_client_x509_init of the plug-in failed with code 3");
    CHECK_EQ(fake.inits, 1);
    fake.inits = 0;
    fake.init_refusal = 0;
    CHECK_EQ(prov_dev_security_init(kind), 0);
    CHECK_EQ(fake.inits, 2);

    /* Another one would not have got ready. */
    CHECK_EQ(dps_hsm_register_library(&library), PROV_DEVICE_RESULT_ERROR);
    last_error_has("before prov_dev_security_init");
    CHECK_EQ(dps_hsm_load(NULL), PROV_DEVICE_RESULT_ERROR);
}

/* 56, 57: create fails without a table, without its create, and without a handle; else not. */
static void create_with_library(SECURE_DEVICE_TYPE kind, PROV_AUTH_TYPE type, const char* words)
{
    PROV_AUTH_HANDLE handle;
    CHECK(prov_auth_create() == NULL);
    last_error_has("prov_dev_security_init");
    use_library(kind);
    fake.no_tables = true;
    CHECK(prov_auth_create() == NULL);
    last_error_has("_interface of the plug-in returned NULL");
    fake.no_tables = false;
    current_tpm.hsm_client_tpm_create = NULL;
    current_x509.hsm_client_x509_create = NULL;
    CHECK(prov_auth_create() == NULL);
    last_error_has(words);
    current_tpm = FAKE_TPM;
    current_x509 = FAKE_X509;
    fake.no_handle = true;
    CHECK(prov_auth_create() == NULL);
    last_error_has("_create of the plug-in returned NULL");
    fake.no_handle = false;
    handle = created();
    CHECK_EQ(fake.alive, 1);
    CHECK_EQ(prov_auth_get_type(handle), type);
    prov_auth_destroy(handle);
    prov_auth_destroy(handle);
    CHECK_EQ(fake.alive, 0);
    CHECK_EQ(prov_auth_get_type(handle), PROV_AUTH_TYPE_UNKNOWN);
    prov_dev_security_deinit();
    CHECK_EQ(fake.inits, 0);
    CHECK_EQ(dps_hsm_register_library(NULL), PROV_DEVICE_RESULT_OK);
}

void auth_create_tpm(void)
{
    create_with_library(SECURE_DEVICE_TYPE_TPM, PROV_AUTH_TYPE_TPM, "hsm_client_tpm_create of the plug-in is NULL");
}

void auth_create_x509(void)
{
    create_with_library(SECURE_DEVICE_TYPE_X509, PROV_AUTH_TYPE_X509, "hsm_client_x509_create of the plug-in is NULL");
}

/* 58 to 65, what a handle that is not alive gives. */
void auth_null(void)
{
    const PROV_AUTH_HANDLE dead[] = { NULL, NOT_A_HANDLE };
    unsigned char* key = NULL;
    size_t length = 0, index;
    for (index = 0; index < sizeof(dead) / sizeof(dead[0]); index++)
    {
        prov_auth_destroy(dead[index]);
        CHECK_EQ(prov_auth_get_type(dead[index]), PROV_AUTH_TYPE_UNKNOWN);
        CHECK(prov_auth_get_registration_id(dead[index]) == NULL);
        last_error_has("destroyed, or of another kind");
        CHECK(prov_auth_set_registration_id(dead[index], "id") != 0);
        CHECK(prov_auth_get_endorsement_key(dead[index]) == NULL);
        CHECK(prov_auth_get_storage_key(dead[index]) == NULL);
        CHECK(dps_prov_auth_tpm_key(dead[index], 0, &key, &length) != 0);
        CHECK(prov_auth_import_key(dead[index], (const unsigned char*)"key", 3) != 0);
        CHECK(prov_auth_construct_sas_token(dead[index], "scope", "name", 1) == NULL);
        CHECK(prov_auth_get_certificate(dead[index]) == NULL);
        CHECK(prov_auth_get_alias_key(dead[index]) == NULL);
        CHECK(prov_auth_set_certificate(dead[index], "certificate") != 0);
        CHECK(prov_auth_set_key(dead[index], "key") != 0);
    }
}

static void buffer_has(BUFFER_HANDLE buffer, const char* bytes)
{
    CHECK(buffer != NULL);
    CHECK_EQ(BUFFER_length(buffer), strlen(bytes));
    CHECK(memcmp(BUFFER_u_char(buffer), bytes, strlen(bytes)) == 0);
    BUFFER_delete(buffer);
}

void auth_tpm(void)
{
    const unsigned char* blob = (const unsigned char*)"blob";
    PROV_AUTH_HANDLE handle;
    int asked;

    CHECK_EQ(dps_hsm_register_tpm(&FAKE_TPM), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_TPM), 0);
    handle = created();
    CHECK_EQ(prov_auth_get_type(handle), PROV_AUTH_TYPE_TPM);

    /* 60: the id is the key's hash, and known once it was asked for. */
    fake.refusal = 5;
    CHECK(prov_auth_get_registration_id(handle) == NULL);
    last_error_has("hsm_client_get_ek of the plug-in failed with code 5");
    fake.refusal = 0;
    given(prov_auth_get_registration_id(handle), "peaiyuv4dp7nrghsnr3sroo5errsotviungqd546j6hp7w76v76q");
    asked = fake.asked;
    given(prov_auth_get_registration_id(handle), "peaiyuv4dp7nrghsnr3sroo5errsotviungqd546j6hp7w76v76q");
    CHECK_EQ(fake.asked, asked);
    /* 65: and not set any more. */
    CHECK(prov_auth_set_registration_id(handle, "other") != 0);
    prov_auth_destroy(handle);
    handle = created();
    CHECK(prov_auth_set_registration_id(handle, NULL) != 0);
    CHECK_EQ(prov_auth_set_registration_id(handle, "mine"), 0);
    CHECK(prov_auth_set_registration_id(handle, "other") != 0);
    given(prov_auth_get_registration_id(handle), "mine");
    CHECK_EQ(fake.asked, asked);

    /* 61 */
    buffer_has(prov_auth_get_endorsement_key(handle), "Endorsement key\r\n");
    buffer_has(prov_auth_get_storage_key(handle), "Storage root key");
    fake.refusal = 5;
    CHECK(prov_auth_get_endorsement_key(handle) == NULL);
    CHECK(prov_auth_get_storage_key(handle) == NULL);
    /* Each needs only itself. */
    fake.refusal = 0;
    fake.srk_refusal = 7;
    buffer_has(prov_auth_get_endorsement_key(handle), "Endorsement key\r\n");
    CHECK(prov_auth_get_storage_key(handle) == NULL);
    last_error_has("hsm_client_get_srk of the plug-in failed with code 7");
    fake.srk_refusal = 0;
    fake.ek_refusal = 8;
    buffer_has(prov_auth_get_storage_key(handle), "Storage root key");
    CHECK(prov_auth_get_endorsement_key(handle) == NULL);
    last_error_has("hsm_client_get_ek of the plug-in failed with code 8");
    fake.ek_refusal = 0;
    fake.refusal = 5;
    /* 62 */
    CHECK(prov_auth_import_key(handle, blob, 4) != 0);
    last_error_has("hsm_client_activate_identity_key of the plug-in failed with code 5");
    fake.refusal = 0;
    fake.imported_length = 0;
    CHECK(prov_auth_import_key(handle, NULL, 4) != 0);
    CHECK(prov_auth_import_key(handle, blob, 0) != 0);
    CHECK_EQ(fake.imported_length, 0);
    CHECK_EQ(prov_auth_import_key(handle, blob, 4), 0);
    CHECK(fake.imported_length == 4 && memcmp(fake.imported, blob, 4) == 0);
    /* 63 */
    given(prov_auth_construct_sas_token(handle, "scope", "registration", 1700000000),
          "SharedAccessSignature sr=scope&sig=S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s%3d&se=1700000000&skn=registration");
    CHECK(prov_auth_construct_sas_token(handle, NULL, "registration", 1700000000) == NULL);
    CHECK(prov_auth_construct_sas_token(handle, "scope", NULL, 1700000000) == NULL);
    fake.refusal = 6;
    CHECK(prov_auth_construct_sas_token(handle, "scope", "registration", 1700000000) == NULL);
    last_error_has("hsm_client_sign_with_identity of the plug-in failed with code 6");
    fake.refusal = 0;
    /* 64, and known bug 22: nothing is taken for a certificate. */
    CHECK(prov_auth_get_certificate(handle) == NULL);
    CHECK(prov_auth_get_alias_key(handle) == NULL);
    CHECK(prov_auth_set_certificate(handle, DEVICE_CERTIFICATE) != 0);
    CHECK(prov_auth_set_key(handle, DEVICE_KEY) != 0);
    prov_auth_destroy(handle);
    CHECK_EQ(fake.alive, 0);
}

void auth_x509(void)
{
    unsigned char* key;
    size_t length;
    PROV_AUTH_HANDLE handle;

    CHECK_EQ(dps_hsm_register_x509(&FAKE_X509), PROV_DEVICE_RESULT_OK);
    use_certificates();
    handle = created();
    CHECK_EQ(prov_auth_get_type(handle), PROV_AUTH_TYPE_X509);
    /* 60, 64 */
    fake.no_answer = true;
    CHECK(prov_auth_get_registration_id(handle) == NULL);
    last_error_has("hsm_client_get_common_name of the plug-in returned NULL");
    CHECK(prov_auth_get_certificate(handle) == NULL);
    CHECK(prov_auth_get_alias_key(handle) == NULL);
    fake.no_answer = false;
    given(prov_auth_get_registration_id(handle), "fake-name");
    given(prov_auth_get_certificate(handle), "the certificate");
    given(prov_auth_get_alias_key(handle), "the key");
    /* 61 to 63 */
    CHECK(prov_auth_get_endorsement_key(handle) == NULL);
    CHECK(prov_auth_get_storage_key(handle) == NULL);
    CHECK(dps_prov_auth_tpm_key(handle, 1, &key, &length) != 0);
    CHECK(prov_auth_import_key(handle, (const unsigned char*)"key", 3) != 0);
    CHECK(prov_auth_construct_sas_token(handle, "scope", "registration", 1) == NULL);
    last_error_has("no tokens");
    CHECK(prov_auth_set_certificate(handle, DEVICE_CERTIFICATE) != 0);
    last_error_has("the plug-in's");
    CHECK(prov_auth_set_key(handle, DEVICE_KEY) != 0);
    prov_auth_destroy(handle);
    CHECK_EQ(fake.alive, 0);

    /* The library's own: what is set is the process's, which clients take. */
    CHECK_EQ(dps_hsm_register_x509(NULL), PROV_DEVICE_RESULT_OK);
    handle = created();
    CHECK(prov_auth_get_certificate(handle) == NULL);
    CHECK(prov_auth_get_registration_id(handle) == NULL);
    CHECK(prov_auth_set_certificate(handle, NULL) != 0);
    CHECK(prov_auth_set_key(handle, NULL) != 0);
    CHECK_EQ(prov_auth_set_certificate(handle, DEVICE_CERTIFICATE), 0);
    CHECK_EQ(prov_auth_set_key(handle, DEVICE_KEY), 0);
    CHECK(prov_auth_set_certificate(handle, DEVICE_CERTIFICATE) != 0);
    CHECK(prov_auth_set_key(handle, DEVICE_KEY) != 0);
    given(prov_auth_get_certificate(handle), DEVICE_CERTIFICATE);
    given(prov_auth_get_alias_key(handle), DEVICE_KEY);
    given(prov_auth_get_registration_id(handle), "c-device");
    prov_auth_destroy(handle);
}

void auth_key(void)
{
    PROV_AUTH_HANDLE handle;

    CHECK_EQ(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY), 0);
    CHECK(prov_auth_create() == NULL);
    last_error_has("prov_dev_set_symmetric_key_info");
    CHECK_EQ(prov_dev_set_symmetric_key_info("told", GOLDEN_KEY), 0);
    handle = created();
    CHECK_EQ(prov_auth_get_type(handle), PROV_AUTH_TYPE_KEY);
    given(prov_auth_get_registration_id(handle), "told");
    CHECK(prov_auth_set_registration_id(handle, "other") != 0);
    /* The golden vector of c-abi.md 1.7; 63. */
    given(prov_auth_construct_sas_token(handle, "0ne%2fregistrations%2fr", "registration", 1700000000),
          "SharedAccessSignature sr=0ne%2fregistrations%2fr&sig=rY02NP7vKwTrC7hIYVbmXR2NGm52yjGBnsMUws3xLbg%3d&se=1700000000&skn=registration");
    given(prov_auth_construct_sas_token(handle, "0ne%2fregistrations%2fr", "", 1700000000),
          "SharedAccessSignature sr=0ne%2fregistrations%2fr&sig=rY02NP7vKwTrC7hIYVbmXR2NGm52yjGBnsMUws3xLbg%3d&se=1700000000&skn=");
    CHECK(prov_auth_construct_sas_token(handle, "a\xff", "registration", 1) == NULL);
    CHECK(prov_auth_get_endorsement_key(handle) == NULL);
    CHECK(prov_auth_get_certificate(handle) == NULL);
    CHECK(prov_auth_set_certificate(handle, DEVICE_CERTIFICATE) != 0);
    prov_auth_destroy(handle);

    CHECK_EQ(dps_hsm_register_symmetric_key(&FAKE_KEY), PROV_DEVICE_RESULT_OK);
    fake.refusal = 2;
    CHECK(prov_auth_create() == NULL);
    last_error_has("hsm_client_set_symm_key_info of the plug-in failed with code 2");
    fake.refusal = 0;
    handle = created();
    given(prov_auth_get_registration_id(handle), "fake-name");
    given(prov_auth_construct_sas_token(handle, "0ne%2fregistrations%2fr", "registration", 1700000000),
          "SharedAccessSignature sr=0ne%2fregistrations%2fr&sig=rY02NP7vKwTrC7hIYVbmXR2NGm52yjGBnsMUws3xLbg%3d&se=1700000000&skn=registration");
    fake.no_answer = true;
    CHECK(prov_auth_construct_sas_token(handle, "scope", "registration", 1700000000) == NULL);
    last_error_has("hsm_client_get_symm_key of the plug-in returned NULL");
    prov_auth_destroy(handle);
    CHECK_EQ(fake.alive, 0);
}
