/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the samples are told on the command line and in the environment. */
#ifndef SAMPLE_SETTINGS_H
#define SAMPLE_SETTINGS_H

#include <stdbool.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "azure_prov_client/prov_security_factory.h"

typedef struct SAMPLE_SETTINGS_TAG
{
    const char* endpoint;
    const char* id_scope;
    /* NULL: the certificate's common name. */
    const char* registration_id;
    SECURE_DEVICE_TYPE proof;
    /* For a symmetric key: base64. */
    char* key;
    /* For X.509: PEM. */
    char* certificate;
    char* certificate_key;
    PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION protocol;
    /* Without a host: none. */
    HTTP_PROXY_OPTIONS proxy;
    char proxy_host[256];
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

/* Calls prov_dev_security_init, and for a symmetric key prov_dev_set_symmetric_key_info. 0 when
 * that went well. */
int settings_choose_proof(SAMPLE_SETTINGS* settings);

/* Wipes the keys and frees everything. */
void settings_free(SAMPLE_SETTINGS* settings);

/* Prints the tutorials' last line, and waits for the enter key when somebody can press it. */
void settings_wait_for_enter(const SAMPLE_SETTINGS* settings);

#endif /* SAMPLE_SETTINGS_H */
