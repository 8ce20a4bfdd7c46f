// SPDX-License-Identifier: Apache-2.0
// What keeps a model from being one of a format's architectures.
#pragma once

#include <string>
#include <vector>

#include "minimoe/core/error.hpp"

namespace minimoe {

/// What would have to change for a model to be of one architecture: "model.norm = rms_norm".
class FormatNeeds {
 public:
  void unless(bool holds, const char* need, int cost = 1) {
    if (holds) return;
    needs_.push_back(need);
    cost_ += cost;
  }
  int cost() const { return cost_; }
  std::string text() const {
    std::string joined;
    for (const char* need : needs_) joined += concat(joined.empty() ? "" : ", ", need);
    return joined;
  }

 private:
  std::vector<const char*> needs_;
  int cost_ = 0;
};

}  // namespace minimoe
