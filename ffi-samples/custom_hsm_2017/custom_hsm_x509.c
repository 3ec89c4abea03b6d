/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A security module of the kind of 2017 with a certificate. Files stand in for the hardware; the
 * environment names them:
 *
 *   CUSTOM_HSM_ID            the device's registration id
 *   CUSTOM_HSM_CERTIFICATE   a file with the certificate in PEM
 *   CUSTOM_HSM_PRIVATE_KEY   a file with its private key in PEM
 *
 * CUSTOM_HSM_TRACE, if it is set, has the module say when it is started and ended.
 */
#include "custom_hsm_x509_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A real module keeps its session with the hardware here. */
typedef struct MODULE_TAG
{
    const char* id;
} MODULE;

static void say(const char* words)
{
    if (getenv("CUSTOM_HSM_TRACE") != NULL)
    {
        printf("%s\n", words);
    }
}

/* From malloc, since the library frees what it is given. */
static char* copy_of(const char* text, size_t length)
{
    char* copy = malloc(length + 1);
    if (copy != NULL)
    {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

static char* text_of_variable(const char* variable)
{
    char text[32768];
    const char* name = getenv(variable);
    FILE* file = name == NULL ? NULL : fopen(name, "rb");
    size_t length;
    if (file == NULL)
    {
        return NULL;
    }
    length = fread(text, 1, sizeof(text), file);
    (void)fclose(file);
    return length == sizeof(text) ? NULL : copy_of(text, length);
}

int initialize_hsm_system(void)
{
    say("custom module: started");
    return getenv("CUSTOM_HSM_BROKEN") == NULL ? 0 : 1;
}

void deinitialize_hsm_system(void)
{
    say("custom module: ended");
}

DPS_CUSTOM_HSM_HANDLE custom_hsm_create(void)
{
    MODULE* module = malloc(sizeof(*module));
    if (module != NULL)
    {
        module->id = getenv("CUSTOM_HSM_ID");
    }
    return module;
}

void custom_hsm_destroy(DPS_CUSTOM_HSM_HANDLE handle)
{
    free(handle);
}

char* custom_hsm_get_common_name(DPS_CUSTOM_HSM_HANDLE handle)
{
    const MODULE* module = handle;
    return module->id == NULL ? NULL : copy_of(module->id, strlen(module->id));
}

char* custom_hsm_get_certificate(DPS_CUSTOM_HSM_HANDLE handle)
{
    (void)handle;
    return text_of_variable("CUSTOM_HSM_CERTIFICATE");
}

char* custom_hsm_get_alias_key(DPS_CUSTOM_HSM_HANDLE handle)
{
    (void)handle;
    return text_of_variable("CUSTOM_HSM_PRIVATE_KEY");
}
