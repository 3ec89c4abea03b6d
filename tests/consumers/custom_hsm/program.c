/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * program key|x509|tpm HOST[:PORT] ID-SCOPE CA.pem: registers over HTTP, and says what it does. It
 * knows nothing of security modules, but for one: with DPS_LOAD set, it loads that shared object.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/iothub_security_factory.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "dps/dps.h"
#ifdef WITH_TOOLS
#include "hsm_client_key.h"
#endif

static bool done;
static PROV_DEVICE_RESULT outcome;

static void registered(PROV_DEVICE_RESULT result, const char* hub, const char* device_id, void* context)
{
    (void)context;
    printf("- registered %d %s %s\n", (int)result, hub == NULL ? "" : hub, device_id == NULL ? "" : device_id);
    outcome = result;
    done = true;
}

static char ca[65536];

static bool read_ca(const char* name)
{
    FILE* file = fopen(name, "rb");
    bool read = file != NULL && fread(ca, 1, sizeof(ca) - 1, file) > 0;
    if (file != NULL)
    {
        fclose(file);
    }
    return read;
}

static int failed(const char* what, PROV_DEVICE_LL_HANDLE client)
{
    printf("- %s failed: %s\n", what, dps_ll_last_error(client));
    return 1;
}

int main(int argc, char** argv)
{
    const struct timespec pause = { 0, 5000000 };
    SECURE_DEVICE_TYPE kind;
    PROV_DEVICE_LL_HANDLE client;
    const char* object = getenv("DPS_LOAD");
    if (argc != 5)
    {
        return 2;
    }
    kind = strcmp(argv[1], "key") == 0 ? SECURE_DEVICE_TYPE_SYMMETRIC_KEY : strcmp(argv[1], "tpm") == 0 ? SECURE_DEVICE_TYPE_TPM : SECURE_DEVICE_TYPE_X509;
    if (object != NULL && dps_hsm_load(object) != PROV_DEVICE_RESULT_OK)
    {
        return failed("load", NULL);
    }
#ifdef WITH_TOOLS
    hsm_client_key_destroy(hsm_client_key_create());
#endif
    printf("- init\n");
    fflush(stdout);
    if (prov_dev_security_init(kind) != 0)
    {
        return failed("init", NULL);
    }
    if (getenv("PROGRAM_HAS_KEY") != NULL)
    {
        prov_dev_set_symmetric_key_info("told", "c2VjcmV0");
    }
    printf("- create\n");
    fflush(stdout);
    client = Prov_Device_LL_Create(argv[2], argv[3], Prov_Device_HTTP_Protocol);
    if (client == NULL)
    {
        return failed("create", NULL);
    }
    printf("- options %d\n", (int)Prov_Device_LL_SetOption(client, OPTION_X509_CERT, "certificate"));
    if (read_ca(argv[4]))
    {
        Prov_Device_LL_SetOption(client, OPTION_TRUSTED_CERT, ca);
    }
    printf("- register\n");
    fflush(stdout);
    if (Prov_Device_LL_Register_Device(client, registered, NULL, NULL, NULL) != PROV_DEVICE_RESULT_OK)
    {
        return failed("register", client);
    }
    printf("- work\n");
    while (!done)
    {
        Prov_Device_LL_DoWork(client);
        nanosleep(&pause, NULL);
    }
    printf("- destroy\n");
    fflush(stdout);
    Prov_Device_LL_Destroy(client);
    printf("- deinit\n");
    fflush(stdout);
    prov_dev_security_deinit();
    return outcome == PROV_DEVICE_RESULT_OK ? 0 : 1;
}
