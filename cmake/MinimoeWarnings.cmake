# SPDX-License-Identifier: Apache-2.0
function(minimoe_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                           -Wnon-virtual-dtor -Wno-psabi)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)  # false alarms on std::string (GCC bug 105329)
  endif()
  if(MINIMOE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
