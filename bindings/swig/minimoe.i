// SPDX-License-Identifier: Apache-2.0
// The raw layer of the generated languages: minimoe.h, and nothing else. What is the same in each of them stands here;
// mm_LANGUAGE.swg beside it has the typemaps. (Never python.swg or go.swg: those names are SWIG's own.)
#if defined(SWIGPYTHON)
%module(package="minimoe") raw
#else
%module raw
#endif

%{
#include "minimoe.h"
%}
%include <stdint.i>

// Structs go through typemaps, by size; minimoe_options alone has a shape of its own in each language.
%ignore minimoe_error;
%ignore minimoe_step_metrics;
%ignore minimoe_evaluation;
%ignore minimoe_tensor_view;
%ignore minimoe_routing_metrics;
%ignore minimoe_options::struct_size;
%ignore minimoe_options::reserved;
%ignore minimoe_options::allocate;
%ignore minimoe_options::deallocate;
%ignore minimoe_options::allocator_user_data;
%ignore minimoe_options::log;
%ignore minimoe_options::log_user_data;
%ignore minimoe_options_init;  // minimoe_options() calls it

// They take a function of the caller's, which no typemap can make: a language that lends arrays writes its own.
%ignore minimoe_dataset_borrow_i32;
%ignore minimoe_dataset_borrow_u16;

// A pointer that no typemap below is made for would be passed on untyped, and SWIG would not say a word. This says it.
%typemap(in) SWIGTYPE *, SWIGTYPE **, SWIGTYPE &, SWIGTYPE [], void *, void **, char *, char **, float *, double *,
             int8_t *, uint8_t *, int16_t *, uint16_t *, int32_t *, uint32_t *, int64_t *, uint64_t *, size_t *
%{
#error "$symname: no typemap is made for '$1_type $1_name'"
%}

// Defines MM_HANDLE(TYPE), which is called for each type of handle, and MM_EXTRAS, called once after them.
#if defined(SWIGPYTHON)
%include "mm_python.swg"
#elif defined(SWIGGO)
%include "mm_go.swg"
#else
#error "this language has no typemap file"
#endif

MM_HANDLE(minimoe_cancel_token)
MM_HANDLE(minimoe_dataset)
MM_HANDLE(minimoe_model)
MM_HANDLE(minimoe_moe_layer)
MM_HANDLE(minimoe_moe_cache)
MM_HANDLE(minimoe_trainer)
MM_HANDLE(minimoe_token_stream)
MM_EXTRAS

%include "minimoe.h"
