# SPDX-License-Identifier: Apache-2.0
function(minimoe_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                           -Wnon-virtual-dtor -Wno-psabi)
  if(MINIMOE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
