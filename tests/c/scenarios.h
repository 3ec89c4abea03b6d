/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef DPS_TEST_SCENARIOS_H
#define DPS_TEST_SCENARIOS_H

#include "harness.h"

/* No service needed. */
void security_factory(void);
void null_args(void);
void options_table(void);
void options(void);
void proxy(void);
void x509_options(void);
void x509_misuse(void);
void bad_settings(void);
void refused_tcp(void);
void silent_server(void);
void use_after_destroy(void);
void destroy_midway_offline(void);
void hub_security_factory(void);
void hub_tokens(void);
void hub_certificates(void);
void hsm_tables(void);
void hsm_key_misuse(void);
void hsm_x509_misuse(void);
/* In a library without DPS_PKCS11. */
void pkcs11_missing(void);
/* In a library without a TPM of its own. */
void tpm_missing(void);
void hsm_tpm_misuse(void);
void hsm_slow_module(void);
void auth_create_tpm(void);
void auth_create_x509(void);
void auth_null(void);
void auth_tpm(void);
void auth_x509(void);
void auth_key(void);
void built_in_key(void);
void built_in_x509(void);
void built_in_tpm(void);
void idle_handles(void);
void registration_ids(void);
void null_contexts(void);
void timeout_from_register(void);
void silence(void);
void default_deadline(void);
void key_errors(void);
void hostile_texts(void);
void hostile_handles(void);
void hostile_options(void);
void hostile_callbacks(void);
void hostile_memory(void);
void threads_factory(void);
void threads_storm(void);
void threads_crossed(void);

/* With the service of the arguments. */
void success(void);
void wrong_key(void);
void untrusted(void);
void destroy_midway(void);
void register_again(void);
void register_in_flight(void);
void callback_reentrancy(void);
void payload(void);
void id_by_option(void);
void x509_refused(void);
void x509_several(void);
void hsm_key(void);
void hsm_x509(void);
void hsm_x509_signer(void);
void traced(void);
void all_statuses(void);
void uniform_results(void);
void threads_several(void);
void threads_callbacks(void);
void outcome(void);

/* With a PKCS#11 token as well. */
void pkcs11_options(void);
void pkcs11_hub_tokens(void);
void pkcs11_slow_token(void);

/* In a library with a TPM of its own, and most of them with that TPM. */
void tpm_unreachable(void);
void tpm_module(void);
void tpm_register(void);
void tpm_hub_token(void);
void tpm_without_mqtt(void);
void tpm_refused(void);
void tpm_outcome(void);

#endif /* DPS_TEST_SCENARIOS_H */
