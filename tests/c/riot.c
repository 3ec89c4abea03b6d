/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The simulated device (c-abi.md section 1.8, section 9: 88).
 *
 * dps_c_riot contract
 * dps_c_riot register HOST:PORT SCOPE CA.pem mqtt|http [ID]    prints the hub and the device's id
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "dps/dps.h"
#include "hsm_client_riot.h"

#define EXPECT(condition)                                                                    \
    do                                                                                       \
    {                                                                                        \
        if (!(condition))                                                                    \
        {                                                                                    \
            fprintf(stderr, "%d: %s; %s\n", __LINE__, #condition, dps_last_error(NULL));     \
            exit(EXIT_FAILURE);                                                              \
        }                                                                                    \
    } while (0)

typedef char* (*GETTER)(HSM_CLIENT_HANDLE handle);

static const struct
{
    GETTER get;
    const char* begins;
} GETTERS[] = {
    { hsm_client_riot_get_certificate, "-----BEGIN CERTIFICATE-----\n" },
    { hsm_client_riot_get_alias_key, "-----BEGIN PRIVATE KEY-----\n" },
    { hsm_client_riot_get_signer_cert, "-----BEGIN CERTIFICATE-----\n" },
    { hsm_client_riot_get_device_cert, "-----BEGIN CERTIFICATE-----\n" },
    { hsm_client_riot_get_root_cert, "-----BEGIN CERTIFICATE-----\n" },
    { hsm_client_riot_get_root_key, "-----BEGIN PRIVATE KEY-----\n" },
    { hsm_client_riot_get_common_name, "riot-device-cert" },
};

static void contract(void)
{
    char longest[66];
    HSM_CLIENT_HANDLE device = hsm_client_riot_create();
    HSM_CLIENT_HANDLE other = hsm_client_riot_create();
    size_t index;
    char* text;
    EXPECT(device != NULL && other != NULL && device != other);
    for (index = 0; index < sizeof(GETTERS) / sizeof(GETTERS[0]); index++)
    {
        char* copy = GETTERS[index].get(device);
        text = GETTERS[index].get(other);
        EXPECT(copy != NULL && text != NULL && copy != text && strcmp(copy, text) == 0);
        EXPECT(strncmp(text, GETTERS[index].begins, strlen(GETTERS[index].begins)) == 0);
        free(copy);
        free(text);
        EXPECT(GETTERS[index].get(NULL) == NULL);
    }
    text = hsm_client_riot_create_leaf_cert(device, "0123-code");
    EXPECT(text != NULL && strncmp(text, "-----BEGIN", 10) == 0);
    free(text);
    EXPECT(hsm_client_riot_create_leaf_cert(NULL, "code") == NULL);
    EXPECT(hsm_client_riot_create_leaf_cert(device, NULL) == NULL);
    EXPECT(hsm_client_riot_create_leaf_cert(device, "") == NULL);
    memset(longest, 'x', sizeof(longest));
    longest[65] = '\0';
    EXPECT(hsm_client_riot_create_leaf_cert(device, longest) == NULL);

    /* What is there keeps its name; what comes has the other. */
    EXPECT(dps_riot_set_device("short", NULL) == PROV_DEVICE_RESULT_INVALID_ARG);
    EXPECT(dps_riot_set_device(NULL, "no id") == PROV_DEVICE_RESULT_INVALID_ARG);
    EXPECT(dps_riot_set_device("another seed", "another-name") == PROV_DEVICE_RESULT_OK);
    hsm_client_riot_destroy(other);
    EXPECT(hsm_client_riot_get_common_name(other) == NULL);
    other = hsm_client_riot_create();
    text = hsm_client_riot_get_common_name(other);
    EXPECT(strcmp(text, "another-name") == 0);
    free(text);
    text = hsm_client_riot_get_common_name(device);
    EXPECT(strcmp(text, "riot-device-cert") == 0);
    free(text);
    hsm_client_riot_destroy(device);
    hsm_client_riot_destroy(other);
    hsm_client_riot_destroy(other);
    hsm_client_riot_destroy(NULL);
}

static bool finished;

static void registered(PROV_DEVICE_RESULT result, const char* hub, const char* device_id, void* context)
{
    (void)context;
    if (result == PROV_DEVICE_RESULT_OK)
    {
        printf("%s %s\n", hub, device_id);
    }
    finished = true;
}

static void register_device(char** argv, const char* id)
{
    static char ca[65536];
    FILE* file = fopen(argv[4], "rb");
    PROV_DEVICE_LL_HANDLE client;
    EXPECT(file != NULL && fread(ca, 1, sizeof(ca) - 1, file) > 0);
    fclose(file);
    EXPECT(id == NULL || dps_riot_set_device(NULL, id) == PROV_DEVICE_RESULT_OK);
    EXPECT(prov_dev_security_init(SECURE_DEVICE_TYPE_X509) == 0);
    client = Prov_Device_LL_Create(argv[2], argv[3],
        strcmp(argv[5], "http") == 0 ? Prov_Device_HTTP_Protocol : Prov_Device_MQTT_Protocol);
    EXPECT(client != NULL);
    EXPECT(Prov_Device_LL_SetOption(client, OPTION_TRUSTED_CERT, ca) == PROV_DEVICE_RESULT_OK);
    EXPECT(Prov_Device_LL_Register_Device(client, registered, NULL, NULL, NULL) == PROV_DEVICE_RESULT_OK);
    while (!finished)
    {
        Prov_Device_LL_DoWork(client);
        ThreadAPI_Sleep(10);
    }
    fprintf(stderr, "%s\n", dps_ll_last_error(client));
    Prov_Device_LL_Destroy(client);
    prov_dev_security_deinit();
}

int main(int argc, char** argv)
{
    if (argc == 2 && strcmp(argv[1], "contract") == 0)
    {
        contract();
        return EXIT_SUCCESS;
    }
    EXPECT(argc == 6 || argc == 7);
    register_device(argv, argc == 7 ? argv[6] : NULL);
    return EXIT_SUCCESS;
}
