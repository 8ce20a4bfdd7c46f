# SPDX-License-Identifier: Apache-2.0
# One object per instruction set; the rest of the library stays at the x86-64 baseline of the compiler.
# Always optimised: unoptimised kernels are slow beyond use, and would emit Highway's inline functions as weak symbols.
# Under a sanitizer -O1 is enough for that, and compiles in 40 % of the time. What it checks of every register that is
# passed by reference makes the kernels twice as slow, and 40 times what they are without: scopes, null and alignment.
function(minimoe_kernel_flags dir)
  set(level -O3)
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
    set(level -O1 -fno-sanitize-address-use-after-scope -fno-sanitize=null,alignment)
  endif()
  set(always "${level};-fno-exceptions;-fno-rtti")
  set_source_files_properties(${dir}/kernels_scalar.cpp PROPERTIES COMPILE_OPTIONS "${always}")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set_source_files_properties(${dir}/kernels_sse4.cpp PROPERTIES COMPILE_OPTIONS
                                "${always};-march=x86-64-v2;-maes;-mpclmul")
    set_source_files_properties(${dir}/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS
                                "${always};-march=x86-64-v3;-maes;-mpclmul")
    set_source_files_properties(${dir}/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS
                                "${always};-march=x86-64-v4;-maes;-mpclmul;-mprefer-vector-width=512")
    set_source_files_properties(${dir}/kernels_avx512_bf16.cpp PROPERTIES COMPILE_OPTIONS
                                "${always};-march=x86-64-v4;-mavx512bf16;-maes;-mpclmul;-mprefer-vector-width=512")
  endif()
endfunction()
