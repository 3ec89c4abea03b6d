/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * dps_c_scenarios ll|threaded SCENARIO [--endpoint HOST:PORT --id-scope SCOPE --ca FILE
 *                 --registration-id ID (--key BASE64 | --cert FILE --cert-key FILE)
 *                 --transport NAME] [--timeout SECONDS] [--rounds NUMBER]
 * dps_c_scenarios --list           names of the scenarios, with what they need: "offline", a
 *                                  service and a "key", a "certificate" or "either", or a
 *                                  "token" and a library with DPS_PKCS11, or a "tpm" and one
 *                                  with hsm_type_sastoken
 *
 * Exit code 0 when the scenario went as expected; else a message says what did not. One process
 * for each: part of the state is the process's.
 */
#define _POSIX_C_SOURCE 200809L

#include "scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_amqp_client.h"
#include "azure_prov_client/prov_transport_amqp_ws_client.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "azure_prov_client/prov_transport_mqtt_ws_client.h"

static const struct
{
    const char* name;
    void (*run)(void);
    enum { OFFLINE, KEY, CERTIFICATE, EITHER, TOKEN, TPM } needs;
} SCENARIOS[] = {
    { "security_factory", security_factory, OFFLINE },
    { "null_args", null_args, OFFLINE },
    { "options_table", options_table, OFFLINE },
    { "options", options, OFFLINE },
    { "proxy", proxy, OFFLINE },
    { "x509_options", x509_options, OFFLINE },
    { "x509_misuse", x509_misuse, OFFLINE },
    { "bad_settings", bad_settings, OFFLINE },
    { "refused_tcp", refused_tcp, OFFLINE },
    { "silent_server", silent_server, OFFLINE },
    { "use_after_destroy", use_after_destroy, OFFLINE },
    { "destroy_midway_offline", destroy_midway_offline, OFFLINE },
    { "hub_security_factory", hub_security_factory, OFFLINE },
    { "hub_tokens", hub_tokens, OFFLINE },
    { "hub_certificates", hub_certificates, OFFLINE },
    { "hsm_tables", hsm_tables, OFFLINE },
    { "hsm_key_misuse", hsm_key_misuse, OFFLINE },
    { "hsm_x509_misuse", hsm_x509_misuse, OFFLINE },
    { "pkcs11_missing", pkcs11_missing, OFFLINE },
    { "pkcs11_options", pkcs11_options, TOKEN },
    { "pkcs11_hub_tokens", pkcs11_hub_tokens, TOKEN },
    { "pkcs11_slow_token", pkcs11_slow_token, TOKEN },
    { "tpm_missing", tpm_missing, OFFLINE },
    { "tpm_unreachable", tpm_unreachable, TPM },
    { "tpm_module", tpm_module, TPM },
    { "tpm_register", tpm_register, TPM },
    { "tpm_hub_token", tpm_hub_token, TPM },
    { "tpm_without_mqtt", tpm_without_mqtt, TPM },
    { "tpm_refused", tpm_refused, TPM },
    { "tpm_outcome", tpm_outcome, TPM },
    { "hsm_tpm_misuse", hsm_tpm_misuse, OFFLINE },
    { "hsm_slow_module", hsm_slow_module, OFFLINE },
    { "auth_create_tpm", auth_create_tpm, OFFLINE },
    { "auth_create_x509", auth_create_x509, OFFLINE },
    { "auth_null", auth_null, OFFLINE },
    { "auth_tpm", auth_tpm, OFFLINE },
    { "auth_x509", auth_x509, OFFLINE },
    { "auth_key", auth_key, OFFLINE },
    { "built_in_key", built_in_key, OFFLINE },
    { "built_in_x509", built_in_x509, OFFLINE },
    { "built_in_tpm", built_in_tpm, OFFLINE },
    { "idle_handles", idle_handles, OFFLINE },
    { "registration_ids", registration_ids, OFFLINE },
    { "null_contexts", null_contexts, OFFLINE },
    { "timeout_from_register", timeout_from_register, OFFLINE },
    { "silence", silence, OFFLINE },
    { "default_deadline", default_deadline, OFFLINE },
    { "key_errors", key_errors, OFFLINE },
    { "hostile_texts", hostile_texts, OFFLINE },
    { "hostile_handles", hostile_handles, OFFLINE },
    { "hostile_options", hostile_options, OFFLINE },
    { "hostile_callbacks", hostile_callbacks, OFFLINE },
    { "hostile_memory", hostile_memory, OFFLINE },
    { "threads_factory", threads_factory, OFFLINE },
    { "threads_storm", threads_storm, OFFLINE },
    { "threads_crossed", threads_crossed, OFFLINE },
    { "success", success, EITHER },
    { "wrong_key", wrong_key, KEY },
    { "untrusted", untrusted, EITHER },
    { "destroy_midway", destroy_midway, EITHER },
    { "register_again", register_again, EITHER },
    { "register_in_flight", register_in_flight, EITHER },
    { "callback_reentrancy", callback_reentrancy, EITHER },
    { "payload", payload, KEY },
    { "id_by_option", id_by_option, KEY },
    { "x509_refused", x509_refused, CERTIFICATE },
    { "x509_several", x509_several, CERTIFICATE },
    { "hsm_key", hsm_key, KEY },
    { "hsm_x509", hsm_x509, CERTIFICATE },
    { "hsm_x509_signer", hsm_x509_signer, CERTIFICATE },
    { "traced", traced, EITHER },
    { "all_statuses", all_statuses, KEY },
    { "uniform_results", uniform_results, KEY },
    { "threads_several", threads_several, EITHER },
    { "threads_callbacks", threads_callbacks, EITHER },
    { "outcome", outcome, EITHER },
};
#define SCENARIO_COUNT (sizeof(SCENARIOS) / sizeof(SCENARIOS[0]))

static void list(void)
{
    static const char* const NEEDS[] = { "offline", "key", "certificate", "either", "token", "tpm" };
    size_t index;
    for (index = 0; index < SCENARIO_COUNT; index++)
    {
        printf("%s %s\n", SCENARIOS[index].name, NEEDS[SCENARIOS[index].needs]);
    }
}

static const struct
{
    const char* name;
    PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION protocol;
} TRANSPORTS[] = {
    { "mqtt", Prov_Device_MQTT_Protocol },
    { "mqtt-ws", Prov_Device_MQTT_WS_Protocol },
    { "http", Prov_Device_HTTP_Protocol },
    { "amqp", Prov_Device_AMQP_Protocol },
    { "amqp-ws", Prov_Device_AMQP_WS_Protocol },
};

static PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION protocol_of(const char* name)
{
    size_t index;
    for (index = 0; index < sizeof(TRANSPORTS) / sizeof(TRANSPORTS[0]); index++)
    {
        if (strcmp(TRANSPORTS[index].name, name) == 0)
        {
            return TRANSPORTS[index].protocol;
        }
    }
    return NULL;
}

/* To be freed; NULL for NULL. */
static char* read_file(const char* name)
{
    const size_t largest = 64 * 1024;
    size_t length;
    char* text;
    FILE* file;
    if (name == NULL)
    {
        return NULL;
    }
    file = fopen(name, "rb");
    text = malloc(largest + 1);
    CHECK(file != NULL && text != NULL);
    length = fread(text, 1, largest, file);
    fclose(file);
    text[length] = '\0';
    return text;
}

/* Names of files and of the transport. */
static const char* ca_file;
static const char* certificate_file;
static const char* certificate_key_file;
static const char* transport = "mqtt";
static const char* timeout = "0";
static const char* rounds = "1";

static const char** place_of(const char* option)
{
    if (strcmp(option, "--endpoint") == 0)
    {
        return &arguments.endpoint;
    }
    if (strcmp(option, "--id-scope") == 0)
    {
        return &arguments.id_scope;
    }
    if (strcmp(option, "--registration-id") == 0)
    {
        return &arguments.registration_id;
    }
    if (strcmp(option, "--key") == 0)
    {
        return &arguments.key;
    }
    if (strcmp(option, "--ca") == 0)
    {
        return &ca_file;
    }
    if (strcmp(option, "--cert") == 0)
    {
        return &certificate_file;
    }
    if (strcmp(option, "--cert-key") == 0)
    {
        return &certificate_key_file;
    }
    if (strcmp(option, "--transport") == 0)
    {
        return &transport;
    }
    if (strcmp(option, "--timeout") == 0)
    {
        return &timeout;
    }
    if (strcmp(option, "--rounds") == 0)
    {
        return &rounds;
    }
    return NULL;
}

int main(int argc, char** argv)
{
    size_t index;
    int argument;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
    {
        list();
        return EXIT_SUCCESS;
    }
    if (argc < 3 || (strcmp(argv[1], "ll") != 0 && strcmp(argv[1], "threaded") != 0))
    {
        printf("usage: %s ll|threaded SCENARIO [options], or --list\n", argv[0]);
        return 2;
    }
    arguments.threaded = strcmp(argv[1], "threaded") == 0;
    for (argument = 3; argument + 1 < argc; argument += 2)
    {
        const char** place = place_of(argv[argument]);
        if (place == NULL)
        {
            printf("unknown option %s\n", argv[argument]);
            return 2;
        }
        *place = argv[argument + 1];
    }
    arguments.protocol = protocol_of(transport);
    if (arguments.protocol == NULL)
    {
        printf("unknown transport %s\n", transport);
        return 2;
    }
    arguments.refused = strncmp(transport, "amqp", 4) == 0 ? PROV_DEVICE_RESULT_TRANSPORT : PROV_DEVICE_RESULT_DEV_AUTH_ERROR;
    arguments.timeout = (uint8_t)atoi(timeout);
    arguments.rounds = atoi(rounds);
    arguments.ca = read_file(ca_file);
    arguments.certificate = read_file(certificate_file);
    arguments.certificate_key = read_file(certificate_key_file);

    for (index = 0; index < SCENARIO_COUNT; index++)
    {
        if (strcmp(SCENARIOS[index].name, argv[2]) == 0)
        {
            const bool has_key = arguments.key != NULL;
            const bool has_certificate = arguments.certificate != NULL && arguments.certificate_key != NULL;
            if (SCENARIOS[index].needs != OFFLINE && SCENARIOS[index].needs != TOKEN && SCENARIOS[index].needs != TPM &&
                (arguments.endpoint == NULL || arguments.id_scope == NULL || arguments.registration_id == NULL ||
                 arguments.ca == NULL || has_key == has_certificate ||
                 (SCENARIOS[index].needs == KEY && !has_key) ||
                 (SCENARIOS[index].needs == CERTIFICATE && !has_certificate)))
            {
                printf("%s lacks arguments, or has too many\n", argv[2]);
                return 2;
            }
            SCENARIOS[index].run();
            prov_dev_security_deinit();
            no_thread_is_left();
            free(arguments.ca);
            free(arguments.certificate);
            free(arguments.certificate_key);
            printf("%s %s: as expected\n", argv[1], argv[2]);
            return EXIT_SUCCESS;
        }
    }
    printf("unknown scenario %s\n", argv[2]);
    return 2;
}
