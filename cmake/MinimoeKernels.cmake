# SPDX-License-Identifier: Apache-2.0
# One object per instruction set; the rest of the library stays at the x86-64 baseline of the compiler.
function(minimoe_kernel_flags dir)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set_source_files_properties(${dir}/kernels_sse4.cpp PROPERTIES COMPILE_OPTIONS "-march=x86-64-v2;-maes;-mpclmul")
    set_source_files_properties(${dir}/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "-march=x86-64-v3;-maes;-mpclmul")
    set_source_files_properties(${dir}/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS
                                "-march=x86-64-v4;-maes;-mpclmul;-mprefer-vector-width=512")
  endif()
endfunction()
