/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Devices with certificates. */
#include "scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_prov_client/prov_security_factory.h"
#include "certificates.h"

#define NOWHERE "localhost:1"

static void ignore_result(PROV_DEVICE_RESULT result, const char* hub, const char* device_id, void* context)
{
    (void)result;
    (void)hub;
    (void)device_id;
    (void)context;
}

/* Register with no service around: told whether it begins. */
static PROV_DEVICE_RESULT would_register(CLIENT client)
{
    return client.threaded != NULL
               ? Prov_Device_Register_Device(client.threaded, ignore_result, NULL, NULL, NULL)
               : Prov_Device_LL_Register_Device(client.ll, ignore_result, NULL, NULL, NULL);
}

static CLIENT client_with(const char* certificate, const char* key)
{
    CLIENT client = client_create(NOWHERE, "0ne1");
    CHECK(client_exists(client));
    if (certificate != NULL)
    {
        CHECK_EQ(client_set_option(client, OPTION_X509_CERT, certificate), PROV_DEVICE_RESULT_OK);
    }
    if (key != NULL)
    {
        CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, key), PROV_DEVICE_RESULT_OK);
    }
    return client;
}

/* Which options, when, how often; and what the process remembers. */
void x509_options(void)
{
    const PROV_DEVICE_RESULT null_value = arguments.threaded ? PROV_DEVICE_RESULT_INVALID_ARG : PROV_DEVICE_RESULT_ERROR;
    CLIENT client;
    CLIENT other;
    char* text;

    use_certificates();
    CHECK_EQ(prov_dev_security_get_type(), SECURE_DEVICE_TYPE_X509);
    CHECK(prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY) != 0);
    use_certificates();

    /* Nothing set: said which. */
    client = client_create(NOWHERE, "0ne1");
    CHECK(client_exists(client));
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, NULL), null_value);
    CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, NULL), null_value);
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "neither x509certificate nor x509privatekey") != NULL);

    /* The texts are copied. The names of the TLS layer mean the same; each is set once. */
    text = malloc(sizeof(DEVICE_KEY));
    CHECK(text != NULL);
    memcpy(text, DEVICE_KEY, sizeof(DEVICE_KEY));
    CHECK_EQ(client_set_option(client, OPTION_X509_ECC_KEY, text), PROV_DEVICE_RESULT_OK);
    memset(text, 'x', sizeof(DEVICE_KEY) - 1);
    free(text);
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "x509certificate has not been set") != NULL);

    /* Another client that was refused for want of one is not stuck with this one's key. */
    other = client_create(NOWHERE, "0ne1");
    CHECK_EQ(would_register(other), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(other, OPTION_X509_PRIVATE_KEY, OTHER_DEVICE_KEY), PROV_DEVICE_RESULT_OK);
    client_destroy(other);

    CHECK_EQ(client_set_option(client, OPTION_X509_ECC_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_ERROR);
    CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, DEVICE_KEY), PROV_DEVICE_RESULT_ERROR);

    /* The common name is the id from then on. */
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "late"), PROV_DEVICE_RESULT_ERROR);
    client_destroy(client);

    /* A second client: has the first one's, or its own. */
    client = client_create(NOWHERE, "0ne1");
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_OK);
    client_destroy(client);
    client = client_with(NULL, OTHER_DEVICE_KEY);
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "x509certificate has not been set") != NULL);
    client_destroy(client);

    /* deinit and init forget. */
    prov_dev_security_deinit();
    client = client_create(NOWHERE, "0ne1");
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    client_destroy(client);
    client = client_with(DEVICE_CERTIFICATE, DEVICE_KEY);
    client_destroy(client);
    use_certificates();
    client = client_create(NOWHERE, "0ne1");
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    client_destroy(client);
}

/* What cannot work says why, with the code that the original ends with. */
void x509_misuse(void)
{
    static const struct
    {
        const char* certificate;
        const char* key;
        PROV_DEVICE_RESULT expected;
        const char* words;
    } CASES[] = {
        { DEVICE_CERTIFICATE, OTHER_DEVICE_KEY, PROV_DEVICE_RESULT_TRANSPORT, "does not belong to the certificate" },
        { DEVICE_CERTIFICATE, ENCRYPTED_KEY, PROV_DEVICE_RESULT_TRANSPORT, "encrypted" },
        { DEVICE_CERTIFICATE, "/etc/device.key", PROV_DEVICE_RESULT_TRANSPORT, "no private key" },
        { DEVICE_CERTIFICATE, "", PROV_DEVICE_RESULT_TRANSPORT, "no private key" },
        { DEVICE_CERTIFICATE, DEVICE_CERTIFICATE, PROV_DEVICE_RESULT_TRANSPORT, "no private key" },
        { "/etc/device.pem", DEVICE_KEY, PROV_DEVICE_RESULT_TRANSPORT, "no certificate" },
        { "", DEVICE_KEY, PROV_DEVICE_RESULT_TRANSPORT, "no certificate" },
        { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", DEVICE_KEY, PROV_DEVICE_RESULT_TRANSPORT, "certificate 1" },
        { "-----BEGIN CERTIFICATE-----\nAAAA", DEVICE_KEY, PROV_DEVICE_RESULT_TRANSPORT, "damaged" },
        { "\xFF\xFE", "\xFF\xFE", PROV_DEVICE_RESULT_TRANSPORT, "not PEM" },
        /* The original sends it, and the service refuses it. */
        { EXPIRED_CERTIFICATE, DEVICE_KEY, PROV_DEVICE_RESULT_DEV_AUTH_ERROR, "expired on" },
    };
    size_t index;
    CLIENT client;
    RECORD record;

    use_certificates();
    for (index = 0; index < sizeof(CASES) / sizeof(CASES[0]); index++)
    {
        DPS_FAILURE failure;
        client = client_with(CASES[index].certificate, CASES[index].key);
        CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "c-device"), PROV_DEVICE_RESULT_OK);
        register_and_finish(client, &record);
        printf("%s\n", client_error(client));
        CHECK_EQ(record.result, CASES[index].expected);
        CHECK_EQ(record.connected, 0);
        failure = client_failure(client);
        CHECK_EQ(failure.result, CASES[index].expected);
        CHECK(strcmp(failure.stage, "hsm") == 0);
        CHECK(strstr(failure.text, CASES[index].words) != NULL);
        CHECK(strlen(failure.hint) > 0);
        CHECK(strstr(client_error(client), "MIG") == NULL);
        client_destroy(client);
    }

    /* Without the option there is no id, because there is no common name that could be one. */
    client = client_with(NAMELESS_CERTIFICATE, DEVICE_KEY);
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "common name") != NULL);
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "c-device"), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_OK);
    client_destroy(client);

    client = client_with(DEVICE_CERTIFICATE, OTHER_DEVICE_KEY);
    CHECK_EQ(would_register(client), PROV_DEVICE_RESULT_ERROR);
    CHECK(strstr(client_error(client), "does not belong") != NULL);
    client_destroy(client);

    client = client_with(BADLY_NAMED_CERTIFICATE, DEVICE_KEY);
    register_and_finish(client, &record);
    CHECK_EQ(record.result, PROV_DEVICE_RESULT_DEV_AUTH_ERROR);
    CHECK(strstr(client_error(client), "position 4") != NULL);
    client_destroy(client);
}

static void expect_invalid_certificate(CLIENT client)
{
    RECORD record;
    DPS_FAILURE failure;

    register_and_finish(client, &record);
    CHECK_EQ(record.result, arguments.refused);
    CHECK_EQ(record.assigning, 0);
    failure = client_failure(client);
    CHECK_EQ(failure.transient, 0);
    CHECK_EQ(failure.service_status, 401);
    CHECK_EQ(failure.service_error_code, 401002);
    CHECK(strcmp(failure.service_message, "Invalid certificate.") == 0);
    CHECK(strstr(failure.hint, "chain") != NULL);
    printf("%s\n", client_error(client));
}

/* A certificate that is not enrolled, and an enrolled one under another name. */
void x509_refused(void)
{
    CLIENT client;

    use_certificates();
    client = client_create(arguments.endpoint, arguments.id_scope);
    CHECK_EQ(client_set_option(client, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(client, OPTION_X509_PRIVATE_KEY, DEVICE_KEY), PROV_DEVICE_RESULT_OK);
    expect_invalid_certificate(client);
    client_destroy(client);

    client = new_client();
    CHECK_EQ(client_set_option(client, PROV_REGISTRATION_ID, "somebody-else"), PROV_DEVICE_RESULT_OK);
    expect_invalid_certificate(client);
    client_destroy(client);
}

/* The key comes before the certificate, both before what to trust; and several clients. */
void x509_several(void)
{
    CLIENT first;
    CLIENT second;
    RECORD record;

    use_certificates();
    first = client_create(arguments.endpoint, arguments.id_scope);
    CHECK_EQ(client_set_option(first, OPTION_X509_PRIVATE_KEY, arguments.certificate_key), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(first, OPTION_X509_CERT, arguments.certificate), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(first, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    register_and_finish(first, &record);
    expect_success(&record);
    CHECK(strcmp(record.device_id, arguments.registration_id) == 0);

    /* Given none: the first one's, as in the original. */
    second = client_create(arguments.endpoint, arguments.id_scope);
    CHECK_EQ(client_set_option(second, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    register_and_finish(second, &record);
    expect_success(&record);
    client_destroy(second);

    /* Its own, beside the first. */
    second = client_create(arguments.endpoint, arguments.id_scope);
    CHECK_EQ(client_set_option(second, OPTION_TRUSTED_CERT, arguments.ca), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(second, OPTION_X509_CERT, DEVICE_CERTIFICATE), PROV_DEVICE_RESULT_OK);
    CHECK_EQ(client_set_option(second, OPTION_X509_PRIVATE_KEY, DEVICE_KEY), PROV_DEVICE_RESULT_OK);
    expect_invalid_certificate(second);
    client_destroy(second);

    register_and_finish(first, &record);
    expect_success(&record);
    client_destroy(first);
}
