// SPDX-License-Identifier: Apache-2.0
// Parameters by name and index: the functions that model and layer share.
#pragma once

#include <minimoe/core/parameter.hpp>

#include "arguments.hpp"

namespace minimoe::capi {

/// The parameter that the caller names. @throws Error naming the nearest name
ParameterRef<float>& find_parameter(const char* function, ParameterList<float>& parameters, const char* name);

void parameter_info(const char* function, const ParameterList<float>& parameters, std::size_t index,
                    const TextOutput& out);
void parameter_get(const char* function, ParameterList<float>& parameters, const char* name, const Output<float>& out);
/// Nothing is written unless every value is finite.
void parameter_set(const char* function, ParameterList<float>& parameters, const char* name, const float* data,
                   std::size_t num_data);
void parameter_view(const char* function, ParameterList<float>& parameters, const char* name, std::uint64_t generation,
                    minimoe_tensor_view* view, std::size_t view_size);

}  // namespace minimoe::capi
