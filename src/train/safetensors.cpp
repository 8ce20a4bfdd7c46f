// SPDX-License-Identifier: Apache-2.0
#include "train/safetensors.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <limits>
#include <set>

#include "train/atomic_file.hpp"
#include "train/strict_json.hpp"

namespace minimoe {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read as they are in the file");

using Kind = JsonValue::Kind;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the reference reader's
constexpr JsonLimits kHeaderLimits = {kMaxHeaderBytes, 8, 4'000'000};
constexpr std::size_t kMaxNamed = 10;  // tensors in one message

/// Joins the first few of many messages.
class MessageList {
 public:
  void add(const std::string& message) {
    if (++count_ <= kMaxNamed) text_ += (text_.empty() ? "" : "; ") + message;
  }
  bool empty() const { return count_ == 0; }
  std::string text() const { return count_ > kMaxNamed ? concat(text_, "; and ", count_ - kMaxNamed, " more") : text_; }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

// Types of the format that this library has no use for.
bool is_unsupported_type(const std::string& name) {
  static const std::set<std::string> types = {"BOOL", "U8",      "I8",      "U16",     "I16",     "F16",
                                              "BF16", "U32",     "I32",     "U64",     "I64",     "C64",
                                              "F4",   "F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2"};
  return types.count(name) > 0;
}

}  // namespace

std::size_t tensor_type_size(TensorType type) { return type == TensorType::kF32 ? 4 : 8; }
const char* tensor_type_name(TensorType type) { return type == TensorType::kF32 ? "F32" : "F64"; }

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path) {
  require(!path.empty() && path.find('\0') == std::string::npos, "read: the path is empty or has a NUL byte");
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) throw Error(ErrorCode::kIo, concat(path, ": cannot open: ", errno_text(errno)));
  try {
    struct stat status {};
    if (fstat(descriptor_, &status) != 0) throw Error(ErrorCode::kIo, concat(path, ": ", errno_text(errno)));
    if (!S_ISREG(status.st_mode)) throw Error(ErrorCode::kIo, path + ": not a regular file");
    const std::uint64_t file_size = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t header_size = 0;
    if (file_size < sizeof header_size) {
      corrupt(concat("the file has ", file_size, " bytes, a safetensors file has at least 10"));
    }
    read_bytes(0, &header_size, sizeof header_size, "header length");
    const std::uint64_t left = file_size - sizeof header_size;
    if (header_size > std::min(left, kMaxHeaderBytes)) {
      corrupt(concat("header length is ", header_size, ", allowed at most ", std::min(left, kMaxHeaderBytes),
                     left < kMaxHeaderBytes ? " (the rest of the file)" : "", "; is this a safetensors file?"));
    }
    std::string header(header_size, '\0');
    read_bytes(sizeof header_size, header.data(), header_size, "header");
    parse_header(header, sizeof header_size + header_size, left - header_size);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() { close(descriptor_); }

void SafetensorsFile::corrupt(const std::string& message) const {
  throw Error(ErrorCode::kCorruptFile, path_ + ": " + message);
}

void SafetensorsFile::read_bytes(std::uint64_t offset, void* data, std::uint64_t size, const std::string& what) const {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = pread(descriptor_, at, std::min<std::uint64_t>(size, 1 << 30), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::kIo, concat(path_, ": cannot read ", what, ": ", errno_text(errno)));
    if (got == 0) throw Error(ErrorCode::kIo, concat(path_, ": cannot read ", what, ": the file became shorter"));
    at += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::uint64_t>(got);
  }
}

void SafetensorsFile::parse_header(const std::string& header, std::uint64_t buffer_begin, std::uint64_t buffer_size) {
  if (header.empty() || header[0] != '{') corrupt("the header does not begin with '{'");
  const JsonText json = read_json(header, path_ + ": header", ErrorCode::kCorruptFile, kHeaderLimits);
  if (!json.duplicate_keys.empty()) {
    corrupt(concat("header: ", json.duplicate_keys[0], ": the key stands there twice"));
  }
  MessageList unsupported;
  for (std::size_t i = 0; i < json.root.keys.size(); ++i) {
    const std::string& name = json.root.keys[i];
    const JsonValue& value = json.root.items[i];
    if (name == "__metadata__") {
      parse_metadata(value);
      continue;
    }
    const std::string where = "tensor " + in_quotes(name);
    if (value.kind != Kind::kObject) corrupt(concat(where, ": ", value.description(), ", allowed an object"));
    const JsonValue* type = value.find("dtype");
    if (!type || type->kind != Kind::kString) corrupt(where + ": dtype is missing or not a string");
    if (is_unsupported_type(type->text)) {
      unsupported.add(concat(in_quotes(name), " is ", type->text));
    } else {
      parse_entry(name, value, buffer_begin, buffer_size);
    }
  }
  if (!unsupported.empty()) {
    throw Error(ErrorCode::kUnsupported,
                concat(path_, ": tensors of a type other than F32 and F64: ", unsupported.text()));
  }
  check_layout(buffer_begin, buffer_size);
}

void SafetensorsFile::parse_metadata(const JsonValue& value) {
  if (value.kind != Kind::kObject) corrupt(concat("__metadata__: ", value.description(), ", allowed an object"));
  for (std::size_t i = 0; i < value.keys.size(); ++i) {
    if (value.items[i].kind != Kind::kString) {
      corrupt(
          concat(join_path("__metadata__", value.keys[i]), ": ", value.items[i].description(), ", allowed a string"));
    }
    metadata_[value.keys[i]] = value.items[i].text;
  }
}

void SafetensorsFile::parse_entry(const std::string& name, const JsonValue& value, std::uint64_t buffer_begin,
                                  std::uint64_t buffer_size) {
  const std::string where = "tensor " + in_quotes(name);
  for (const std::string& key : value.keys) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      corrupt(concat(where, ": unknown key ", in_quotes(key), ", allowed dtype, shape, data_offsets"));
    }
  }
  Entry entry;
  entry.name = name;
  const std::string& type = value.find("dtype")->text;
  if (type != "F32" && type != "F64") corrupt(concat(where, ": dtype ", in_quotes(type), ", allowed F32, F64"));
  entry.type = type == "F32" ? TensorType::kF32 : TensorType::kF64;

  const JsonValue* shape = value.find("shape");
  if (!shape || shape->kind != Kind::kArray) corrupt(where + ": shape is missing or not a list");
  if (shape->items.size() > 64) corrupt(concat(where, ": rank ", shape->items.size(), ", allowed at most 64"));
  std::uint64_t bytes = tensor_type_size(entry.type);
  bool overflows = false;
  for (const JsonValue& extent : shape->items) {
    if (extent.kind != Kind::kUnsigned) {
      corrupt(concat(where, ": shape has ", extent.description(), ", allowed integers >= 0"));
    }
    entry.shape.push_back(extent.integer);
    overflows = __builtin_mul_overflow(bytes, extent.integer, &bytes) || overflows;
  }
  // Also when a later 0 makes the tensor empty: no product of leading extents may wrap in a caller's hands.
  if (overflows) corrupt(concat(where, ": shape ", shape_string(entry.shape), " has more than 2^64 bytes"));

  const JsonValue* offsets = value.find("data_offsets");
  if (!offsets || offsets->kind != Kind::kArray || offsets->items.size() != 2 ||
      offsets->items[0].kind != Kind::kUnsigned || offsets->items[1].kind != Kind::kUnsigned) {
    corrupt(where + ": data_offsets is missing or not a list of two integers >= 0");
  }
  const std::uint64_t begin = offsets->items[0].integer, end = offsets->items[1].integer;
  if (begin > end || end > buffer_size) {
    corrupt(concat(where, ": data_offsets [", begin, ", ", end, "], allowed 0 <= begin <= end <= ", buffer_size));
  }
  if (end - begin != bytes) {
    corrupt(concat(where, ": data_offsets [", begin, ", ", end, "] hold ", end - begin, " bytes, ", type, ' ',
                   shape_string(entry.shape), " has ", bytes));
  }
  entry.begin = buffer_begin + begin;
  entry.end = buffer_begin + end;
  entries_.push_back(std::move(entry));
}

/// The tensors must cover the buffer, each byte once. Leaves the entries sorted by name.
void SafetensorsFile::check_layout(std::uint64_t buffer_begin, std::uint64_t buffer_size) {
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  std::uint64_t covered = buffer_begin;
  for (const Entry& entry : entries_) {
    if (entry.begin != covered) {
      corrupt(concat("tensor ", in_quotes(entry.name), ": begins at byte ", entry.begin - buffer_begin,
                     " of the buffer, expected ", covered - buffer_begin,
                     entry.begin < covered ? " (an overlap)" : " (a hole)"));
    }
    covered = entry.end;
  }
  if (covered != buffer_begin + buffer_size) {
    corrupt(concat("the tensors end at byte ", covered - buffer_begin, " of the buffer, the file at ", buffer_size));
  }
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
}

const SafetensorsFile::Entry* SafetensorsFile::find(const std::string& name) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const Entry& entry, const std::string& n) { return entry.name < n; });
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

void SafetensorsFile::read(const Entry& entry, void* data) const {
  read_bytes(entry.begin, data, entry.end - entry.begin, "tensor " + in_quotes(entry.name));
}

std::string tensor_misfits(const SafetensorsFile& file, const std::vector<TensorToRead>& targets,
                           const std::string& ignored_prefix) {
  MessageList wrong;
  std::set<std::string> wanted;
  for (const TensorToRead& target : targets) {
    wanted.insert(target.name);
    const SafetensorsFile::Entry* entry = file.find(target.name);
    if (!entry) {
      wrong.add(target.name + " is missing");
    } else if (entry->type != target.type || entry->shape != target.shape) {
      wrong.add(concat(target.name, " is ", tensor_type_name(entry->type), ' ', shape_string(entry->shape),
                       ", expected ", tensor_type_name(target.type), ' ', shape_string(target.shape)));
    }
  }
  for (const SafetensorsFile::Entry& entry : file.entries()) {
    const bool ignored = !ignored_prefix.empty() && entry.name.rfind(ignored_prefix, 0) == 0;
    if (!ignored && !wanted.count(entry.name)) wrong.add(in_quotes(entry.name) + " is not a tensor of the model");
  }
  return wrong.text();
}

void read_tensors(const SafetensorsFile& file, const std::vector<TensorToRead>& targets,
                  const std::string& ignored_prefix) {
  const std::string misfits = tensor_misfits(file, targets, ignored_prefix);
  if (!misfits.empty()) throw Error(ErrorCode::kShape, concat(file.path(), ": ", misfits));
  for (const TensorToRead& target : targets) file.read(*file.find(target.name), target.data);
}

}  // namespace minimoe
