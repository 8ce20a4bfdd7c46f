// SPDX-License-Identifier: Apache-2.0
// GGUF as it is read: strictly, and nothing large is allocated before it is known to be in the file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exchange/gguf_write.hpp"

namespace minimoe {

struct GgufValue {
  GgufType type = GgufType::kU8;
  bool negative = false;
  std::uint64_t integer = 0;  ///< of an integer that is not negative, or a bool
  double real = 0;            ///< of an integer or a real number; no bool
  std::string text;           ///< of a string of at most 128 bytes; "(5000 bytes)" for a longer one, which is not kept
  std::uint64_t count = 0;    ///< of an array, whose elements are checked and not kept

  bool is_integer() const;
  /// Short, for messages: `"64" (a string)`, `-5`, `an array of 3`.
  std::string description() const;
};

/// An open file whose header has been checked in full; data is read on demand.
class GgufFile {
 public:
  struct Entry {
    std::string name;
    TensorType type = TensorType::kF32;
    std::vector<std::size_t> shape;    ///< outermost first
    std::uint64_t begin = 0, end = 0;  ///< bytes of the file
  };

  /// @throws Error(kIo); Error(kCorruptFile) naming file and place, what came and what is allowed; Error(kUnsupported)
  /// naming every tensor of a type other than F64, F32, F16 and BF16.
  explicit GgufFile(const std::string& path);
  ~GgufFile();
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  const std::string& path() const { return path_; }
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  const std::vector<Entry>& entries() const { return entries_; }  ///< in the order of the file
  /// Reads elements [first, first + count) as T.
  template <class T>
  void read_as(const Entry& entry, std::size_t first, std::size_t count, T* values) const;

 private:
  class Cursor;
  void read_header();
  void read_metadata(Cursor& in, std::uint64_t count);
  GgufValue take_value(Cursor& in) const;
  void read_tensor_list(Cursor& in, std::uint64_t count);
  void check_layout(std::uint64_t header_end);
  std::uint64_t alignment() const;
  [[noreturn]] void corrupt(const std::string& message) const;

  std::string path_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
  std::map<std::string, GgufValue> metadata_;
  std::vector<Entry> entries_;  // begin and end are offsets in the data until check_layout
};

}  // namespace minimoe
