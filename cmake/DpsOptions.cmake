# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The C SDK's option names, so that build scripts written for it keep working. libdps holds all it
# can do in one library and chooses at run time; so most options change nothing here, and those
# that ask for something that is not there say so.

# Within another project its settings are its own.
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    set(DPS_TOP_LEVEL ON)
else()
    set(DPS_TOP_LEVEL OFF)
endif()

if(DPS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type of the C parts" FORCE)
endif()

# An option of ours, which only the top-level project puts into the cache: a C SDK in the same tree
# has options of the same names and other defaults.
macro(dps_option name words default)
    if(DPS_TOP_LEVEL)
        option(${name} "${words}" ${default})
    elseif(NOT DEFINED ${name})
        set(${name} ${default})
    endif()
endmacro()

if(DPS_TOP_LEVEL)
    option(use_prov_client "Build the provisioning client" ON)
    set(DPS_ENABLE ${use_prov_client})
else()
    option(DPS_ENABLE "Build libdps" ON)
endif()
dps_option(skip_samples "Leave the samples out" OFF)
if(DPS_TOP_LEVEL AND NOT skip_samples)
    set(DPS_SAMPLES ON)
else()
    set(DPS_SAMPLES OFF)
endif()
dps_option(build_c_tests "Build the C test programs (target dps_c_tests)" OFF)
dps_option(build_as_dynamic "The C SDK's target names stand for the shared library" OFF)
# Not an option of the cache within another project, as above: it may ask for the opposite.
dps_option(DPS_INSTALL "Install the library, its headers and what build tools need" ${DPS_TOP_LEVEL})
if(DPS_TOP_LEVEL OR DPS_INSTALL OR build_as_dynamic)
    set(dps_default_shared ON)
else()
    set(dps_default_shared OFF)
endif()
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR (DPS_LIBRARY AND NOT DPS_SHARED_LIBRARY))
    set(dps_default_shared OFF)
endif()
dps_option(DPS_SHARED "Build libdps.so beside libdps.a" ${dps_default_shared})
if(DPS_SHARED AND NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    message(FATAL_ERROR "dps: the shared library is for Linux; set DPS_SHARED to OFF")
endif()
if(DPS_SHARED AND DPS_LIBRARY AND NOT DPS_SHARED_LIBRARY)
    message(FATAL_ERROR "dps: DPS_SHARED wants DPS_SHARED_LIBRARY to be set beside DPS_LIBRARY")
endif()
if(build_as_dynamic AND NOT DPS_SHARED)
    message(FATAL_ERROR "dps: build_as_dynamic wants DPS_SHARED")
endif()
# Off by default, so that programs which have no token stay small.
dps_option(DPS_PKCS11 "Keys in PKCS#11 tokens, by pkcs11: URIs" OFF)
# Off by default, unlike the C SDK's: the library needs nothing but libc then.
dps_option(hsm_type_sastoken "A TPM that the library drives by itself, through tss2" OFF)
dps_option(use_tpm_simulator "The same, and swtpm is the TPM unless another is named" OFF)
separate_arguments(DPS_COMPILE_OPTIONS NATIVE_COMMAND "${compileOption_C}")
separate_arguments(DPS_LINK_OPTIONS NATIVE_COMMAND "${linkerOption}")

# As in the original one of the two; here only who asks for both is refused, since certificates are always
# in the library. On the first pass the cache tells what was asked for.
if(NOT DEFINED hsm_type_x509)
    set(dps_x509_not_asked_for ON CACHE INTERNAL "hsm_type_x509 has its default")
endif()
dps_option(hsm_type_riot "A simulated device with RIoT/DICE certificates" OFF)
if(hsm_type_riot AND hsm_type_x509 AND NOT dps_x509_not_asked_for)
    message(FATAL_ERROR "dps: hsm_type_riot and hsm_type_x509 are both ON; leave hsm_type_x509 out: "
        "certificates by option work with the simulated device too")
endif()

# What is in the library whatever the option says.
dps_option(hsm_type_symm_key "Symmetric keys" ON)
dps_option(hsm_type_x509 "X.509 certificates" ON)
dps_option(use_mqtt "MQTT" ON)
dps_option(use_http "HTTP" ON)
dps_option(use_amqp "AMQP" ON)
foreach(name IN ITEMS hsm_type_symm_key hsm_type_x509 use_mqtt use_http use_amqp)
    if(NOT ${name})
        message(STATUS "dps: ${name}=OFF is accepted and changes nothing: "
            "the library holds it, and the program chooses at run time")
    endif()
endforeach()

# What is not in the library.
dps_option(use_edge_modules "Edge modules" OFF)
if(use_edge_modules)
    message(STATUS "dps: use_edge_modules=ON is accepted and changes nothing: "
        "the library has no edge modules")
endif()
# The API of 2017, which DpsClient2017Choice.cmake knows the options of.
dps_option(use_dps_client "Build the provisioning client of 2017" OFF)
if(use_dps_client OR DPS_INSTALL OR build_c_tests OR dps_auth_type OR dps_hsm_custom_lib OR dps_hsm_x509
        OR dps_hsm_sastoken OR dps_hsm_tpm_simulator)
    set(DPS_CLIENT_2017 ON)
else()
    set(DPS_CLIENT_2017 OFF)
endif()
include(DpsTpm)

# Of no meaning here; declared so that CMake does not call them unused.
foreach(name IN ITEMS use_openssl use_mbedtls use_wolfssl use_bearssl use_sample_trusted_cert
        no_logging run_unittests run_e2e_tests use_installed_dependencies build_service_client
        build_provisioning_service_client dont_use_uploadtoblob use_custom_heap
        warnings_as_errors strict_prototypes memory_trace)
    if(DEFINED ${name})
        message(STATUS "dps: ${name} is accepted and has no meaning here")
    endif()
endforeach()

# How our C files are compiled.
function(dps_c_settings target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
        CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
    if(CMAKE_C_COMPILER_ID MATCHES "GNU|Clang")
        target_compile_options(${target} PRIVATE -Wall -Wextra -Werror)
    endif()
    target_compile_options(${target} PRIVATE ${DPS_COMPILE_OPTIONS})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE")
        target_link_options(${target} PRIVATE ${DPS_LINK_OPTIONS})
        if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
            # The archive holds all of Rust's standard library; keep what is used.
            target_link_options(${target} PRIVATE "LINKER:--gc-sections" "LINKER:--as-needed")
        endif()
    endif()
endfunction()
