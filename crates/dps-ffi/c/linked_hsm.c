/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The seven functions of a library of security modules that the program is linked with. The
 * references are weak: libdps takes the functions when they are there, and brings none of these names
 * with it, so that nothing can clash.
 */
#include <stddef.h>

#include "hsm_client_data.h"

/* LibraryInterface in crates/dps-hsm-custom, and DPS_HSM_LIBRARY in dps.h. */
typedef struct LINKED_HSM_TAG
{
    size_t size;
    int (*x509_init)(void);
    void (*x509_deinit)(void);
    int (*tpm_init)(void);
    void (*tpm_deinit)(void);
    const HSM_CLIENT_TPM_INTERFACE* (*tpm_interface)(void);
    const HSM_CLIENT_X509_INTERFACE* (*x509_interface)(void);
    const HSM_CLIENT_KEY_INTERFACE* (*key_interface)(void);
} LINKED_HSM;

#pragma weak hsm_client_x509_init
#pragma weak hsm_client_x509_deinit
#pragma weak hsm_client_tpm_init
#pragma weak hsm_client_tpm_deinit
#pragma weak hsm_client_tpm_interface
#pragma weak hsm_client_x509_interface
#pragma weak hsm_client_key_interface

/* Stands beside libdps_hsm_interfaces' definitions of the seven, which lead back to libdps's own modules. */
extern const char dps_hsm_built_in_names;
#pragma weak dps_hsm_built_in_names

/* Of custom_hsm.c: the program has been linked for a library of security modules. */
extern void (*const dps_custom_hsm[])(void);
#pragma weak dps_custom_hsm

/*
 * 1 when there is a library: when one of the tables is there. 2 when the program was linked for one,
 * and the linker took libdps_hsm_interfaces in its place.
 */
__attribute__((visibility("hidden"))) int dps_linked_hsm(LINKED_HSM* library)
{
    library->size = sizeof(*library);
    library->x509_init = hsm_client_x509_init;
    library->x509_deinit = hsm_client_x509_deinit;
    library->tpm_init = hsm_client_tpm_init;
    library->tpm_deinit = hsm_client_tpm_deinit;
    library->tpm_interface = hsm_client_tpm_interface;
    library->x509_interface = hsm_client_x509_interface;
    library->key_interface = hsm_client_key_interface;
    if (&dps_hsm_built_in_names != NULL)
    {
        return dps_custom_hsm != NULL ? 2 : 0;
    }
    return library->tpm_interface != NULL || library->x509_interface != NULL || library->key_interface != NULL;
}
