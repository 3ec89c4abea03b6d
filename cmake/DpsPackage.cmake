# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Debian packages by cpack: libdps1 with the shared library, libdps-dev with the rest of what C
# programs need, and dps-tools with the dps command, if DPS_TOOL names one. Whoever makes them gives
# the name that they bear: -DCPACK_PACKAGE_CONTACT="You <you@example.com>". packaging/deb does all.

set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGE_NAME dps)
set(CPACK_PACKAGE_VENDOR "")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Device provisioning client for Azure IoT Hub")
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_COMPONENTS_ALL dps_development)

set(CPACK_DEBIAN_DPS_DEVELOPMENT_PACKAGE_NAME libdps-dev)
set(CPACK_DEBIAN_DPS_DEVELOPMENT_PACKAGE_SECTION libdevel)
if(DPS_SHARED)
    list(APPEND CPACK_COMPONENTS_ALL dps_runtime)
    # A package for each soname, so that two of them can be there.
    set(CPACK_DEBIAN_DPS_RUNTIME_PACKAGE_NAME "libdps${DPS_ABI_MAJOR}")
    set(CPACK_DEBIAN_DPS_RUNTIME_PACKAGE_SECTION libs)
    set(CPACK_DEBIAN_DPS_RUNTIME_PACKAGE_SHLIBDEPS ON)
    set(CPACK_DEBIAN_DPS_RUNTIME_PACKAGE_GENERATE_SHLIBS ON)
    set(CPACK_DEBIAN_DPS_DEVELOPMENT_PACKAGE_DEPENDS
        "libdps${DPS_ABI_MAJOR} (= ${PROJECT_VERSION})")
endif()
if(DPS_BUILTIN_TPM)
    # Whose archive is linked needs what it is made of.
    set(dps_tss2_package libtss2-dev)
    if(CPACK_DEBIAN_DPS_DEVELOPMENT_PACKAGE_DEPENDS)
        string(PREPEND dps_tss2_package "${CPACK_DEBIAN_DPS_DEVELOPMENT_PACKAGE_DEPENDS}, ")
    endif()
    set(CPACK_DEBIAN_DPS_DEVELOPMENT_PACKAGE_DEPENDS "${dps_tss2_package}")
endif()
if(DPS_TOOL)
    list(APPEND CPACK_COMPONENTS_ALL dps_tools)
    set(CPACK_DEBIAN_DPS_TOOLS_PACKAGE_NAME dps-tools)
    set(CPACK_DEBIAN_DPS_TOOLS_PACKAGE_SECTION admin)
    set(CPACK_DEBIAN_DPS_TOOLS_PACKAGE_SHLIBDEPS ON)
endif()
include(CPack)
