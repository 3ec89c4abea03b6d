/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A certificate in files, for programs of 2017 that bring no security module. That API has no words
 * for where a certificate is; so the environment names the files, in PEM:
 *
 *   DPS_X509_CERTIFICATE   the device's certificate, or a chain that begins with it
 *   DPS_X509_PRIVATE_KEY   its private key
 *
 * Its common name is the registration id.
 */
#include "security.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_prov_client/internal/prov_auth_client.h"

enum
{
    LONGEST_FILE = 1024 * 1024
};

SECURE_DEVICE_TYPE dps_2017_kind(void)
{
    return SECURE_DEVICE_TYPE_X509;
}

const void* dps_2017_interface(void)
{
    return NULL;
}

/* A key must not stay in memory that was freed. */
static void wipe_and_free(char* text, size_t length)
{
    volatile char* rest = text;
    if (text != NULL)
    {
        while (length > 0)
        {
            rest[--length] = '\0';
        }
        free(text);
    }
}

/* The file that the variable names, as a text. NULL when there is none; then the reason is set. */
static char* text_of(const char* variable, size_t* length, const char* unset, const char* unreadable)
{
    const char* name = getenv(variable);
    FILE* file;
    char* text;
    if (name == NULL || *name == '\0')
    {
        dps_2017_set_reason(unset);
        return NULL;
    }
    dps_2017_set_reason(unreadable);
    file = fopen(name, "rb");
    if (file == NULL)
    {
        return NULL;
    }
    text = malloc(LONGEST_FILE + 1);
    if (text != NULL)
    {
        /* No copy of what is read stays in the stream's buffer. */
        (void)setvbuf(file, NULL, _IONBF, 0);
        *length = fread(text, 1, LONGEST_FILE, file);
        text[*length] = '\0';
        if (ferror(file) || *length == LONGEST_FILE)
        {
            wipe_and_free(text, *length);
            text = NULL;
        }
    }
    (void)fclose(file);
    if (text != NULL)
    {
        dps_2017_set_reason(NULL);
    }
    return text;
}

/* Gives the process the certificate, which all its clients and the hub's credentials take. */
static int give(const char* certificate, const char* key)
{
    int result = MU_FAILURE;
    PROV_AUTH_HANDLE auth = prov_auth_create();
    if (auth != NULL)
    {
        /* The reason is libdps's. */
        result = prov_auth_set_certificate(auth, certificate) == 0 && prov_auth_set_key(auth, key) == 0 ? 0 : MU_FAILURE;
        prov_auth_destroy(auth);
    }
    return result;
}

int dps_2017_begin(void)
{
    int result = MU_FAILURE;
    size_t certificate_length = 0;
    size_t key_length = 0;
    char* key = NULL;
    char* certificate = text_of("DPS_X509_CERTIFICATE", &certificate_length,
        "hsm: there is no certificate: set DPS_X509_CERTIFICATE to a file in PEM, or build with -Ddps_hsm_custom_lib",
        "hsm: the file that DPS_X509_CERTIFICATE names cannot be read");
    if (certificate != NULL)
    {
        key = text_of("DPS_X509_PRIVATE_KEY", &key_length,
            "hsm: there is no private key: set DPS_X509_PRIVATE_KEY to a file in PEM, or build with -Ddps_hsm_custom_lib",
            "hsm: the file that DPS_X509_PRIVATE_KEY names cannot be read");
    }
    if (key != NULL && prov_dev_security_init(SECURE_DEVICE_TYPE_X509) == 0)
    {
        result = give(certificate, key);
    }
    wipe_and_free(key, key_length);
    free(certificate);
    return result;
}

void dps_2017_end(void)
{
}
