// SPDX-License-Identifier: Apache-2.0
// Golden files: what PyTorch computed (make_golden.py), and from what.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "minimoe/core/tensor.hpp"
#include "support/catch.hpp"
#include "train/safetensors.hpp"

namespace minimoe::test {

class GoldenFile {
 public:
  /// Opens tests/golden/NAME.safetensors.
  explicit GoldenFile(const std::string& name)
      : file_(std::string(MINIMOE_TEST_DATA) + "/golden/" + name + ".safetensors"),
        info_(nlohmann::json::parse(file_.metadata().at("golden"))) {}

  /// What make_golden.py wrote about `name`: its configuration and its scalars.
  const nlohmann::json& info(const std::string& name) const { return info_.at(name); }
  std::vector<std::string> cases() const {
    std::vector<std::string> names;
    for (const auto& [key, value] : info_.items()) {
      if (value.is_object()) names.push_back(key);
    }
    return names;
  }
  std::size_t count_with_prefix(const std::string& prefix) const {
    std::size_t count = 0;
    for (const SafetensorsFile::Entry& entry : file_.entries()) count += entry.name.starts_with(prefix);
    return count;
  }
  const std::vector<std::size_t>& shape(const std::string& name) const { return entry(name).shape; }

  /// The elements as T, whatever the file's type is.
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const SafetensorsFile::Entry& found = entry(name);
    return found.type == TensorType::kF32 ? convert<T, float>(found) : convert<T, double>(found);
  }
  template <class T, std::size_t N>
  Tensor<T, N> tensor(const std::string& name) const {
    INFO(name);
    std::array<std::size_t, N> extents;
    REQUIRE(shape(name).size() == N);
    std::copy(shape(name).begin(), shape(name).end(), extents.begin());
    Tensor<T, N> out = make_tensor<T, N>(extents);
    const std::vector<T> elements = values<T>(name);
    std::copy(elements.begin(), elements.end(), out.data());
    return out;
  }

 private:
  const SafetensorsFile::Entry& entry(const std::string& name) const {
    const SafetensorsFile::Entry* found = file_.find(name);
    if (!found) throw Error(ErrorCode::kInvalidArgument, concat(file_.path(), " has no tensor ", name));
    return *found;
  }
  template <class T, class Stored>
  std::vector<T> convert(const SafetensorsFile::Entry& found) const {
    std::vector<Stored> stored((found.end - found.begin) / sizeof(Stored));
    file_.read(found, stored.data());
    std::vector<T> out(stored.size());
    std::transform(stored.begin(), stored.end(), out.begin(), [](Stored value) { return static_cast<T>(value); });
    return out;
  }

  SafetensorsFile file_;
  nlohmann::json info_;
};

/// ||got - expected|| / ||expected||; the plain norm of `got` when all of `expected` is 0. NaN when any element is.
template <class T>
double relative_error(const T* got, const double* expected, std::size_t size) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double d = static_cast<double>(got[i]) - expected[i];
    difference += d * d;
    norm += expected[i] * expected[i];
  }
  return std::sqrt(norm > 0 ? difference / norm : difference);
}

template <class T>
void check_close(View<const T, 1> got, const GoldenFile& file, const std::string& name, double tolerance) {
  const std::vector<double> expected = file.values<double>(name);
  INFO(name);
  REQUIRE(got.size() == expected.size());
  CHECK(relative_error(got.data(), expected.data(), got.size()) < tolerance);
}

/// The same for one number.
inline void check_close(double got, double expected, double tolerance) {
  CHECK(relative_error(&got, &expected, 1) < tolerance);
}

/// Largest norm-wise relative error of one forward or backward pass in T against PyTorch in double.
template <class T>
inline constexpr double kTolerance = std::is_same_v<T, double> ? 1e-12 : 1e-5;

}  // namespace minimoe::test
