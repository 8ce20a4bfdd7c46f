// SPDX-License-Identifier: Apache-2.0
// Golden files: what PyTorch computed (make_golden.py), and from what.
#pragma once

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "minimoe/core/tensor.hpp"
#include "support/catch.hpp"

namespace minimoe::test {

class GoldenFile {
 public:
  /// Reads tests/golden/NAME.safetensors.
  explicit GoldenFile(const std::string& name) {
    std::ifstream in(std::string(MINIMOE_TEST_DATA) + "/golden/" + name + ".safetensors", std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    std::uint64_t header_size = 0;
    REQUIRE(bytes_.size() > sizeof header_size);
    std::memcpy(&header_size, bytes_.data(), sizeof header_size);
    data_ = sizeof header_size + header_size;
    REQUIRE(bytes_.size() > data_);
    tensors_ = nlohmann::json::parse(bytes_.begin() + sizeof header_size,
                                     bytes_.begin() + static_cast<std::ptrdiff_t>(data_));
    info_ = nlohmann::json::parse(tensors_.at("__metadata__").at("golden").get<std::string>());
  }

  /// What make_golden.py wrote about `name`: its configuration and its scalars.
  const nlohmann::json& info(const std::string& name) const { return info_.at(name); }
  /// The names of the cases, without what does not describe one.
  std::vector<std::string> cases() const {
    std::vector<std::string> names;
    for (const auto& [key, value] : info_.items()) {
      if (value.is_object()) names.push_back(key);
    }
    return names;
  }
  std::size_t count_with_prefix(const std::string& prefix) const {
    std::size_t count = 0;
    for (const auto& [key, value] : tensors_.items()) count += key.starts_with(prefix);
    return count;
  }
  std::vector<std::size_t> shape(const std::string& name) const { return tensors_.at(name).at("shape"); }

  /// The elements as T, whatever the file's type is.
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const nlohmann::json& tensor = tensors_.at(name);
    const std::string type = tensor.at("dtype");
    if (type == "F32") return convert<T, float>(tensor);
    REQUIRE(type == "F64");
    return convert<T, double>(tensor);
  }
  template <class T, std::size_t N>
  Tensor<T, N> tensor(const std::string& name) const {
    const std::vector<std::size_t> extents = shape(name);
    INFO(name);
    REQUIRE(extents.size() == N);
    std::array<std::size_t, N> fixed;
    std::copy(extents.begin(), extents.end(), fixed.begin());
    Tensor<T, N> out = make_tensor<T, N>(fixed);
    const std::vector<T> elements = values<T>(name);
    std::copy(elements.begin(), elements.end(), out.data());
    return out;
  }

 private:
  template <class T, class Stored>
  std::vector<T> convert(const nlohmann::json& tensor) const {
    const std::size_t begin = data_ + tensor.at("data_offsets")[0].get<std::size_t>();
    const std::size_t end = data_ + tensor.at("data_offsets")[1].get<std::size_t>();
    REQUIRE(end <= bytes_.size());
    std::vector<T> out((end - begin) / sizeof(Stored));
    for (std::size_t i = 0; i < out.size(); ++i) {
      Stored value;
      std::memcpy(&value, bytes_.data() + begin + i * sizeof value, sizeof value);
      out[i] = static_cast<T>(value);
    }
    return out;
  }

  std::vector<char> bytes_;
  std::size_t data_ = 0;
  nlohmann::json tensors_, info_;
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
