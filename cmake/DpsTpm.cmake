# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Whether libdps drives a TPM by itself, and with which libraries: tpm2-tss. Gives DPS_BUILTIN_TPM and,
# for whoever links the archive, DPS_TSS2_LIBRARIES and DPS_TSS2_LIBRARY_DIRS.

# A program of 2017 that wants a TPM, and brings none.
set(dps_tpm_of_2017 OFF)
if(NOT dps_hsm_custom_lib AND NOT DPS_LIBRARY)
    if(dps_auth_type STREQUAL "tpm_simulator" OR (NOT dps_auth_type AND dps_hsm_tpm_simulator))
        set(use_tpm_simulator ON)
    endif()
    if(dps_auth_type STREQUAL "tpm" OR (NOT dps_auth_type AND dps_hsm_sastoken))
        set(dps_tpm_of_2017 ON)
    endif()
endif()

set(DPS_TSS2_LIBRARIES)
set(DPS_TSS2_LIBRARY_DIRS)
if(NOT (hsm_type_sastoken OR use_tpm_simulator OR dps_tpm_of_2017))
    set(DPS_BUILTIN_TPM OFF)
    return()
endif()
set(DPS_BUILTIN_TPM ON)
if(DPS_LIBRARY)
    message(STATUS "dps: hsm_type_sastoken and use_tpm_simulator change nothing in DPS_LIBRARY, which is "
        "built already: what links it is linked with tss2")
endif()

find_package(PkgConfig)
set(dps_tss2_missing "pkg-config")
if(PKG_CONFIG_FOUND)
    # As the crate tss-esapi-sys has it.
    pkg_check_modules(DPS_TSS2 QUIET tss2-esys>=3.0 tss2-sys>=3.0 tss2-mu>=3.0 tss2-tctildr>=3.0)
    set(dps_tss2_missing "tss2-esys, tss2-sys, tss2-mu or tss2-tctildr, version 3 or later,")
endif()
if(NOT DPS_TSS2_FOUND AND NOT DPS_TOP_LEVEL AND NOT dps_tpm_of_2017)
    # A C SDK in the same tree has the option ON by default, and drives TPMs without tss2.
    message(WARNING "dps: ${dps_tss2_missing} was not found, so libdps is built without a TPM of its own "
        "(hsm_type_sastoken). Install both: apt-get install pkg-config libtss2-dev")
    set(DPS_BUILTIN_TPM OFF)
    set(use_tpm_simulator OFF)
elseif(NOT DPS_TSS2_FOUND)
    message(FATAL_ERROR "dps: a TPM (hsm_type_sastoken, use_tpm_simulator, dps_auth_type) wants tpm2-tss, and "
        "${dps_tss2_missing} was not found. Install both: apt-get install pkg-config libtss2-dev; "
        "or, if it is elsewhere, set PKG_CONFIG_PATH; or leave those options OFF, "
        "and register a module of your own (dps_hsm_register_tpm)")
endif()
