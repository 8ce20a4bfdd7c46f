// SPDX-License-Identifier: Apache-2.0
// Start values and gradients of a registry's parameters, from and against a golden file.
#pragma once

#include <deque>

#include "golden/golden_file.hpp"
#include "minimoe/core/parameter.hpp"

namespace minimoe::test {

/// Gives every parameter and buffer the value under PREFIX/NAME; the file must hold these and no others.
template <class T>
void load_values(const ParameterList<T>& parameters, const GoldenFile& file, const std::string& prefix) {
  REQUIRE(file.count_with_prefix(prefix + "/") == parameters.size());
  for (const ParameterRef<T>& p : parameters) {
    INFO(p.name);
    REQUIRE(file.shape(prefix + "/" + p.name) == p.shape);
    const std::vector<T> values = file.values<T>(prefix + "/" + p.name);
    std::copy(values.begin(), values.end(), p.value);
  }
}

/// Zeroed gradients, bound to the parameters while this lives.
template <class T>
class BoundGradients {
 public:
  explicit BoundGradients(const ParameterList<T>& parameters) {
    for (const ParameterRef<T>& p : parameters) {
      if (p.role != Role::kWeight) continue;
      parameters_.push_back(p);
      p.bind_gradient(gradients_.emplace_back(p.size()).data());
    }
  }
  ~BoundGradients() {
    for (const ParameterRef<T>& p : parameters_) p.bind_gradient(nullptr);
  }
  BoundGradients(const BoundGradients&) = delete;
  BoundGradients& operator=(const BoundGradients&) = delete;

  void check(const GoldenFile& file, const std::string& prefix, double tolerance) const {
    REQUIRE(file.count_with_prefix(prefix + "/") == parameters_.size());
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      check_close<T>({gradients_[i].data(), {gradients_[i].size()}}, file, prefix + "/" + parameters_[i].name,
                     tolerance);
    }
  }

 private:
  ParameterList<T> parameters_;
  std::deque<std::vector<T>> gradients_;
};

}  // namespace minimoe::test
