/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L

#include "settings.h"
#include "text.h"
#include "transports.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

static const char* const GLOBAL_ENDPOINT = "global.azure-devices-provisioning.net";

static void print_help(const char* program)
{
    printf(
        "Usage: %s [options]\n"
        "\n"
        "Registers a device with the Device Provisioning Service, by symmetric key or certificate.\n"
        "\n"
        "  --endpoint, --uri HOST[:PORT]  the service (PROVISIONING_HOST);\n"
        "                                 default %s\n"
        "  --id-scope SCOPE               the service's ID scope (PROVISIONING_IDSCOPE)\n"
        "  --registration-id ID           the device (PROVISIONING_REGISTRATION_ID); with a\n"
        "                                 certificate its common name, unless given\n"
        "  --key BASE64                   its key (PROVISIONING_SYMMETRIC_KEY); other users of\n"
        "                                 this machine can see it\n"
        "  --key-file FILE                a file that holds the key\n"
        "  --cert FILE                    a certificate instead (PEM): the device's own first,\n"
        "                                 then those of its issuers\n"
        "  --cert-key FILE                its private key (PEM)\n"
        "  --transport NAME               %s; default %s\n"
        "  --proxy HOST:PORT              go through this HTTP proxy (PROVISIONING_PROXY_USER,\n"
        "                                 PROVISIONING_PROXY_PASSWORD)\n"
        "  --trusted-cert FILE            trust these certificates (PEM) too\n"
        "                                 (PROVISIONING_TRUSTED_CERT)\n"
        "  --timeout SECONDS              give up after this time\n"
        "  --trace                        show what happens\n"
        "  --no-wait                      do not wait for the enter key at the end\n"
        "  --help                         this text\n",
        program,
        GLOBAL_ENDPOINT,
        transport_names(),
        DEFAULT_TRANSPORT);
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

static bool read_number(const char* text, unsigned int* number)
{
    char* end = NULL;
    unsigned long value;
    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > UINT_MAX / 1000u)
    {
        return false;
    }
    *number = (unsigned int)value;
    return true;
}

/* HOST:PORT, where HOST may be an address in brackets. */
static bool read_proxy(const char* text, SAMPLE_SETTINGS* settings)
{
    const char* colon = strrchr(text, ':');
    unsigned int port = 0;
    size_t length;
    if (colon == NULL || colon == text || !read_number(colon + 1, &port) || port == 0 || port > 65535u)
    {
        return false;
    }
    length = (size_t)(colon - text);
    if (length >= sizeof(settings->proxy_host))
    {
        return false;
    }
    memcpy(settings->proxy_host, text, length);
    settings->proxy_host[length] = '\0';
    settings->proxy.host_address = settings->proxy_host;
    settings->proxy.port = (int)port;
    settings->proxy.username = getenv("PROVISIONING_PROXY_USER");
    settings->proxy.password = getenv("PROVISIONING_PROXY_PASSWORD");
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
    const char* certificate = NULL;
    const char* certificate_key = NULL;
    const char* transport = DEFAULT_TRANSPORT;
    const char* proxy = NULL;
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
        else if ((value = option_value("--cert-key", argc, argv, &index)) != NULL)
        {
            certificate_key = value;
        }
        else if ((value = option_value("--cert", argc, argv, &index)) != NULL)
        {
            certificate = value;
        }
        else if ((value = option_value("--transport", argc, argv, &index)) != NULL)
        {
            transport = value;
        }
        else if ((value = option_value("--proxy", argc, argv, &index)) != NULL)
        {
            proxy = value;
        }
        else if ((value = option_value("--trusted-cert", argc, argv, &index)) != NULL)
        {
            trusted_cert = value;
        }
        else if ((value = option_value("--timeout", argc, argv, &index)) != NULL)
        {
            if (!read_number(value, &settings->timeout))
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

    settings->protocol = transport_by_name(transport);
    if (settings->protocol == NULL)
    {
        fprintf(stderr, "error: --transport takes one of %s, not \"%s\"\n", transport_names(), transport);
        return EXIT_USAGE;
    }
    if (proxy != NULL && !read_proxy(proxy, settings))
    {
        fprintf(stderr, "error: --proxy takes HOST:PORT\n");
        return EXIT_USAGE;
    }
    if (require(settings->id_scope, "--id-scope", "PROVISIONING_IDSCOPE") != 0)
    {
        return EXIT_USAGE;
    }
    if (certificate != NULL || certificate_key != NULL)
    {
        if (certificate == NULL || certificate_key == NULL || key != NULL || key_file != NULL)
        {
            fprintf(stderr, "error: give --cert and --cert-key, or a symmetric key (see --help)\n");
            return EXIT_USAGE;
        }
        settings->proof = SECURE_DEVICE_TYPE_X509;
        settings->certificate = text_of_file(certificate);
        settings->certificate_key = text_of_file(certificate_key);
        if (settings->certificate == NULL || settings->certificate_key == NULL)
        {
            settings_free(settings);
            return EXIT_FAILURE;
        }
    }
    else
    {
        settings->proof = SECURE_DEVICE_TYPE_SYMMETRIC_KEY;
        if (require(settings->registration_id, "--registration-id", "PROVISIONING_REGISTRATION_ID") != 0)
        {
            return EXIT_USAGE;
        }
        if (key != NULL || key_file == NULL)
        {
            key = from_environment(key, "PROVISIONING_SYMMETRIC_KEY");
            if (require(key, "--key-file, --key or --cert", "PROVISIONING_SYMMETRIC_KEY") != 0)
            {
                return EXIT_USAGE;
            }
            settings->key = text_copy(key);
        }
        else
        {
            settings->key = text_of_file(key_file);
        }
        if (settings->key == NULL)
        {
            return EXIT_FAILURE;
        }
    }
    if (trusted_cert != NULL)
    {
        settings->trusted_cert = text_of_file(trusted_cert);
        if (settings->trusted_cert == NULL)
        {
            settings_free(settings);
            return EXIT_FAILURE;
        }
    }
    return 0;
}

int settings_choose_proof(SAMPLE_SETTINGS* settings)
{
    int result = prov_dev_security_init(settings->proof);
    if (result == 0 && settings->proof == SECURE_DEVICE_TYPE_SYMMETRIC_KEY)
    {
        result = prov_dev_set_symmetric_key_info(settings->registration_id, settings->key);
        /* The library has its own copy now. */
        text_wipe_and_free(settings->key);
        settings->key = NULL;
    }
    return result;
}

void settings_free(SAMPLE_SETTINGS* settings)
{
    text_wipe_and_free(settings->key);
    text_wipe_and_free(settings->certificate_key);
    free(settings->certificate);
    free(settings->trusted_cert);
    settings->key = NULL;
    settings->certificate_key = NULL;
    settings->certificate = NULL;
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
