# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The CMake options and target names of the C SDK of September and October 2017, whose provisioning
# client was called dps_client. A program chooses its security module when it is linked:
#
#   dps_auth_type        tpm, tpm_simulator or x509
#   dps_hsm_custom_lib   a library that defines the functions of custom_hsm_tpm_impl.h or
#                        custom_hsm_x509_impl.h: a path, a target, or a name for the linker; more
#                        libraries that it needs may follow, as a list
#
# Included where the archives are targets: when they are built, and by the installed package.

if(dps_auth_type AND NOT dps_auth_type MATCHES "^(tpm|tpm_simulator|x509)$")
    message(FATAL_ERROR "dps: dps_auth_type is '${dps_auth_type}'; say tpm, tpm_simulator or x509. "
        "For a security module of your own, say which of tpm and x509 it is based on, and name its "
        "library: -Ddps_auth_type=x509 -Ddps_hsm_custom_lib=<library>")
endif()
if(dps_auth_type)
    set(use_dps_client ON)
elseif(dps_hsm_x509 AND dps_hsm_sastoken)
    message(FATAL_ERROR "dps: both dps_hsm_x509 and dps_hsm_sastoken are set, and a program of this API "
        "has one kind of security module; say -Ddps_auth_type=x509 or -Ddps_auth_type=tpm")
elseif(dps_hsm_x509)
    set(dps_auth_type x509)
elseif(dps_hsm_tpm_simulator)
    set(dps_auth_type tpm_simulator)
elseif(dps_hsm_sastoken)
    set(dps_auth_type tpm)
elseif(use_dps_client)
    message(FATAL_ERROR "dps: use_dps_client wants to know the kind of security module; "
        "say -Ddps_auth_type=tpm, tpm_simulator or x509")
elseif(dps_hsm_custom_lib)
    message(FATAL_ERROR "dps: dps_hsm_custom_lib wants to know what the module is based on; "
        "say -Ddps_auth_type=tpm or x509 beside it")
endif()
if(dps_hsm_custom_repo)
    message(STATUS "dps: dps_hsm_custom_repo is accepted and not used, as in the original: "
        "build the module's library, and name it with dps_hsm_custom_lib")
endif()
if(DPS_PROTOCOL_FEATURE)
    message(STATUS "dps: DPS_PROTOCOL_FEATURE is accepted and changes nothing: "
        "all five transports are always there")
endif()
# What the original derived.
if(dps_hsm_custom_lib)
    set(dps_custom_hsm ON)
endif()
if(dps_auth_type STREQUAL "x509")
    set(dps_hsm_x509 ON)
    set(dps_2017_archive dps_security_x509)
    set(dps_2017_definitions DPS_X509_TYPE)
elseif(dps_auth_type)
    set(dps_hsm_sastoken ON)
    set(dps_2017_archive dps_security_tpm)
    set(dps_2017_definitions DPS_SAS_TOKEN_TYPE)
    if(dps_auth_type STREQUAL "tpm_simulator")
        set(dps_hsm_tpm_simulator ON)
        list(APPEND dps_2017_definitions USE_EMULATOR_MODULE)
    endif()
    if(NOT dps_custom_hsm AND NOT DPS_BUILTIN_TPM)
        message(FATAL_ERROR "dps: dps_auth_type=${dps_auth_type} wants a TPM, and this build of libdps "
            "has none of its own (hsm_type_sastoken). Name the library of a module of yours: "
            "-Ddps_hsm_custom_lib=<library>")
    endif()
endif()
if(dps_custom_hsm)
    string(APPEND dps_2017_archive _custom)
    list(APPEND dps_2017_definitions DPS_CUSTOM_HSM)
endif()

# The custom module, ready to be linked. In an archive that was built against the original's header,
# initialize_hsm_system has its old name, which libdps defines today; so the archive is copied, and
# the copy's functions get the names of our header.
function(dps_2017_custom_library out)
    set(libraries)
    foreach(library IN LISTS dps_hsm_custom_lib)
        if(TARGET "${library}" OR NOT library MATCHES "[/\\\\]|\\${CMAKE_STATIC_LIBRARY_SUFFIX}$")
            list(APPEND libraries "${library}")
            continue()
        endif()
        get_filename_component(path "${library}" ABSOLUTE BASE_DIR "${CMAKE_BINARY_DIR}")
        if(NOT EXISTS "${path}")
            message(FATAL_ERROR "dps: dps_hsm_custom_lib names ${path}, which is not there; "
                "build the module's library first, and give its full path")
        endif()
        if(NOT path MATCHES "\\${CMAKE_STATIC_LIBRARY_SUFFIX}$" OR NOT CMAKE_OBJCOPY)
            list(APPEND libraries "${path}")
            continue()
        endif()
        get_filename_component(name "${path}" NAME)
        string(MAKE_C_IDENTIFIER "dps_custom_hsm_${name}" target)
        list(APPEND libraries ${target})
        # Another folder of the project may have found the package before.
        if(TARGET ${target})
            continue()
        endif()
        set(copy "${CMAKE_CURRENT_BINARY_DIR}/custom_hsm/${name}")
        add_custom_command(OUTPUT "${copy}"
            COMMAND "${CMAKE_COMMAND}" -E make_directory "${CMAKE_CURRENT_BINARY_DIR}/custom_hsm"
            COMMAND "${CMAKE_OBJCOPY}"
                --redefine-sym initialize_hsm_system=dps_custom_hsm_initialize
                --redefine-sym deinitialize_hsm_system=dps_custom_hsm_deinitialize
                "${path}" "${copy}"
            DEPENDS "${path}" COMMENT "Taking in the security module ${name}" VERBATIM)
        add_custom_target(${target}_copy DEPENDS "${copy}")
        add_library(${target} STATIC IMPORTED GLOBAL)
        set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${copy}")
        add_dependencies(${target} ${target}_copy)
    endforeach()
    set(${out} ${libraries} PARENT_SCOPE)
endfunction()

# An imported dps_client is this folder's, while the others are the whole project's.
if(dps_auth_type)
    set_property(TARGET dps_client APPEND PROPERTY INTERFACE_LINK_LIBRARIES dps_security_client)
endif()
if(dps_auth_type AND NOT TARGET dps_security_client)
    add_library(dps_security_client INTERFACE)
    set(dps_2017_libraries ${dps_2017_archive})
    if(dps_custom_hsm)
        dps_2017_custom_library(dps_2017_module)
        list(APPEND dps_2017_libraries ${dps_2017_module} dps_custom_hsm_defaults)
    endif()
    target_link_libraries(dps_security_client INTERFACE ${dps_2017_libraries})
    target_compile_definitions(dps_security_client INTERFACE USE_DPS_MODULE ${dps_2017_definitions})
    add_library(iothub_security_client INTERFACE)
    target_link_libraries(iothub_security_client INTERFACE dps_security_client)
    foreach(name IN ITEMS http mqtt mqtt_ws amqp amqp_ws)
        add_library(dps_${name}_transport INTERFACE)
        target_link_libraries(dps_${name}_transport INTERFACE dps_client)
    endforeach()

    # As in the original: what a program needs to be linked with the security module. By the property, so
    # that it goes with either form of target_link_libraries.
    function(linkDPS_device_auth target)
        set_property(TARGET ${target} APPEND PROPERTY LINK_LIBRARIES
            dps_client dps_security_client iothub_security_client)
    endfunction()
endif()
