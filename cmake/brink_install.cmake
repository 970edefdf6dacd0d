# make install: header, library, command, pkg-config and CMake package files.

include(CMakePackageConfigHelpers)

set(BRINK_INSTALL_TARGETS brink)
if(BRINK_SHARED)
    list(APPEND BRINK_INSTALL_TARGETS brink_shared)
endif()
install(TARGETS ${BRINK_INSTALL_TARGETS} EXPORT BrinkTargets)
if(TARGET brink_cli)
    install(TARGETS brink_cli)
endif()
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

set(BRINK_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Brink)
install(EXPORT BrinkTargets NAMESPACE brink:: DESTINATION ${BRINK_CMAKE_DIR})
configure_package_config_file(cmake/BrinkConfig.cmake.in ${CMAKE_BINARY_DIR}/BrinkConfig.cmake
    INSTALL_DESTINATION ${BRINK_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/BrinkConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/BrinkConfig.cmake ${CMAKE_BINARY_DIR}/BrinkConfigVersion.cmake
    DESTINATION ${BRINK_CMAKE_DIR})

configure_file(cmake/brink.pc.in ${CMAKE_BINARY_DIR}/brink.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/brink.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
