# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   hsm_custom_lib    a library of security modules that defines the seven functions at the end of
#                     hsm_client_data.h: the full path of an archive or a shared object, the name of
#                     a target, or a name for the linker
#
# Links it with every program that is linked with one of the libraries given. The object refers to
# the seven, so that the linker takes them out of an archive, keeps a shared object, and says which of
# them is missing.
function(dps_custom_hsm source include)
    add_library(dps_custom_hsm OBJECT "${source}")
    set_target_properties(dps_custom_hsm PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(dps_custom_hsm PRIVATE "${include}")
    foreach(library IN LISTS ARGN)
        set_property(TARGET ${library} APPEND PROPERTY INTERFACE_LINK_LIBRARIES
            "$<TARGET_OBJECTS:dps_custom_hsm>" "${hsm_custom_lib}")
        add_dependencies(${library} dps_custom_hsm)
    endforeach()
    message(STATUS "dps: security modules come from ${hsm_custom_lib}")
endfunction()
