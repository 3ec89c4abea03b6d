# SPDX-License-Identifier: MIT OR Apache-2.0
#
# cmake --install: libraries, headers, a CMake package and pkg-config files. None of it names the
# folder that it is installed in, so that it can be moved. See docs/c-api.md, "Installing".

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(dps_templates "${CMAKE_CURRENT_LIST_DIR}/templates")
set(dps_ready "${CMAKE_CURRENT_BINARY_DIR}/install")
set(DPS_COMPAT_DIR "${CMAKE_INSTALL_INCLUDEDIR}/dps/compat")

install(FILES "${DPS_STATIC_LIBRARY}"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dps_development
    # DPS_LIBRARY may have any name.
    RENAME "${CMAKE_STATIC_LIBRARY_PREFIX}dps${CMAKE_STATIC_LIBRARY_SUFFIX}")
install(TARGETS dps_compat dps_hsm dps_hsm_interfaces ${DPS_CLIENT_2017_ARCHIVES}
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dps_development)
if(DPS_SHARED)
    list(GET DPS_SHARED_LINKS 0 dps_runtime_link)
    list(GET DPS_SHARED_LINKS 1 dps_development_link)
    install(FILES "${DPS_SHARED_FILE}" "${dps_runtime_link}"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dps_runtime)
    install(FILES "${dps_development_link}"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dps_development)
endif()

# The command is not built here: cargo install does that for people, and packagers have it.
dps_setting(DPS_TOOL "" FILEPATH "A dps command to install with the rest")
if(DPS_TOOL)
    if(NOT EXISTS "${DPS_TOOL}")
        message(FATAL_ERROR "dps: DPS_TOOL names ${DPS_TOOL}, which is not there")
    endif()
    install(PROGRAMS "${DPS_TOOL}" DESTINATION "${CMAKE_INSTALL_BINDIR}" RENAME dps
        COMPONENT dps_tools)
endif()

# Each component with its licences.
set(dps_licences LICENSE-APACHE LICENSE-MIT)
install(FILES ${dps_licences} DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/libdps-dev"
    COMPONENT dps_development)
if(DPS_TOOL)
    install(FILES ${dps_licences} DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/dps-tools"
        COMPONENT dps_tools)
endif()
if(DPS_SHARED)
    install(FILES ${dps_licences} COMPONENT dps_runtime
        DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/libdps${DPS_ABI_MAJOR}")
endif()

# The stand-ins for the C SDK's other headers are in a folder of their own: a C SDK under the same
# prefix has the real ones.
install(DIRECTORY include/azure_prov_client include/dps include/dps_client
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dps_development)
install(FILES include/hsm_client_data.h include/hsm_client_key.h include/hsm_client_riot.h include/hsm_client_tpm.h
    include/hsm_client_x509.h
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dps_development)
install(DIRECTORY include/compat/ DESTINATION "${DPS_COMPAT_DIR}" COMPONENT dps_development)

# The C SDK's archive names, for link lines like -lprov_device_client: texts that the GNU linker
# and LLVM's read as scripts. In a folder of their own, beside which a C SDK may be.
set(DPS_PC_TSS2)
if(DPS_BUILTIN_TPM)
    list(TRANSFORM DPS_TSS2_LIBRARIES PREPEND " -l" OUTPUT_VARIABLE DPS_PC_TSS2)
    string(REPLACE ";" "" DPS_PC_TSS2 "${DPS_PC_TSS2}")
endif()
# Without dps_hsm_interfaces: a library of security modules may stand behind them.
foreach(name IN LISTS DPS_ORIGINAL_NAMES)
    set(dps_further)
    if(name MATCHES "^(hsm_security_client|prov_auth_client)$")
        set(dps_further "-ldps_hsm ")
    endif()
    file(WRITE "${dps_ready}/names/lib${name}.a"
        "/* ${name} of the Azure IoT C SDK is a part of libdps. */\n"
        "INPUT(${dps_further}-ldps${DPS_PC_TSS2} -lpthread -ldl -lm)\n")
    install(FILES "${dps_ready}/names/lib${name}.a"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/dps" COMPONENT dps_development)
endforeach()

# CMake: the package dps, and the C SDK's name for the package with a file name under each of the
# two names that it goes by there.
set(dps_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake")
string(REPLACE ";" " " DPS_CLIENT_2017_NAMES "${DPS_CLIENT_2017_ARCHIVES}")
foreach(file IN ITEMS dpsConfig dpsTargets)
    configure_package_config_file("${dps_templates}/${file}.cmake.in" "${dps_ready}/${file}.cmake"
        INSTALL_DESTINATION "${dps_cmake_dir}/dps"
        PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR DPS_COMPAT_DIR
        NO_CHECK_REQUIRED_COMPONENTS_MACRO NO_SET_AND_CHECK_MACRO)
endforeach()
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${dps_ready}/dpsConfigVersion.cmake"
    VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion)
install(FILES "${dps_ready}/dpsConfig.cmake" "${dps_ready}/dpsTargets.cmake"
    "${dps_ready}/dpsConfigVersion.cmake"
    "${CMAKE_CURRENT_LIST_DIR}/DpsCustomHsm.cmake"
    "${CMAKE_CURRENT_LIST_DIR}/DpsOriginalVariables.cmake"
    "${CMAKE_CURRENT_LIST_DIR}/../crates/dps-ffi/hsm/custom_hsm.c"
    "${CMAKE_CURRENT_LIST_DIR}/DpsClient2017Choice.cmake"
    DESTINATION "${dps_cmake_dir}/dps" COMPONENT dps_development)

file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../include/azure_prov_client/prov_client_const.h"
    dps_interface REGEX "#define PROV_DEVICE_CLIENT_VERSION ")
string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" dps_interface "${dps_interface}")
foreach(name IN ITEMS azure_iot_sdks azure_prov_sdk)
    configure_file("${dps_templates}/azureConfig.cmake.in" "${dps_ready}/${name}Config.cmake" @ONLY)
    write_basic_package_version_file("${dps_ready}/${name}ConfigVersion.cmake"
        VERSION "${dps_interface}" COMPATIBILITY SameMajorVersion)
    install(FILES "${dps_ready}/${name}Config.cmake" "${dps_ready}/${name}ConfigVersion.cmake"
        DESTINATION "${dps_cmake_dir}/azure_prov_sdk" COMPONENT dps_development)
endforeach()

# pkg-config
foreach(name IN ITEMS INCLUDEDIR LIBDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${name}}")
        set(DPS_PC_${name} "${CMAKE_INSTALL_${name}}")
    else()
        set(DPS_PC_${name} "\${prefix}/${CMAKE_INSTALL_${name}}")
    endif()
endforeach()
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(DPS_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
    # Up from here as many folders as it is down.
    string(REGEX REPLACE "[^/]+" ".." dps_up "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
    set(DPS_PC_PREFIX "\${pcfiledir}/${dps_up}")
endif()
foreach(name IN ITEMS dps dps-compat)
    configure_file("${dps_templates}/${name}.pc.in" "${dps_ready}/${name}.pc" @ONLY)
    install(FILES "${dps_ready}/${name}.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT dps_development)
endforeach()

if(DPS_TOP_LEVEL)
    include(DpsPackage)
endif()
