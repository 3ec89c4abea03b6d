/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What an individual enrollment of a device with a TPM names. */
#include <stdio.h>
#include <stdlib.h>

#include "arguments.h"
#include "azure_prov_client/internal/prov_auth_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "dps/dps.h"

static const char HELP[] =
    "[options]\n"
    "\n"
    "Prints the registration id and the endorsement key, in base64, of this machine's trusted platform\n"
    "module. It is reached through a security module: one that this program was linked with (CMake's\n"
    "hsm_custom_lib), one that is loaded, or libdps's own in libraries that have one.\n"
    "\n"
    "  --hsm FILE             load this library of security modules (hsm_client_data.h)\n"
    "  --registration-id ID   the id that the device shall have, instead of the one made of its key\n"
    "  --help                 this text\n"
    "\n"
    "Exit codes: 0, 1 when it cannot be done, 2 for a wrong command line.\n";

static int fail(const char* what)
{
    fprintf(stderr, "error: %s: %s\n", what, dps_last_error(NULL));
    return EXIT_FAILURE;
}

static int show(PROV_AUTH_HANDLE handle)
{
    int result = EXIT_FAILURE;
    unsigned char* key = NULL;
    size_t length = 0;
    char* text;
    char* id;
    if (dps_prov_auth_tpm_key(handle, 0, &key, &length) != 0)
    {
        return fail("there is no endorsement key");
    }
    text = arguments_base64(key, length);
    id = prov_auth_get_registration_id(handle);
    if (text == NULL)
    {
        fprintf(stderr, "error: out of memory\n");
    }
    else if (id == NULL)
    {
        result = fail("there is no registration id");
    }
    else
    {
        printf("Registration id: %s\nEndorsement key: %s\n", id, text);
        result = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    free(id);
    free(text);
    free(key);
    return result;
}

int main(int argc, char** argv)
{
    const char* library = NULL;
    const char* id = NULL;
    const OPTION options[] = {
        { "--hsm", &library, NULL },
        { "--registration-id", &id, NULL },
        { NULL, NULL, NULL },
    };
    PROV_AUTH_HANDLE handle;
    int result;

    if (arguments_read(argc, argv, options, HELP) != 0)
    {
        return EXIT_USAGE;
    }
    if (library != NULL && dps_hsm_load(library) != PROV_DEVICE_RESULT_OK)
    {
        return fail("the security modules cannot be loaded");
    }
    if (prov_dev_security_init(SECURE_DEVICE_TYPE_TPM) != 0)
    {
        return fail("there is no TPM to ask; --hsm FILE loads a security module");
    }
    handle = prov_auth_create();
    if (handle == NULL)
    {
        result = fail("the TPM cannot be used");
    }
    else if (id != NULL && prov_auth_set_registration_id(handle, id) != 0)
    {
        result = fail("the registration id cannot be used");
    }
    else
    {
        result = show(handle);
    }
    prov_auth_destroy(handle);
    prov_dev_security_deinit();
    return result;
}
