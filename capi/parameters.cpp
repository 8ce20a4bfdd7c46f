// SPDX-License-Identifier: Apache-2.0
#include "parameters.hpp"

#include <cmath>

#include "core/json_writer.hpp"

namespace minimoe::capi {

ParameterRef<float>& find_parameter(const char* function, ParameterList<float>& parameters, const char* name) {
  const std::string wanted = input_name(function, "name", name);
  for (ParameterRef<float>& p : parameters) {
    if (p.name == wanted) return p;
  }
  std::vector<std::string> names;
  for (const ParameterRef<float>& p : parameters) names.push_back(p.name);
  // A long name would cost time by its square, and is no typo.
  constexpr std::size_t kMaxTypo = 256;
  const std::string nearest = wanted.size() <= kMaxTypo ? nearest_word(wanted, names) : std::string();
  fail(MINIMOE_E_INVALID_ARGUMENT, function, ": there is no parameter \"", wanted.substr(0, kMaxTypo), "\"",
       nearest.empty() ? "; the parameter_info functions tell the names" : ", the nearest is \"", nearest,
       nearest.empty() ? "" : "\"");
}

void parameter_info(const char* function, const ParameterList<float>& parameters, std::size_t index,
                    const TextOutput& out) {
  require(index < parameters.size(), function, ": index is ", index, ", there are ", parameters.size(), " parameters");
  const ParameterRef<float>& p = parameters[index];
  JsonWriter info;
  info.begin('{').member("name", p.name).member("shape", p.shape);
  info.member("role", p.role == Role::kBuffer ? "buffer" : "weight").member("decay", p.decay == Decay::kYes);
  out.write(info.end('}').text());
}

void parameter_get(const char* function, ParameterList<float>& parameters, const char* name, const Output<float>& out) {
  const ParameterRef<float>& p = find_parameter(function, parameters, name);
  out.write({p.value, p.size()});
}

void parameter_set(const char* function, ParameterList<float>& parameters, const char* name, const float* data,
                   std::size_t num_data) {
  const ParameterRef<float>& p = find_parameter(function, parameters, name);
  if (num_data != p.size()) {
    fail(MINIMOE_E_SHAPE, function, ": num_data is ", num_data, ", ", p.name, " has ", p.size(), " values (",
         shape_string(p.shape), ")");
  }
  const std::span<const float> values = input(function, "data", data, num_data);
  for (std::size_t i = 0; i < values.size(); ++i) {
    require(std::isfinite(values[i]), function, ": data[", i, "] is ", values[i], ", expected finite values");
  }
  std::memmove(p.value, values.data(), values.size_bytes());  // data may be a view of this very parameter
}

void parameter_view(const char* function, ParameterList<float>& parameters, const char* name, std::uint64_t generation,
                    minimoe_tensor_view* view, std::size_t view_size) {
  check_struct(function, "view", view, view_size);
  const ParameterRef<float>& p = find_parameter(function, parameters, name);
  minimoe_tensor_view filled{};
  filled.num_dims = static_cast<std::int32_t>(p.shape.size());
  std::copy(p.shape.begin(), p.shape.end(), filled.shape);
  filled.values = p.value;
  filled.num_values = p.size();
  filled.generation = generation;
  write_struct(view, view_size, filled);
}

}  // namespace minimoe::capi
