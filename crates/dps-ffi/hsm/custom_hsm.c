/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * To be linked with a program whose security modules come from a library of its own: refers to all that
 * such a library defines, so that linkers take it. libdps finds them by itself then.
 */
#include "hsm_client_data.h"

typedef void (*FUNCTION)(void);

extern const FUNCTION dps_custom_hsm[];
const FUNCTION dps_custom_hsm[] = {
    (FUNCTION)hsm_client_x509_init,
    (FUNCTION)hsm_client_x509_deinit,
    (FUNCTION)hsm_client_tpm_init,
    (FUNCTION)hsm_client_tpm_deinit,
    (FUNCTION)hsm_client_tpm_interface,
    (FUNCTION)hsm_client_x509_interface,
    (FUNCTION)hsm_client_key_interface,
};
