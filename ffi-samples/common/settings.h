/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the samples are told on the command line and in the environment. */
#ifndef SAMPLE_SETTINGS_H
#define SAMPLE_SETTINGS_H

#include <stdbool.h>

typedef struct SAMPLE_SETTINGS_TAG
{
    const char* endpoint;
    const char* id_scope;
    const char* registration_id;
    /* Base64. Wiped and freed by settings_forget_key. */
    char* key;
    /* PEM text, or NULL. */
    char* trusted_cert;
    /* Limit for the whole registration in seconds; 0: none. */
    unsigned int timeout;
    bool trace;
    bool wait_for_enter;
} SAMPLE_SETTINGS;

/* Reads arguments first, environment second. Returns 0, or the exit code with which the program
 * should end; then the reason (or the help) has been printed. */
int settings_read(SAMPLE_SETTINGS* settings, int argc, char** argv);

/* Wipes and frees the key: the library has its own copy from prov_dev_set_symmetric_key_info on. */
void settings_forget_key(SAMPLE_SETTINGS* settings);

/* Frees everything. */
void settings_free(SAMPLE_SETTINGS* settings);

/* Prints the tutorials' last line, and waits for the enter key when somebody can press it. */
void settings_wait_for_enter(const SAMPLE_SETTINGS* settings);

#endif /* SAMPLE_SETTINGS_H */
