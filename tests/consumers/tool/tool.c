/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Calls the security modules by their names, as the C SDK's tools do, and says what they answer. */
#include <stdio.h>
#include <stdlib.h>

#include "azure_c_shared_utility/buffer_.h"
#include "azure_prov_client/internal/prov_auth_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "hsm_client_key.h"

int main(void)
{
    HSM_CLIENT_HANDLE module = hsm_client_key_create();
    char* name;
    BUFFER_HANDLE key;
    if (module == NULL || hsm_client_set_key_info(module, "tool", "c2VjcmV0") != 0)
    {
        return 1;
    }
    name = hsm_client_get_registration_name(module);
    /* There is no TPM, and no handle: what counts is that the call comes back. */
    key = prov_auth_get_endorsement_key(NULL);
    printf("%s, %u bytes, a table: %s\n", name, (unsigned)BUFFER_length(key),
        hsm_client_key_interface() != NULL ? "yes" : "no");
    free(name);
    BUFFER_delete(key);
    hsm_client_key_destroy(module);
    return 0;
}
