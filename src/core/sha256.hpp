// SPDX-License-Identifier: Apache-2.0
// SHA-256 of a byte stream, by Mbed TLS (linked statically, hidden).
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace minimoe {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::string_view bytes);
  /// 64 lower-case hex digits; the object is spent afterwards.
  std::string hex();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace minimoe
