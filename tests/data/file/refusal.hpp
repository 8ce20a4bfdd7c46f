// SPDX-License-Identifier: Apache-2.0
// What opening a bad file says.
#pragma once

#include <string>

#include "minimoe/data/file_source.hpp"

namespace minimoe::test {

struct Refusal {
  ErrorCode code = {};
  std::string message;

  /// Of one line, beginning with `start`, with every one of `parts` in it.
  bool says(const std::string& start, std::initializer_list<const char*> parts) const {
    bool good = message.starts_with(start) && message.find('\n') == std::string::npos;
    for (const char* part : parts) good = good && message.find(part) != std::string::npos;
    return good;
  }
};

template <class Function>
Refusal refusal_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

inline Refusal refusal_of_opening(const std::string& path, const FileSourceOptions& options = {}) {
  return refusal_of([&] { open_file_source(path, options); });
}

}  // namespace minimoe::test
