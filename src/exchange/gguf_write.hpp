// SPDX-License-Identifier: Apache-2.0
// GGUF, version 3, as it is written: metadata, then the list of tensors, then their values, each aligned to 32 bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "train/safetensors.hpp"

namespace minimoe {

enum class GgufType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};
inline constexpr std::uint32_t kGgufVersion = 3, kGgufAlignment = 32;

/// Keys with their values, in the order in which they are added.
class GgufMetadata {
 public:
  void add(std::string_view key, std::size_t value);  ///< a u32; @throws Error(kUnsupported) for a larger one
  void add(std::string_view key, double value);       ///< an f32; the same for one that becomes 0 or infinite
  void add(std::string_view key, bool value);
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }
  void add(std::string_view key, const std::vector<std::string>& texts);
  void add(std::string_view key, const std::vector<std::int32_t>& numbers);

  std::uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  template <class V>
  void put(V value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put_text(std::string_view text);
  void begin(std::string_view key, GgufType type);
  void begin_array(std::string_view key, GgufType type, std::uint64_t count);

  std::string bytes_;
  std::uint64_t count_ = 0;
};

/// Writes `path` atomically (see AtomicFile), the tensors in the given order, as F32. @param tensors of type kF32,
/// their shapes outermost first, as everywhere here; the file has them innermost first @throws Error(kIo).
void write_gguf(const std::string& path, const GgufMetadata& metadata, const std::vector<TensorToWrite>& tensors);

}  // namespace minimoe
