# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Has cargo build libdps.a. Gives the target dps_cargo and the variable DPS_STATIC_LIBRARY.

set(DPS_LIBRARY "" CACHE FILEPATH "A libdps.a that is there already; cargo is not used then")
set(DPS_CARGO_PROFILE "release-lib" CACHE STRING "Cargo profile: release-lib, release or dev")
set(DPS_CARGO_TARGET_DIR "${CMAKE_BINARY_DIR}/cargo" CACHE PATH "Cargo's target folder")
set(DPS_CARGO_TARGET "" CACHE STRING "Target triple for cross-compiling; empty: this machine")
set(DPS_CARGO_FLAGS "" CACHE STRING "Further arguments for cargo, such as --locked or --offline")

if(DPS_LIBRARY)
    if(NOT EXISTS "${DPS_LIBRARY}")
        message(FATAL_ERROR "dps: DPS_LIBRARY names ${DPS_LIBRARY}, which is not there")
    endif()
    set(DPS_STATIC_LIBRARY "${DPS_LIBRARY}")
    add_custom_target(dps_cargo)
    return()
endif()

find_program(DPS_CARGO cargo HINTS "$ENV{HOME}/.cargo/bin")
if(NOT DPS_CARGO)
    message(FATAL_ERROR "dps: cargo was not found. Install Rust (https://rustup.rs), "
        "set DPS_CARGO to cargo's path, or set DPS_LIBRARY to a libdps.a")
endif()

# Cargo names its folders after the profile, but for dev.
if(DPS_CARGO_PROFILE STREQUAL "dev")
    set(dps_folder "debug")
else()
    set(dps_folder "${DPS_CARGO_PROFILE}")
endif()
set(dps_arguments "--profile" "${DPS_CARGO_PROFILE}" "--target-dir" "${DPS_CARGO_TARGET_DIR}")
if(DPS_CARGO_TARGET)
    list(APPEND dps_arguments "--target" "${DPS_CARGO_TARGET}")
    set(dps_folder "${DPS_CARGO_TARGET}/${dps_folder}")
endif()
separate_arguments(dps_further NATIVE_COMMAND "${DPS_CARGO_FLAGS}")
set(DPS_STATIC_LIBRARY
    "${DPS_CARGO_TARGET_DIR}/${dps_folder}/${CMAKE_STATIC_LIBRARY_PREFIX}dps${CMAKE_STATIC_LIBRARY_SUFFIX}")

# Runs at each build: cargo knows best whether anything has changed, and leaves the archive alone
# if nothing has. One crate type only, or cargo would skip link-time optimisation.
add_custom_target(dps_cargo
    # Where the library lands must not depend on who builds.
    COMMAND "${CMAKE_COMMAND}" -E env --unset=CARGO_BUILD_TARGET --unset=CARGO_TARGET_DIR
        "${DPS_CARGO}" rustc --package dps-ffi --lib --crate-type staticlib
        ${dps_arguments} ${dps_further}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    BYPRODUCTS "${DPS_STATIC_LIBRARY}"
    COMMENT "Building libdps with cargo, profile ${DPS_CARGO_PROFILE}"
    USES_TERMINAL
    VERBATIM)
