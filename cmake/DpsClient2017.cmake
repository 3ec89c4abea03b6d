# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The archives of the API of 2017 (docs/c-api-2017.md). They are C, since two Rust archives cannot be
# linked into one program, and there is one for each kind of security module, so that a program is
# linked with the functions of its own kind only.
#
#   dps_client                  DPS_LL_* and the transports
#   dps_security_x509           a certificate in files
#   dps_security_x509_custom    custom_hsm_x509_impl.h
#   dps_security_tpm            libdps's own TPM, where DPS_BUILTIN_TPM says that there is one
#   dps_security_tpm_custom     custom_hsm_tpm_impl.h
#   dps_custom_hsm_defaults     what a custom module may leave out

set(dps_2017_source "${CMAKE_CURRENT_LIST_DIR}/../crates/dps-ffi/compat/dps_client_2017")
set(dps_2017_include "${dps_include}/dps_client/inc" "${dps_include}/dps_client/adapters")
set(DPS_CLIENT_2017_ARCHIVES)
function(dps_2017_archive_of name)
    list(TRANSFORM ARGN PREPEND "${dps_2017_source}/")
    add_library(${name} STATIC ${ARGN})
    target_include_directories(${name} PUBLIC ${dps_2017_include})
    target_link_libraries(${name} PUBLIC ${dps_behind_names})
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    dps_c_settings(${name})
    set(DPS_CLIENT_2017_ARCHIVES ${DPS_CLIENT_2017_ARCHIVES} ${name} PARENT_SCOPE)
endfunction()

dps_2017_archive_of(dps_client client.c instance.c article.c transports.c hub_auth.c
    sec_client.c sec_client_tpm.c)
dps_2017_archive_of(dps_security_x509 security.c security_x509.c sec_no_issuers.c)
dps_2017_archive_of(dps_security_x509_custom security.c security_x509_custom.c
    sec_signer_cert.c sec_root_cert.c sec_root_key.c)
dps_2017_archive_of(dps_security_tpm_custom security.c security_tpm_custom.c sec_no_issuers.c)
dps_2017_archive_of(dps_custom_hsm_defaults no_initialize.c no_deinitialize.c)
if(DPS_BUILTIN_TPM)
    dps_2017_archive_of(dps_security_tpm security.c security_tpm.c sec_no_issuers.c)
endif()

include(DpsClient2017Choice)
