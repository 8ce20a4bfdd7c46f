// SPDX-License-Identifier: Apache-2.0
// The safetensors format: u64 little-endian header length, a JSON header, one buffer without holes or overlaps.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "minimoe/core/error.hpp"

namespace minimoe {

struct JsonValue;

/// In the order of the reference writer. I32 is written only.
enum class TensorType { kF64, kF32, kI32, kBF16, kF16 };
template <class T>
inline constexpr TensorType kTensorType = std::is_same_v<T, float> ? TensorType::kF32 : TensorType::kF64;

std::size_t tensor_type_size(TensorType type);
/// "F32"
const char* tensor_type_name(TensorType type);

using TextMap = std::map<std::string, std::string>;

struct TensorToWrite {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<std::size_t> shape;  ///< empty: a scalar
  const void* data = nullptr;
  /// When set, gives the values in `data`'s place, at the moment of writing: for what need not be in memory at once.
  std::function<void(void* values)> make = {};
};

/// Writes `path` atomically (see AtomicFile). The bytes depend on the arguments only, not on the order of tensors: in
/// the order of the types, then by name. "format": "pt" is added to the metadata.
/// @throws Error(kIo); Error(kInvalidArgument) for an empty, reserved or repeated name, or one that is not UTF-8.
void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors, TextMap metadata);

/// A file whose header has been checked in full; data is read on demand.
class SafetensorsFile {
 public:
  enum class Between {
    kOpen,    ///< what is read belongs together, even when somebody puts another file in its place meanwhile
    kClosed,  ///< opened for each read, for one of many files; one that is no longer the same is an Error(kIo)
  };
  struct Entry {
    std::string name;
    TensorType type = TensorType::kF32;
    std::vector<std::size_t> shape;
    std::uint64_t begin = 0, end = 0;  ///< bytes of the file
  };

  /// @throws Error(kIo); Error(kCorruptFile) naming file, tensor, what came and what is allowed; Error(kUnsupported)
  /// naming every tensor of a type other than F64, F32, BF16 and F16.
  explicit SafetensorsFile(const std::string& path, Between between = Between::kOpen);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& path() const { return path_; }
  const TextMap& metadata() const { return metadata_; }
  const std::vector<Entry>& entries() const { return entries_; }  ///< by name
  const Entry* find(const std::string& name) const;               ///< null when there is none

  /// Copies a tensor's end - begin bytes to `data`, without another copy in between. Not mapped: a mapped file that
  /// somebody cuts short would kill the process, where this is an Error(kIo).
  void read(const Entry& entry, void* data) const;
  /// Reads elements [first, first + count) as T; of another type than T's, through a buffer of at most 64 KiB.
  template <class T>
  void read_as(const Entry& entry, std::size_t first, std::size_t count, T* values) const;

 private:
  class Reading;

  void check_unchanged(const Reading& reading, const std::string& what) const;
  void read_bytes(const Reading& reading, std::uint64_t offset, void* data, std::uint64_t size,
                  const std::string& what) const;
  void parse_header(const std::string& header, std::uint64_t buffer_begin, std::uint64_t buffer_size);
  void parse_metadata(const JsonValue& value);
  void parse_entry(const std::string& name, const JsonValue& value, std::uint64_t buffer_begin,
                   std::uint64_t buffer_size);
  void check_layout(std::uint64_t buffer_begin, std::uint64_t buffer_size);
  [[noreturn]] void corrupt(const std::string& message) const;

  std::string path_;
  int descriptor_ = -1;  // -1: closed
  struct {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t seconds = 0, nanoseconds = 0;
  } identity_;
  TextMap metadata_;
  std::vector<Entry> entries_;
};

/// Joins the first ten of many messages, and counts the rest.
class MessageList {
 public:
  void add(const std::string& message);
  bool empty() const { return count_ == 0; }
  std::string text() const;

 private:
  std::string text_;
  std::size_t count_ = 0;
};

struct TensorToRead {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<std::size_t> shape;
  void* data = nullptr;
};

/// What keeps the file from filling `targets`: the missing, extra and misshapen tensors (at most ten named). Empty when
/// it has each with its type and shape, and no tensor beside them and those whose name begins with `ignored_prefix`
/// (empty: none).
std::string tensor_misfits(const SafetensorsFile& file, const std::vector<TensorToRead>& targets,
                           const std::string& ignored_prefix = {});
/// Fills every target; nothing is touched when there are misfits.
/// @throws Error(kShape) with tensor_misfits. Only an Error(kIo), from a disk that fails while being read, leaves
/// targets half filled.
void read_tensors(const SafetensorsFile& file, const std::vector<TensorToRead>& targets,
                  const std::string& ignored_prefix = {});

}  // namespace minimoe
