# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What the C SDK has for projects besides targets (c-abi.md section 8.2): folders of headers, in the
# variables DEV_AUTH_MODULES_CLIENT_INC_FOLDER and others, and link_security_client(TARGET).
# dps_names_include and dps_names_compat are our folders; the second is empty where the C SDK's own
# headers are, whose variables stay as they are then.
set(DPS_ORIGINAL_VARIABLES DEV_AUTH_MODULES_CLIENT_INC_FOLDER)
set(DEV_AUTH_MODULES_CLIENT_INC_FOLDER "${dps_names_include}" "${dps_names_include}/azure_prov_client/internal")
if(dps_names_compat)
    foreach(name IN ITEMS SHARED_UTIL IOTHUB_CLIENT MACRO_UTILS UMOCK_C)
        set(${name}_INC_FOLDER "${dps_names_compat}")
        list(APPEND DPS_ORIGINAL_VARIABLES ${name}_INC_FOLDER)
    endforeach()
endif()

# By the property, so that it goes with either form of target_link_libraries.
if(NOT COMMAND link_security_client)
    function(link_security_client target)
        set_property(TARGET ${target} APPEND PROPERTY LINK_LIBRARIES prov_auth_client hsm_security_client)
    endfunction()
endif()
