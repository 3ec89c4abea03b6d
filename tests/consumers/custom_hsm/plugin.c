/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A library of security modules as one for the C SDK is: it knows hsm_client_data.h and nothing else of
 * libdps. Each function says that it was called. PLUGIN_FAILS names one that fails, PLUGIN_LACKS one
 * that is missing in its table.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm_client_data.h"

static int is_named(const char* variable, const char* name)
{
    const char* value = getenv(variable);
    return value != NULL && strcmp(value, name) == 0;
}

/* Whether it fails. */
static int called(const char* name)
{
    printf("%s\n", name);
    fflush(stdout);
    return is_named("PLUGIN_FAILS", name) ? 7 : 0;
}

static HSM_CLIENT_HANDLE handle_of(const char* name)
{
    return called(name) != 0 ? NULL : malloc(1);
}

static char* text_of(const char* name, const char* text)
{
    return called(name) != 0 ? NULL : strdup(text);
}

/* What a file named by the environment has. */
static char* file_of(const char* name, const char* variable)
{
    const char* path = getenv(variable);
    FILE* file = path == NULL ? NULL : fopen(path, "rb");
    char* text = NULL;
    if (called(name) == 0 && file != NULL && (text = calloc(1, 65536)) != NULL && fread(text, 1, 65535, file) == 0)
    {
        free(text);
        text = NULL;
    }
    if (file != NULL)
    {
        fclose(file);
    }
    return text;
}

static int bytes_of(const char* name, const char* text, unsigned char** bytes, size_t* length)
{
    int failure = called(name);
    if (failure == 0)
    {
        *length = strlen(text);
        *bytes = (unsigned char*)strdup(text);
    }
    return failure;
}

static HSM_CLIENT_HANDLE key_create(void)
{
    return handle_of("key_create");
}

static void key_destroy(HSM_CLIENT_HANDLE handle)
{
    called("key_destroy");
    free(handle);
}

static char* get_symm_key(HSM_CLIENT_HANDLE handle)
{
    (void)handle;
    return file_of("get_symm_key", "PLUGIN_KEY");
}

static char* get_registration_name(HSM_CLIENT_HANDLE handle)
{
    (void)handle;
    return text_of("get_registration_name", "plugged");
}

static int set_symm_key_info(HSM_CLIENT_HANDLE handle, const char* name, const char* key)
{
    (void)handle;
    (void)key;
    printf("told %s\n", name == NULL ? "nothing" : name);
    return called("set_symm_key_info");
}

static HSM_CLIENT_HANDLE x509_create(void)
{
    return handle_of("x509_create");
}

static void x509_destroy(HSM_CLIENT_HANDLE handle)
{
    called("x509_destroy");
    free(handle);
}

static char* get_cert(HSM_CLIENT_HANDLE handle)
{
    (void)handle;
    return file_of("get_cert", "PLUGIN_CERTIFICATE");
}

static char* get_key(HSM_CLIENT_HANDLE handle)
{
    (void)handle;
    return file_of("get_key", "PLUGIN_CERTIFICATE_KEY");
}

static char* get_common_name(HSM_CLIENT_HANDLE handle)
{
    (void)handle;
    return text_of("get_common_name", "plugged");
}

static HSM_CLIENT_HANDLE tpm_create(void)
{
    return handle_of("tpm_create");
}

static void tpm_destroy(HSM_CLIENT_HANDLE handle)
{
    called("tpm_destroy");
    free(handle);
}

static int activate(HSM_CLIENT_HANDLE handle, const unsigned char* key, size_t length)
{
    (void)handle;
    (void)key;
    (void)length;
    return called("activate");
}

static int get_ek(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* length)
{
    (void)handle;
    return bytes_of("get_ek", "Endorsement key\r\n", key, length);
}

static int get_srk(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* length)
{
    (void)handle;
    return bytes_of("get_srk", "Storage root key", key, length);
}

static int sign(HSM_CLIENT_HANDLE handle, const unsigned char* data, size_t data_length, unsigned char** mac, size_t* length)
{
    (void)handle;
    (void)data;
    (void)data_length;
    return bytes_of("sign", "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK", mac, length);
}

const HSM_CLIENT_KEY_INTERFACE* hsm_client_key_interface(void)
{
    static HSM_CLIENT_KEY_INTERFACE table = { key_create, key_destroy, get_symm_key, get_registration_name, set_symm_key_info };
    if (is_named("PLUGIN_LACKS", "set_symm_key_info"))
    {
        /* As the C SDK's own example of a module does. */
        table.hsm_client_set_symm_key_info = NULL;
    }
    return called("key_interface") != 0 ? NULL : &table;
}

const HSM_CLIENT_X509_INTERFACE* hsm_client_x509_interface(void)
{
    static HSM_CLIENT_X509_INTERFACE table = { x509_create, x509_destroy, get_cert, get_key, get_common_name };
    return called("x509_interface") != 0 ? NULL : &table;
}

const HSM_CLIENT_TPM_INTERFACE* hsm_client_tpm_interface(void)
{
    static HSM_CLIENT_TPM_INTERFACE table = { tpm_create, tpm_destroy, activate, get_ek, get_srk, sign };
    return called("tpm_interface") != 0 ? NULL : &table;
}

int hsm_client_x509_init(void)
{
    return called("x509_init");
}

void hsm_client_x509_deinit(void)
{
    called("x509_deinit");
}

int hsm_client_tpm_init(void)
{
    return called("tpm_init");
}

void hsm_client_tpm_deinit(void)
{
    called("tpm_deinit");
}
