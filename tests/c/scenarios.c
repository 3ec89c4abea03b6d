/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * dps_c_scenarios ll|threaded SCENARIO [--endpoint HOST:PORT --id-scope SCOPE
 *                 --registration-id ID --key BASE64 --ca FILE]
 * dps_c_scenarios --list           names of the scenarios, with "offline" or "service"
 *
 * Exit code 0 when the scenario went as expected; else a message says what did not. One process
 * for each: part of the state is the process's.
 */
#define _POSIX_C_SOURCE 200809L

#include "scenarios.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_prov_client/prov_security_factory.h"

static const struct
{
    const char* name;
    void (*run)(void);
    bool needs_service;
} SCENARIOS[] = {
    { "security_factory", security_factory, false },
    { "null_args", null_args, false },
    { "options", options, false },
    { "bad_settings", bad_settings, false },
    { "refused_tcp", refused_tcp, false },
    { "silent_server", silent_server, false },
    { "use_after_destroy", use_after_destroy, false },
    { "destroy_midway_offline", destroy_midway_offline, false },
    { "success", success, true },
    { "wrong_key", wrong_key, true },
    { "untrusted", untrusted, true },
    { "destroy_midway", destroy_midway, true },
    { "register_again", register_again, true },
    { "register_in_flight", register_in_flight, true },
    { "callback_reentrancy", callback_reentrancy, true },
    { "payload", payload, true },
    { "id_by_option", id_by_option, true },
};
#define SCENARIO_COUNT (sizeof(SCENARIOS) / sizeof(SCENARIOS[0]))

static void list(void)
{
    size_t index;
    for (index = 0; index < SCENARIO_COUNT; index++)
    {
        printf("%s %s\n", SCENARIOS[index].name, SCENARIOS[index].needs_service ? "service" : "offline");
    }
}

static char* read_file(const char* name)
{
    static char text[64 * 1024];
    size_t length;
    FILE* file = fopen(name, "rb");
    CHECK(file != NULL);
    length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    return text;
}

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
        return &arguments.ca_file;
    }
    return NULL;
}

/* Every thread of the library has ended, or does so now: look-ups and workers whose handle was
 * destroyed from their own callback end by themselves. */
static void no_thread_is_left(void)
{
#ifdef __linux__
    uint64_t began = now_ms();
    int threads;
    do
    {
        DIR* folder = opendir("/proc/self/task");
        struct dirent* entry;
        CHECK(folder != NULL);
        threads = 0;
        while ((entry = readdir(folder)) != NULL)
        {
            threads += entry->d_name[0] != '.';
        }
        closedir(folder);
        if (threads > 1)
        {
            sleep_ms(5);
        }
    } while (threads > 1 && now_ms() - began < 5000);
    CHECK_EQ(threads, 1);
#endif
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
    if (arguments.ca_file != NULL)
    {
        arguments.ca = read_file(arguments.ca_file);
    }

    for (index = 0; index < SCENARIO_COUNT; index++)
    {
        if (strcmp(SCENARIOS[index].name, argv[2]) == 0)
        {
            if (SCENARIOS[index].needs_service &&
                (arguments.endpoint == NULL || arguments.id_scope == NULL || arguments.registration_id == NULL ||
                 arguments.key == NULL || arguments.ca == NULL))
            {
                printf("%s needs --endpoint, --id-scope, --registration-id, --key and --ca\n", argv[2]);
                return 2;
            }
            SCENARIOS[index].run();
            prov_dev_security_deinit();
            no_thread_is_left();
            printf("%s %s: as expected\n", argv[1], argv[2]);
            return EXIT_SUCCESS;
        }
    }
    printf("unknown scenario %s\n", argv[2]);
    return 2;
}
