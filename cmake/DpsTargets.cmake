# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   dps           libdps.a with its headers
#   dps_shared    libdps.so with the same
#   dps_compat    the functions and headers of the hub client and of c-utility that provisioning
#                 programs use, for programs that are linked without them
#   dps_hsm       libdps's own security modules under the C SDK's names (hsm_client_*); without
#                 hsm_custom_lib with dps_hsm_interfaces, the seven that such a library defines
#   prov_device_client, prov_device_ll_client, prov_auth_client, hsm_security_client,
#   prov_mqtt_transport, prov_mqtt_ws_transport, prov_http_transport, prov_amqp_transport,
#   prov_amqp_ws_transport
#                 the C SDK's names for parts of what dps (with build_as_dynamic: dps_shared) is; the
#                 third and fourth bring what dps_hsm has, too
#   dps::dps, dps::dps_shared, dps::compat, dps::hsm
#                 the first four under the names that they have once installed

# Within a tree that has the C SDK's own headers, ours of the same names must stay out of sight.
if(TARGET aziotsharedutil OR TARGET umock_c)
    set(dps_default_compat OFF)
else()
    set(dps_default_compat ON)
endif()
option(DPS_COMPAT_HEADERS "Put include/compat on the search path" ${dps_default_compat})

find_package(Threads REQUIRED)

set(dps_include "${CMAKE_CURRENT_LIST_DIR}/../include")
add_library(dps STATIC IMPORTED GLOBAL)
set_target_properties(dps PROPERTIES IMPORTED_LOCATION "${DPS_STATIC_LIBRARY}")
target_link_libraries(dps INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
if(UNIX)
    target_link_libraries(dps INTERFACE m)
endif()
if(DPS_BUILTIN_TPM)
    target_link_directories(dps INTERFACE ${DPS_TSS2_LIBRARY_DIRS})
    target_link_libraries(dps INTERFACE ${DPS_TSS2_LIBRARIES})
endif()
set(dps_libraries dps)
if(DPS_SHARED)
    add_library(dps_shared SHARED IMPORTED GLOBAL)
    set_target_properties(dps_shared PROPERTIES
        IMPORTED_LOCATION "${DPS_SHARED_FILE}" IMPORTED_SONAME "${DPS_SONAME}")
    list(APPEND dps_libraries dps_shared)
endif()
foreach(library IN LISTS dps_libraries)
    set_target_properties(${library} PROPERTIES
        # Checked like the program's own code; they bear it.
        IMPORTED_NO_SYSTEM ON
        INTERFACE_INCLUDE_DIRECTORIES "${dps_include}")
    if(DPS_COMPAT_HEADERS)
        set_property(TARGET ${library} APPEND PROPERTY
            INTERFACE_INCLUDE_DIRECTORIES "${dps_include}/compat")
    endif()
    add_dependencies(${library} dps_cargo)
    # As in the installed package.
    add_library(dps::${library} ALIAS ${library})
endforeach()

set(dps_c_sources "${CMAKE_CURRENT_LIST_DIR}/../crates/dps-ffi")
add_library(dps_compat STATIC "${dps_c_sources}/compat/compat.c" "${dps_c_sources}/compat/buffer.c")
target_include_directories(dps_compat PUBLIC "${dps_include}/compat")
set_target_properties(dps_compat PROPERTIES POSITION_INDEPENDENT_CODE ON)
# Wherever it stands on the link line: who wants this function may stand behind it.
if(UNIX AND NOT APPLE)
    target_link_options(dps_compat INTERFACE "LINKER:-u,BUFFER_create")
endif()
dps_c_settings(dps_compat)
add_library(dps::compat ALIAS dps_compat)

# What must not be in libdps, so that libraries of security modules can define the same names; and
# what needs c-utility's BUFFER, for programs that use the shared library.
function(dps_hsm_archive name)
    list(TRANSFORM ARGN PREPEND "${dps_c_sources}/")
    add_library(${name} STATIC ${ARGN})
    # Compiled against the stand-ins, whoever links it: of c-utility only the name BUFFER_HANDLE counts.
    target_include_directories(${name} PRIVATE "${dps_include}" "${dps_include}/compat")
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    dps_c_settings(${name})
endfunction()
set(dps_hsm_sources hsm/hsm_client_key.c hsm/hsm_client_x509.c hsm/hsm_client_tpm.c c/prov_auth_buffer.c)
dps_hsm_archive(dps_hsm ${dps_hsm_sources})
dps_hsm_archive(dps_hsm_interfaces hsm/hsm_client_interfaces.c)
add_library(dps::hsm ALIAS dps_hsm)

# The seven functions are the custom library's or ours, never both.
if(NOT hsm_custom_lib)
    target_link_libraries(dps_hsm INTERFACE dps_hsm_interfaces)
    list(APPEND dps_hsm_sources hsm/hsm_client_interfaces.c)
else()
    include(DpsCustomHsm)
    dps_custom_hsm("${dps_c_sources}/hsm/custom_hsm.c" "${dps_include}" ${dps_libraries})
endif()

set(DPS_ORIGINAL_NAMES prov_device_client prov_device_ll_client prov_auth_client
    hsm_security_client prov_mqtt_transport prov_mqtt_ws_transport prov_http_transport
    prov_amqp_transport prov_amqp_ws_transport)
if(build_as_dynamic)
    set(dps_behind_names dps_shared)
    # The original's shared client is a target beside the archives.
    set(dps_shared_name prov_device_client_dll)
else()
    set(dps_behind_names dps)
    set(dps_shared_name)
endif()
# dps_hsm once more, as a part of what the names stand for: with libdps behind it on the link line,
# which dps_hsm leaves to the program, since that may want either form of it.
dps_hsm_archive(dps_hsm_behind_names ${dps_hsm_sources})
set_target_properties(dps_hsm_behind_names PROPERTIES EXCLUDE_FROM_ALL ON)
target_link_libraries(dps_hsm_behind_names INTERFACE ${dps_behind_names})
foreach(name IN LISTS DPS_ORIGINAL_NAMES dps_shared_name)
    # A C SDK in the same tree keeps its own.
    if(NOT TARGET ${name})
        add_library(${name} INTERFACE)
        if(name MATCHES "^(hsm_security_client|prov_auth_client)$")
            target_link_libraries(${name} INTERFACE dps_hsm_behind_names)
        endif()
        target_link_libraries(${name} INTERFACE ${dps_behind_names})
    endif()
endforeach()

set(dps_names_include "${CMAKE_CURRENT_SOURCE_DIR}/include")
set(dps_names_compat)
if(DPS_COMPAT_HEADERS)
    set(dps_names_compat "${dps_names_include}/compat")
endif()
include(DpsOriginalVariables)
# For the whole project, as the C SDK has them; its own stay.
foreach(name IN LISTS DPS_ORIGINAL_VARIABLES)
    if(DPS_COMPAT_HEADERS OR NOT DEFINED CACHE{${name}})
        set(${name} "${${name}}" CACHE INTERNAL "A folder of headers, as in the C SDK")
    endif()
endforeach()
