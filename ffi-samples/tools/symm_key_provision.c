/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A registration id and a key for a device with a symmetric key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "dps/dps.h"
#include "text.h"

#define KEY_BYTES 32
#define NAME_BYTES 8

static const char HELP[] =
    "[options]\n"
    "\n"
    "Prints a registration id and a key of 32 random bytes in base64, for an individual enrollment;\n"
    "or the key of a device in an enrollment group, which is made from the group's key.\n"
    "\n"
    "  --registration-id ID   the device; without it a random one\n"
    "  --group-key-file FILE  a file with the group's key in base64, - for standard input\n"
    "  --key-only             print the key and nothing else\n"
    "  --help                 this text\n"
    "\n"
    "Exit codes: 0, 1 when it cannot be done, 2 for a wrong command line.\n";

/* From the operating system. */
static bool random_bytes(unsigned char* bytes, size_t count)
{
    FILE* source = fopen("/dev/urandom", "rb");
    bool done = false;
    if (source != NULL)
    {
        /* No more than is asked for. */
        setvbuf(source, NULL, _IONBF, 0);
        done = fread(bytes, 1, count, source) == count;
        fclose(source);
    }
    if (!done)
    {
        fprintf(stderr, "error: the operating system gives no random bytes (/dev/urandom)\n");
    }
    return done;
}

static bool random_name(char* text, size_t size)
{
    unsigned char bytes[NAME_BYTES];
    size_t index;
    int length = snprintf(text, size, "device-");
    if (!random_bytes(bytes, sizeof(bytes)))
    {
        return false;
    }
    for (index = 0; index < sizeof(bytes); index++)
    {
        length += snprintf(text + length, size - (size_t)length, "%02x", bytes[index]);
    }
    return true;
}

static char* random_key(void)
{
    unsigned char bytes[KEY_BYTES];
    volatile unsigned char* place = bytes;
    char* key = random_bytes(bytes, sizeof(bytes)) ? arguments_base64(bytes, sizeof(bytes)) : NULL;
    while (place < bytes + sizeof(bytes))
    {
        *place++ = 0;
    }
    return key;
}

int main(int argc, char** argv)
{
    const char* id = NULL;
    const char* group_file = NULL;
    bool key_only = false;
    const OPTION options[] = {
        { "--registration-id", &id, NULL },
        { "--group-key-file", &group_file, NULL },
        { "--key-only", NULL, &key_only },
        { NULL, NULL, NULL },
    };
    char name[sizeof("device-") + 2 * NAME_BYTES];
    char* group = NULL;
    char* checked;
    char* key;

    if (arguments_read(argc, argv, options, HELP) != 0)
    {
        return EXIT_USAGE;
    }
    if (key_only && id == NULL)
    {
        fprintf(stderr, "error: --key-only wants --registration-id: nobody would know the random one\n");
        return EXIT_USAGE;
    }
    if (id == NULL)
    {
        if (!random_name(name, sizeof(name)))
        {
            return EXIT_FAILURE;
        }
        id = name;
    }
    group = group_file != NULL ? arguments_secret(group_file) : random_key();
    if (group == NULL)
    {
        return EXIT_FAILURE;
    }
    /* Of a random key too: this is where an id that the service would refuse comes to light. */
    checked = dps_derive_device_key(group, id);
    if (checked == NULL)
    {
        fprintf(stderr, "error: %s\n", dps_last_error(NULL));
        text_wipe_and_free(group);
        return EXIT_FAILURE;
    }
    key = group_file != NULL ? checked : group;
    if (key_only)
    {
        printf("%s\n", key);
    }
    else
    {
        printf("Registration id: %s\n%s: %s\n", id, group_file != NULL ? "Device key" : "Symmetric key", key);
    }
    text_wipe_and_free(group);
    text_wipe_and_free(checked);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
