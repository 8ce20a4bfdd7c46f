// SPDX-License-Identifier: Apache-2.0
// Checks of what a caller passes, by the conventions of minimoe.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "error.hpp"

namespace minimoe::capi {

template <class T>
bool is_aligned(T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignof(T) == 0;
}

/// Throws unless `pointer` is aligned for its type and not null.
template <class T>
void check_pointer(const char* function, const char* parameter, T* pointer) {
  require(pointer != nullptr, function, ": ", parameter, " is NULL");
  require(is_aligned(pointer), function, ": ", parameter, " is not aligned to ", alignof(T), " bytes");
}

/// No address space is larger: what takes more is refused, before a byte of it is read or asked for.
inline constexpr std::size_t kMaxBytes = std::size_t{1} << (sizeof(void*) == 8 ? 48 : 31);

/// Of one call, and of a cache.
inline constexpr std::size_t kMaxTokens = std::size_t{1} << 24;

template <class T>
void check_array(const char* function, const char* parameter, T* data, std::size_t count) {
  if (count == 0) return;
  check_pointer(function, parameter, data);
  require(count <= kMaxBytes / sizeof(T), function, ": ", parameter, " has a count of ", count,
          ", more than memory can hold");
}

/// The caller's input array; anything with a count of 0 is empty.
template <class T>
std::span<const T> input(const char* function, const char* parameter, const T* data, std::size_t count) {
  check_array(function, parameter, data, count);
  return count == 0 ? std::span<const T>() : std::span<const T>(data, count);
}

/// The caller's text of a given length.
inline std::string input_text(const char* function, const char* parameter, const char* text, std::size_t length) {
  const std::span<const char> characters = input(function, parameter, text, length);
  return std::string(characters.data(), characters.size());
}

/// The caller's JSON. What is too long for any configuration is not read.
inline std::string input_json(const char* function, const char* json, std::size_t length) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  require(length <= kMostBytes, function, ": json has ", length, " bytes, expected at most ", kMostBytes);
  return input_text(function, "json", json, length);
}

/// The caller's NUL-terminated text.
inline std::string input_name(const char* function, const char* parameter, const char* text) {
  check_pointer(function, parameter, text);
  constexpr std::size_t kMaxLength = 65535;
  const std::size_t length = ::strnlen(text, kMaxLength + 1);
  require(length > 0 && length <= kMaxLength, function, ": ", parameter, " has ", length == 0 ? "no" : "too many",
          " bytes, expected 1..", kMaxLength);
  return std::string(text, length);
}

/// Where the caller wants an array. `reserve` comes before the work, `write` after it, so that a failure leaves the
/// caller's memory alone.
template <class T>
class Output {
 public:
  Output(const char* function, const char* parameter, T* data, std::size_t cap, std::size_t* needed)
      : function_(function), parameter_(parameter), data_(data), cap_(cap), needed_(needed) {
    check_array(function, parameter, data, cap);
    if (needed) check_pointer(function, "the needed count", needed);
  }

  /// Throws BUFFER_TOO_SMALL when the caller's memory has no room for `count` elements.
  void reserve(std::size_t count) const {
    if (count <= cap_) return;
    if (needed_) *needed_ = count;
    fail(MINIMOE_E_BUFFER_TOO_SMALL, function_, ": ", parameter_, " has room for ", cap_, ", needed are ", count);
  }
  void write(std::span<const T> from) const {
    reserve(from.size());
    std::copy(from.begin(), from.end(), data_);
    set_needed(from.size());
  }
  void set_needed(std::size_t count) const {
    if (needed_) *needed_ = count;
  }
  T* data() const { return data_; }
  std::size_t cap() const { return cap_; }

 private:
  const char* function_;
  const char* parameter_;
  T* data_;
  std::size_t cap_;
  std::size_t* needed_;
};

class TextOutput : public Output<char> {
 public:
  TextOutput(const char* function, char* buf, std::size_t cap, std::size_t* needed)
      : Output(function, "buf", buf, cap, needed) {}
  /// With the final NUL.
  void write(const std::string& text) const { Output::write({text.c_str(), text.size() + 1}); }
};

/// Throws unless the two arrays lie apart.
inline void check_apart(const char* function, const char* a_name, const void* a, std::size_t a_bytes,
                        const char* b_name, const void* b, std::size_t b_bytes) {
  const auto a_begin = reinterpret_cast<std::uintptr_t>(a), b_begin = reinterpret_cast<std::uintptr_t>(b);
  require(a_bytes == 0 || b_bytes == 0 || a_begin + a_bytes <= b_begin || b_begin + b_bytes <= a_begin, function, ": ",
          a_name, " and ", b_name, " overlap");
}

inline constexpr std::size_t kMostStructSize = 4096;

/// Whether some version of a struct that begins with struct_size can have this size: later ones stay far below the
/// most, and none ends inside a member, of which half would be read.
inline bool is_struct_size(std::size_t size) {
  constexpr std::size_t kStep = 8;
  return size >= kStep && size <= kMostStructSize && size % kStep == 0;
}

/// Writes an output struct that begins with struct_size: at most `size` bytes of it, the caller's rest zeroed.
template <class Struct>
void write_struct(void* to, std::size_t size, Struct value) {
  const std::size_t known = std::min(size, sizeof(Struct));
  value.struct_size = static_cast<std::uint32_t>(known);
  std::memcpy(to, &value, known);
  std::memset(static_cast<char*>(to) + known, 0, size - known);
}

/// Throws unless a caller's output struct of `size` bytes can be written.
template <class Struct>
void check_struct(const char* function, const char* parameter, Struct* to, std::size_t size) {
  check_pointer(function, parameter, to);
  require(size <= kMostStructSize, function, ": ", parameter, "_size is ", size,
          ", which is that of one struct, not of the array: ", sizeof(Struct), " with this library, at most ",
          kMostStructSize);
  require(is_struct_size(size), function, ": ", parameter, "_size is ", size, ", expected sizeof(*", parameter,
          "): ", sizeof(Struct), " with this library");
}

}  // namespace minimoe::capi
