# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   dps           libdps.a with its headers
#   dps_compat    the functions and headers of the hub client and of c-utility that provisioning
#                 programs use, for programs that are linked without them
#   prov_device_client, prov_device_ll_client, prov_auth_client, hsm_security_client,
#   prov_mqtt_transport, prov_mqtt_ws_transport, prov_http_transport, prov_amqp_transport,
#   prov_amqp_ws_transport
#                 the C SDK's names for parts of what dps is

# Within a tree that has the C SDK's own headers, ours of the same names must stay out of sight.
if(TARGET aziotsharedutil OR TARGET umock_c)
    set(dps_default_compat OFF)
else()
    set(dps_default_compat ON)
endif()
option(DPS_COMPAT_HEADERS "Put include/compat on the search path" ${dps_default_compat})

find_package(Threads REQUIRED)

add_library(dps STATIC IMPORTED GLOBAL)
set_target_properties(dps PROPERTIES
    IMPORTED_LOCATION "${DPS_STATIC_LIBRARY}"
    # Checked like the program's own code; they bear it.
    IMPORTED_NO_SYSTEM ON
    INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}/../include")
if(DPS_COMPAT_HEADERS)
    set_property(TARGET dps APPEND PROPERTY
        INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}/../include/compat")
endif()
target_link_libraries(dps INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
if(UNIX)
    target_link_libraries(dps INTERFACE m)
endif()
add_dependencies(dps dps_cargo)

add_library(dps_compat STATIC "${CMAKE_CURRENT_LIST_DIR}/../crates/dps-ffi/compat/compat.c")
target_include_directories(dps_compat PUBLIC "${CMAKE_CURRENT_LIST_DIR}/../include/compat")
dps_c_settings(dps_compat)

foreach(name IN ITEMS prov_device_client prov_device_ll_client prov_auth_client
        hsm_security_client prov_mqtt_transport prov_mqtt_ws_transport prov_http_transport
        prov_amqp_transport prov_amqp_ws_transport)
    # A C SDK in the same tree keeps its own.
    if(NOT TARGET ${name})
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE dps)
    endif()
endforeach()
