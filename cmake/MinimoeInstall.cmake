# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where. Components: runtime (the shared library), development (C and C++ interface, both
# libraries' link files), core (the C++ headers of the core), program. All files find each other by relative paths.
include(CMakePackageConfigHelpers)
set(MINIMOE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/minimoe)

install(TARGETS minimoe_shared EXPORT minimoe-shared
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(TARGETS minimoe_static EXPORT minimoe-static
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(TARGETS minimoe_core EXPORT minimoe-core)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/minimoe COMPONENT runtime)
install(FILES ${MINIMOE_C_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/minimoe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT core
        FILES_MATCHING PATTERN "*.hpp")

# find_package(minimoe [COMPONENTS shared static core])
install(EXPORT minimoe-shared NAMESPACE minimoe:: DESTINATION ${MINIMOE_CMAKE_DIR} COMPONENT development)
install(EXPORT minimoe-static NAMESPACE minimoe:: DESTINATION ${MINIMOE_CMAKE_DIR} COMPONENT development)
install(EXPORT minimoe-core NAMESPACE minimoe:: DESTINATION ${MINIMOE_CMAKE_DIR} COMPONENT core)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/minimoeConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/cmake/minimoeConfig.cmake
                              INSTALL_DESTINATION ${MINIMOE_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/minimoeConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/minimoeConfig.cmake ${PROJECT_BINARY_DIR}/cmake/minimoeConfigVersion.cmake
        DESTINATION ${MINIMOE_CMAKE_DIR} COMPONENT development)

# pkg-config; Libs.private is for `--static`. Requires.private would ask users of the shared library for zlib's own file.
set(MINIMOE_PC_DIR ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH MINIMOE_PC_PREFIX ${MINIMOE_PC_DIR} ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH MINIMOE_PC_INCLUDE ${MINIMOE_PC_DIR} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
set(MINIMOE_PC_PRIVATE -lz -lmbedcrypto)
if(MINIMOE_WITH_BLAS)
  list(APPEND MINIMOE_PC_PRIVATE ${BLAS_LIBRARIES})
endif()
list(APPEND MINIMOE_PC_PRIVATE -lstdc++ -lm -pthread)
list(JOIN MINIMOE_PC_PRIVATE " " MINIMOE_PC_PRIVATE)
configure_file(${PROJECT_SOURCE_DIR}/cmake/minimoe.pc.in ${PROJECT_BINARY_DIR}/cmake/minimoe.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/minimoe.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT development)

if(TARGET minimoe)
  file(RELATIVE_PATH MINIMOE_PROGRAM_RPATH ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(minimoe PROPERTIES INSTALL_RPATH $ORIGIN/${MINIMOE_PROGRAM_RPATH})
  install(TARGETS minimoe RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  # The program writes its own completions; built for another machine it cannot, and instrumented it need not.
  if(NOT CMAKE_CROSSCOMPILING AND NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    set(completions ${PROJECT_BINARY_DIR}/completions)
    set(files "")
    foreach(shell bash zsh fish)
      add_custom_command(OUTPUT ${completions}/${shell} COMMAND minimoe completions ${shell} > ${completions}/${shell}
                         DEPENDS minimoe)
      list(APPEND files ${completions}/${shell})
    endforeach()
    file(MAKE_DIRECTORY ${completions})
    add_custom_target(minimoe_completions ALL DEPENDS ${files})
    install(FILES ${completions}/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME minimoe
            COMPONENT program)
    install(FILES ${completions}/zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _minimoe
            COMPONENT program)
    install(FILES ${completions}/fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
            RENAME minimoe.fish COMPONENT program)
  endif()
  if(EXISTS ${PROJECT_SOURCE_DIR}/examples/cli/minimoe.1)
    install(FILES ${PROJECT_SOURCE_DIR}/examples/cli/minimoe.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
            COMPONENT program)
  endif()
endif()
