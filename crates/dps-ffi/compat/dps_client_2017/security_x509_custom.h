/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How the functions that a module may leave out reach the module's handle of a DPS_SEC_HANDLE. */
#ifndef DPS_2017_SECURITY_X509_CUSTOM_H
#define DPS_2017_SECURITY_X509_CUSTOM_H

#include "azure_prov_client/internal/prov_auth_client.h"
#include "custom_hsm_x509_impl.h"

typedef char* (*READ_TEXT)(DPS_CUSTOM_HSM_HANDLE handle);

/* What the function gives for the module's handle behind this one: some modules bear one handle at a time
 * only, so none is made for it. To be freed; NULL on failure, and when it is not a custom module's. */
char* dps_2017_read_of_module(PROV_AUTH_HANDLE handle, READ_TEXT read);

#endif /* DPS_2017_SECURITY_X509_CUSTOM_H */
