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
    # Another folder of the project may have found the package before.
    if(NOT TARGET dps_custom_hsm)
        add_library(dps_custom_hsm OBJECT "${source}")
        set_target_properties(dps_custom_hsm PROPERTIES POSITION_INDEPENDENT_CODE ON)
        target_include_directories(dps_custom_hsm PRIVATE "${include}")
    endif()
    set(modules "${hsm_custom_lib}")
    if(IS_ABSOLUTE "${modules}" AND modules MATCHES "\\.so(\\.[0-9]+)*$")
        # By its path whatever it is called: CMake would search for others by a name.
        if(NOT TARGET dps_custom_hsm_object)
            add_library(dps_custom_hsm_object SHARED IMPORTED GLOBAL)
            set_target_properties(dps_custom_hsm_object PROPERTIES IMPORTED_LOCATION "${modules}")
        endif()
        set(modules dps_custom_hsm_object)
    endif()
    foreach(library IN LISTS ARGN)
        set_property(TARGET ${library} APPEND PROPERTY INTERFACE_LINK_LIBRARIES
            "$<TARGET_OBJECTS:dps_custom_hsm>" "${modules}")
        add_dependencies(${library} dps_custom_hsm)
    endforeach()
    message(STATUS "dps: security modules come from ${hsm_custom_lib}")
endfunction()
