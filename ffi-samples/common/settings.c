/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L

#include "settings.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define LARGEST_FILE ((size_t)1024 * 1024)

static const char* const GLOBAL_ENDPOINT = "global.azure-devices-provisioning.net";

static void print_help(const char* program)
{
    printf(
        "Usage: %s [options]\n"
        "\n"
        "Registers a device with the Device Provisioning Service by symmetric key.\n"
        "\n"
        "  --endpoint, --uri HOST[:PORT]  the service (PROVISIONING_HOST);\n"
        "                                 default %s\n"
        "  --id-scope SCOPE               the service's ID scope (PROVISIONING_IDSCOPE)\n"
        "  --registration-id ID           the device (PROVISIONING_REGISTRATION_ID)\n"
        "  --key BASE64                   its key (PROVISIONING_SYMMETRIC_KEY); other users of\n"
        "                                 this machine can see it\n"
        "  --key-file FILE                a file that holds the key\n"
        "  --trusted-cert FILE            trust these certificates (PEM) too\n"
        "                                 (PROVISIONING_TRUSTED_CERT)\n"
        "  --timeout SECONDS              give up after this time\n"
        "  --trace                        show what happens\n"
        "  --no-wait                      do not wait for the enter key at the end\n"
        "  --help                         this text\n",
        program,
        GLOBAL_ENDPOINT);
}

static void wipe(char* text)
{
    /* volatile: the compiler must not think that nobody reads it any more. */
    volatile char* place = text;
    while (*place != '\0')
    {
        *place++ = '\0';
    }
}

static char* copy_text(const char* text)
{
    size_t size = strlen(text) + 1;
    char* copy = malloc(size);
    if (copy != NULL)
    {
        memcpy(copy, text, size);
    }
    return copy;
}

/* The whole file as a text, to be freed; NULL after a message. */
static char* read_file(const char* name)
{
    char* text = NULL;
    size_t length = 0;
    FILE* file = fopen(name, "rb");
    if (file == NULL)
    {
        fprintf(stderr, "error: cannot open %s: %s\n", name, strerror(errno));
        return NULL;
    }
    text = malloc(LARGEST_FILE + 1);
    if (text == NULL)
    {
        fprintf(stderr, "error: out of memory\n");
    }
    else
    {
        length = fread(text, 1, LARGEST_FILE + 1, file);
        if (ferror(file) || length > LARGEST_FILE)
        {
            fprintf(stderr, "error: cannot read %s, or it is too large\n", name);
            free(text);
            text = NULL;
        }
        else
        {
            text[length] = '\0';
        }
    }
    fclose(file);
    return text;
}

/* If argv[*index] is the option, gives its value, which may be the next argument. */
static const char* option_value(const char* option, int argc, char** argv, int* index)
{
    size_t length = strlen(option);
    if (strncmp(argv[*index], option, length) != 0)
    {
        return NULL;
    }
    if (argv[*index][length] == '=')
    {
        return argv[*index] + length + 1;
    }
    if (argv[*index][length] == '\0' && *index + 1 < argc)
    {
        *index += 1;
        return argv[*index];
    }
    return NULL;
}

static bool read_seconds(const char* text, unsigned int* seconds)
{
    char* end = NULL;
    unsigned long value;
    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > UINT_MAX / 1000u)
    {
        return false;
    }
    *seconds = (unsigned int)value;
    return true;
}

static const char* from_environment(const char* argument, const char* variable)
{
    const char* value = argument != NULL ? argument : getenv(variable);
    return value != NULL && *value != '\0' ? value : NULL;
}

static int require(const char* value, const char* option, const char* variable)
{
    if (value != NULL)
    {
        return 0;
    }
    fprintf(stderr, "error: give %s, or set %s (see --help)\n", option, variable);
    return EXIT_USAGE;
}

int settings_read(SAMPLE_SETTINGS* settings, int argc, char** argv)
{
    const char* key = NULL;
    const char* key_file = NULL;
    const char* trusted_cert = NULL;
    const char* value;
    int index;

    memset(settings, 0, sizeof(*settings));
    settings->wait_for_enter = true;

    for (index = 1; index < argc; index++)
    {
        if (strcmp(argv[index], "--help") == 0)
        {
            print_help(argv[0]);
            exit(EXIT_SUCCESS);
        }
        else if (strcmp(argv[index], "--no-wait") == 0)
        {
            settings->wait_for_enter = false;
        }
        else if (strcmp(argv[index], "--trace") == 0)
        {
            settings->trace = true;
        }
        else if ((value = option_value("--endpoint", argc, argv, &index)) != NULL ||
                 (value = option_value("--uri", argc, argv, &index)) != NULL)
        {
            settings->endpoint = value;
        }
        else if ((value = option_value("--id-scope", argc, argv, &index)) != NULL)
        {
            settings->id_scope = value;
        }
        else if ((value = option_value("--registration-id", argc, argv, &index)) != NULL)
        {
            settings->registration_id = value;
        }
        else if ((value = option_value("--key-file", argc, argv, &index)) != NULL)
        {
            key_file = value;
        }
        else if ((value = option_value("--key", argc, argv, &index)) != NULL)
        {
            key = value;
        }
        else if ((value = option_value("--trusted-cert", argc, argv, &index)) != NULL)
        {
            trusted_cert = value;
        }
        else if ((value = option_value("--timeout", argc, argv, &index)) != NULL)
        {
            if (!read_seconds(value, &settings->timeout))
            {
                fprintf(stderr, "error: --timeout takes a number of seconds, not \"%s\"\n", value);
                return EXIT_USAGE;
            }
        }
        else
        {
            /* Not echoed in full: it might be a misplaced key. */
            fprintf(stderr, "error: argument %d is unknown or lacks its value (see --help)\n", index);
            return EXIT_USAGE;
        }
    }

    settings->endpoint = from_environment(settings->endpoint, "PROVISIONING_HOST");
    if (settings->endpoint == NULL)
    {
        settings->endpoint = GLOBAL_ENDPOINT;
    }
    settings->id_scope = from_environment(settings->id_scope, "PROVISIONING_IDSCOPE");
    settings->registration_id = from_environment(settings->registration_id, "PROVISIONING_REGISTRATION_ID");
    trusted_cert = from_environment(trusted_cert, "PROVISIONING_TRUSTED_CERT");

    if (require(settings->id_scope, "--id-scope", "PROVISIONING_IDSCOPE") != 0 ||
        require(settings->registration_id, "--registration-id", "PROVISIONING_REGISTRATION_ID") != 0)
    {
        return EXIT_USAGE;
    }
    if (key != NULL || key_file == NULL)
    {
        key = from_environment(key, "PROVISIONING_SYMMETRIC_KEY");
        if (require(key, "--key-file or --key", "PROVISIONING_SYMMETRIC_KEY") != 0)
        {
            return EXIT_USAGE;
        }
        settings->key = copy_text(key);
    }
    else
    {
        settings->key = read_file(key_file);
    }
    if (settings->key == NULL)
    {
        return EXIT_FAILURE;
    }
    if (trusted_cert != NULL)
    {
        settings->trusted_cert = read_file(trusted_cert);
        if (settings->trusted_cert == NULL)
        {
            settings_free(settings);
            return EXIT_FAILURE;
        }
    }
    return 0;
}

void settings_forget_key(SAMPLE_SETTINGS* settings)
{
    if (settings->key != NULL)
    {
        wipe(settings->key);
        free(settings->key);
        settings->key = NULL;
    }
}

void settings_free(SAMPLE_SETTINGS* settings)
{
    settings_forget_key(settings);
    free(settings->trusted_cert);
    settings->trusted_cert = NULL;
}

void settings_wait_for_enter(const SAMPLE_SETTINGS* settings)
{
    if (settings->wait_for_enter)
    {
        printf("Press enter key to exit:\n");
        fflush(stdout);
        if (isatty(STDIN_FILENO))
        {
            (void)getchar();
        }
    }
}
