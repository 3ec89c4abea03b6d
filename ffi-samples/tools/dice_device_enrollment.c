/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The certificates of the simulated device that enrollments name. For development only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "dps/dps.h"
#include "hsm_client_riot.h"
#include "text.h"

static const char HELP[] =
    "--group | --individual | --verify CODE [options]\n"
    "\n"
    "Prints a certificate of libdps's simulated device in PEM. FOR DEVELOPMENT ONLY: without --seed-file\n"
    "the keys come from a seed that everybody knows.\n"
    "\n"
    "  --group                the root's: what an enrollment group names\n"
    "  --individual           the device's own: what an individual enrollment names\n"
    "  --verify CODE          one for this code, which proves the possession of the root's key\n"
    "  --registration-id ID   the device (DPS_RIOT_COMMON_NAME); else riot-device-cert\n"
    "  --seed-file FILE       a file with the seed, 8 characters at least, - for standard input\n"
    "  --help                 this text\n"
    "\n"
    "Exit codes: 0, 1 when it cannot be done, 2 for a wrong command line.\n";

static int show(bool group, const char* code)
{
    static const char END[] = "-----END CERTIFICATE-----\n";
    HSM_CLIENT_HANDLE device = hsm_client_riot_create();
    char* pem = NULL;
    char* end;
    int result = EXIT_FAILURE;
    if (device != NULL)
    {
        pem = group          ? hsm_client_riot_get_root_cert(device)
              : code != NULL ? hsm_client_riot_create_leaf_cert(device, code)
                             : hsm_client_riot_get_certificate(device);
    }
    if (pem == NULL)
    {
        fprintf(stderr, "error: %s\n", dps_last_error(NULL));
    }
    else
    {
        /* Of the device's chain the first one. */
        end = strstr(pem, END);
        if (end != NULL)
        {
            end[sizeof(END) - 1] = '\0';
        }
        result = fputs(pem, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    free(pem);
    hsm_client_riot_destroy(device);
    return result;
}

int main(int argc, char** argv)
{
    bool group = false;
    bool individual = false;
    const char* code = NULL;
    const char* id = NULL;
    const char* seed_file = NULL;
    const OPTION options[] = {
        { "--group", NULL, &group },
        { "--individual", NULL, &individual },
        { "--verify", &code, NULL },
        { "--registration-id", &id, NULL },
        { "--seed-file", &seed_file, NULL },
        { NULL, NULL, NULL },
    };
    char* seed = NULL;

    if (arguments_read(argc, argv, options, HELP) != 0)
    {
        return EXIT_USAGE;
    }
    if (group + individual + (code != NULL) != 1)
    {
        fprintf(stderr, "error: give one of --group, --individual and --verify CODE (see --help)\n");
        return EXIT_USAGE;
    }
    if (seed_file != NULL && (seed = arguments_secret(seed_file)) == NULL)
    {
        return EXIT_FAILURE;
    }
    if ((seed != NULL || id != NULL) && dps_riot_set_device(seed, id) != PROV_DEVICE_RESULT_OK)
    {
        fprintf(stderr, "error: %s\n", dps_last_error(NULL));
        text_wipe_and_free(seed);
        return EXIT_FAILURE;
    }
    text_wipe_and_free(seed);
    return show(group, code);
}
