# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Has cargo build libdps. Gives the target dps_cargo, the variable DPS_STATIC_LIBRARY and, where
# the shared library is built too, DPS_SHARED_FILE with the links to it beside it.

# What a project that takes libdps in has set as a plain variable stays, with every version of CMake:
# before 3.21 (CMP0126), a new entry in the cache would take the variable away.
function(dps_setting name default type words)
    # What was said with -D gets its type, so that a path is taken from where cmake was called.
    if(NOT DEFINED ${name} OR (DEFINED CACHE{${name}} AND "${${name}}" STREQUAL "$CACHE{${name}}"))
        set(${name} "${default}" CACHE ${type} "${words}")
    endif()
endfunction()
dps_setting(DPS_LIBRARY "" FILEPATH "A libdps.a that is there already; cargo is not used then")
dps_setting(DPS_SHARED_LIBRARY "" FILEPATH "The libdps.so that goes with DPS_LIBRARY")
dps_setting(DPS_CARGO_PROFILE "" STRING
    "Cargo profile: release-lib, release-lib-debuginfo, release or dev; empty: by CMAKE_BUILD_TYPE")
dps_setting(DPS_CARGO_TARGET_DIR "${CMAKE_BINARY_DIR}/cargo" PATH "Cargo's target folder")
dps_setting(DPS_CARGO_TARGET "" STRING "Rust's target triple; empty: what CMake compiles for")
dps_setting(DPS_CARGO_FLAGS "" STRING "Further arguments for cargo, such as --locked or --offline")

# The shared library as a loader wants to find it: the file under the interface's full version, and a link
# under the name that programs remember.
if(DPS_SHARED)
    set(dps_shared_folder "${CMAKE_CURRENT_BINARY_DIR}/shared")
    set(DPS_SONAME "libdps.so.${DPS_ABI_MAJOR}")
    set(DPS_SHARED_FILE "${dps_shared_folder}/libdps.so.${DPS_ABI_VERSION}")
    set(DPS_SHARED_LINKS "${dps_shared_folder}/${DPS_SONAME}" "${dps_shared_folder}/libdps.so")
endif()
function(dps_shared_commands out library)
    set(${out}
        COMMAND "${CMAKE_COMMAND}" -E make_directory "${dps_shared_folder}"
        COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${library}" "${DPS_SHARED_FILE}"
        COMMAND "${CMAKE_COMMAND}" -E create_symlink "libdps.so.${DPS_ABI_VERSION}"
            "${dps_shared_folder}/${DPS_SONAME}"
        COMMAND "${CMAKE_COMMAND}" -E create_symlink "${DPS_SONAME}" "${dps_shared_folder}/libdps.so"
        PARENT_SCOPE)
endfunction()

# What is installed must have been built, also when no target of the project uses it.
if(DPS_INSTALL)
    set(dps_all ALL)
else()
    set(dps_all)
endif()

if(DPS_LIBRARY)
    if(DPS_PKCS11)
        message(STATUS "dps: DPS_PKCS11 changes nothing: DPS_LIBRARY is built already")
    endif()
    foreach(name IN ITEMS DPS_LIBRARY DPS_SHARED_LIBRARY)
        if(${name} AND NOT EXISTS "${${name}}")
            message(FATAL_ERROR "dps: ${name} names ${${name}}, which is not there")
        endif()
    endforeach()
    set(DPS_STATIC_LIBRARY "${DPS_LIBRARY}")
    set(dps_commands)
    if(DPS_SHARED)
        dps_shared_commands(dps_commands "${DPS_SHARED_LIBRARY}")
    endif()
    add_custom_target(dps_cargo ${dps_all} ${dps_commands}
        BYPRODUCTS ${DPS_SHARED_FILE} VERBATIM)
    return()
endif()

find_program(DPS_CARGO cargo HINTS "$ENV{HOME}/.cargo/bin")
if(NOT DPS_CARGO)
    message(FATAL_ERROR "dps: cargo was not found. Install Rust (https://rustup.rs), "
        "set DPS_CARGO to cargo's path, or set DPS_LIBRARY to a libdps.a")
endif()

set(dps_profile "${DPS_CARGO_PROFILE}")
if(NOT dps_profile)
    if(CMAKE_BUILD_TYPE STREQUAL "Debug")
        set(dps_profile "dev")
    elseif(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
        set(dps_profile "release-lib-debuginfo")
    else()
        set(dps_profile "release-lib")
    endif()
endif()

# Who says what to compile for (a toolchain file does) has it so on both sides.
set(dps_target "${DPS_CARGO_TARGET}")
if(NOT dps_target AND CMAKE_CROSSCOMPILING)
    include(DpsRustTarget)
    set(dps_machine "${CMAKE_C_COMPILER_TARGET}")
    if(NOT dps_machine)
        execute_process(COMMAND "${CMAKE_C_COMPILER}" -dumpmachine
            OUTPUT_VARIABLE dps_machine OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
    dps_rust_target(dps_target "${CMAKE_SYSTEM_NAME}" "${CMAKE_SYSTEM_PROCESSOR}" "${dps_machine}")
    if(NOT dps_target)
        message(FATAL_ERROR "dps: which of Rust's targets is ${CMAKE_SYSTEM_NAME} on "
            "'${CMAKE_SYSTEM_PROCESSOR}' with the compiler for '${dps_machine}'? "
            "Set DPS_CARGO_TARGET to its name ('rustc --print target-list' shows all)")
    endif()
endif()

# Where the library lands must not depend on who builds.
set(dps_environment --unset=CARGO_BUILD_TARGET --unset=CARGO_TARGET_DIR)
set(dps_arguments "--profile" "${dps_profile}" "--target-dir" "${DPS_CARGO_TARGET_DIR}")
set(dps_rustc_arguments)
# Cargo names its folders after the profile, but for dev.
if(dps_profile STREQUAL "dev")
    set(dps_folder "${DPS_CARGO_TARGET_DIR}/debug")
else()
    set(dps_folder "${DPS_CARGO_TARGET_DIR}/${dps_profile}")
endif()
if(dps_target)
    message(STATUS "dps: Rust's target is ${dps_target}")
    list(APPEND dps_arguments "--target" "${dps_target}")
    get_filename_component(dps_profile_folder "${dps_folder}" NAME)
    set(dps_folder "${DPS_CARGO_TARGET_DIR}/${dps_target}/${dps_profile_folder}")

    # The compiler that links C programs links the shared library, and compiles ring's C parts.
    string(REPLACE "-" "_" dps_lower "${dps_target}")
    string(TOUPPER "${dps_lower}" dps_upper)
    list(APPEND dps_environment
        "CARGO_TARGET_${dps_upper}_LINKER=${CMAKE_C_COMPILER}" "CC_${dps_lower}=${CMAKE_C_COMPILER}")
    if(CMAKE_AR)
        list(APPEND dps_environment "AR_${dps_lower}=${CMAKE_AR}")
    endif()
    set(dps_c_flags)
    if(CMAKE_SYSROOT)
        list(APPEND dps_c_flags "--sysroot=${CMAKE_SYSROOT}")
    endif()
    if(CMAKE_C_COMPILER_TARGET AND CMAKE_C_COMPILER_ID MATCHES "Clang")
        list(APPEND dps_c_flags "--target=${CMAKE_C_COMPILER_TARGET}")
    endif()
    foreach(flag IN LISTS dps_c_flags)
        list(APPEND dps_rustc_arguments "-C" "link-arg=${flag}")
    endforeach()
    if(dps_c_flags)
        string(REPLACE ";" " " dps_c_flags "${dps_c_flags}")
        list(APPEND dps_environment "CFLAGS_${dps_lower}=${dps_c_flags}")
    endif()
endif()
if(dps_rustc_arguments)
    list(INSERT dps_rustc_arguments 0 "--")
endif()
separate_arguments(dps_further NATIVE_COMMAND "${DPS_CARGO_FLAGS}")
if(DPS_PKCS11)
    list(APPEND dps_arguments "--features" "pkcs11")
endif()
if(use_tpm_simulator)
    list(APPEND dps_arguments "--features" "tpm-simulator")
elseif(DPS_BUILTIN_TPM)
    list(APPEND dps_arguments "--features" "tpm")
endif()
if(hsm_type_riot)
    list(APPEND dps_arguments "--features" "riot")
endif()
set(DPS_STATIC_LIBRARY
    "${dps_folder}/${CMAKE_STATIC_LIBRARY_PREFIX}dps${CMAKE_STATIC_LIBRARY_SUFFIX}")

set(dps_crate_types "staticlib")
set(dps_commands)
if(DPS_SHARED)
    string(APPEND dps_crate_types ",cdylib")
    dps_shared_commands(dps_commands "${dps_folder}/libdps.so")
endif()

# Runs at each build: cargo knows best whether anything has changed, and leaves the archive alone
# if nothing has. Without the crate's rlib, or cargo would skip link-time optimisation.
add_custom_target(dps_cargo ${dps_all}
    COMMAND "${CMAKE_COMMAND}" -E env ${dps_environment}
        "${DPS_CARGO}" rustc --package dps-ffi --lib --crate-type ${dps_crate_types}
        ${dps_arguments} ${dps_further} ${dps_rustc_arguments}
    ${dps_commands}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    BYPRODUCTS "${DPS_STATIC_LIBRARY}" ${DPS_SHARED_FILE}
    COMMENT "Building libdps with cargo, profile ${dps_profile}"
    USES_TERMINAL
    VERBATIM)
