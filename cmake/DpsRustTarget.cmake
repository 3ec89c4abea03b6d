# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What Rust calls the machine that CMake compiles for.

# Sets `out` to the target triple for a system (CMAKE_SYSTEM_NAME), a processor
# (CMAKE_SYSTEM_PROCESSOR) and the C compiler's own name for the machine, such as
# arm-linux-gnueabihf, which tells the C library and how floating point numbers are passed. Sets it
# to nothing when the three do not tell.
function(dps_rust_target out system processor machine)
    set(${out} "" PARENT_SCOPE)
    string(TOLOWER "${processor}" processor)

    if(processor MATCHES "^(x86_64|amd64|x64)$")
        set(arch x86_64)
    elseif(processor MATCHES "^(x86|i[3-6]86)$")
        set(arch i686)
    elseif(processor MATCHES "^(aarch64|arm64|armv8-a|armv8)$")
        set(arch aarch64)
    elseif(processor MATCHES "^(armv7|cortex-?a|armv8l)")
        set(arch armv7)
    elseif(processor MATCHES "^arm")
        set(arch arm)
    elseif(processor STREQUAL "riscv64")
        set(arch riscv64gc)
    elseif(processor MATCHES "^(ppc64le|powerpc64le)$")
        set(arch powerpc64le)
    elseif(processor MATCHES "^(s390x|loongarch64)$")
        set(arch ${processor})
    else()
        return()
    endif()

    if(system STREQUAL "Linux")
        # A 64 bit kernel's name for itself says nothing about the programs: the compiler does.
        if(arch MATCHES "^(x86_64|aarch64)$" AND machine MATCHES "^(i[3-6]86|arm)[^-]*-")
            return()
        endif()
        # Some of these systems have targets of Rust's, but none that comes compiled.
        if(machine MATCHES "uclibc|android")
            return()
        endif()
        if(machine MATCHES "(gnu|musl)(eabihf|eabi|x32|)$")
            set(library "${CMAKE_MATCH_1}${CMAKE_MATCH_2}")
        elseif(arch MATCHES "^arm")
            return()
        else()
            # Yocto and buildroot end their names with the C library or with "linux".
            set(library gnu)
        endif()
        if(arch MATCHES "^arm" AND NOT library MATCHES "eabi")
            return()
        endif()
        set(${out} "${arch}-unknown-linux-${library}" PARENT_SCOPE)
    elseif(system STREQUAL "Android" AND arch MATCHES "^(x86_64|i686|aarch64)$")
        set(${out} "${arch}-linux-android" PARENT_SCOPE)
    elseif(system STREQUAL "Android" AND arch STREQUAL "armv7")
        set(${out} "armv7-linux-androideabi" PARENT_SCOPE)
    elseif(system STREQUAL "Darwin" AND arch MATCHES "^(x86_64|aarch64)$")
        set(${out} "${arch}-apple-darwin" PARENT_SCOPE)
    endif()
endfunction()
