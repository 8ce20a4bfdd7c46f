// SPDX-License-Identifier: Apache-2.0
#include "train/safetensors.hpp"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/strict_json.hpp"
#include "train/tensor_bytes.hpp"

namespace minimoe {
namespace {

using Kind = JsonValue::Kind;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the reference reader's
constexpr std::size_t kMaxRank = 64;
constexpr JsonLimits kHeaderLimits = {kMaxHeaderBytes, 8, 4'000'000, kMaxRank};
struct TypeRow {
  TensorType type;
  const char* name;
  std::size_t size;
};
constexpr TypeRow kTypes[] = {{TensorType::kF64, "F64", 8},
                              {TensorType::kF32, "F32", 4},
                              {TensorType::kI32, "I32", 4},
                              {TensorType::kBF16, "BF16", 2},
                              {TensorType::kF16, "F16", 2}};

// Types of the format that this library has no use for.
bool is_unsupported_type(const std::string& name) {
  static const std::set<std::string> types = {"BOOL",    "U8",      "I8",      "U16",     "I16",         "U32",
                                              "I32",     "U64",     "I64",     "C64",     "F4",          "F8_E4M3",
                                              "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"};
  return types.count(name) > 0;
}

constexpr std::size_t kMaxNamed = 10;  // tensors in one message

}  // namespace

void MessageList::add(const std::string& message) {
  if (++count_ <= kMaxNamed) text_ += (text_.empty() ? "" : "; ") + message;
}

std::string MessageList::text() const {
  return count_ > kMaxNamed ? concat(text_, "; and ", count_ - kMaxNamed, " more") : text_;
}

std::size_t tensor_type_size(TensorType type) { return kTypes[static_cast<std::size_t>(type)].size; }
const char* tensor_type_name(TensorType type) { return kTypes[static_cast<std::size_t>(type)].name; }

/// The descriptor for the length of a call.
class SafetensorsFile::Reading {
 public:
  explicit Reading(const SafetensorsFile& file) : descriptor_(file.descriptor_), is_own_(descriptor_ < 0) {
    if (is_own_) descriptor_ = open_regular_file(file.path_, status_);
  }
  ~Reading() {
    if (is_own_) close(descriptor_);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  int descriptor() const { return descriptor_; }
  int keep() {
    is_own_ = false;
    return descriptor_;
  }
  const struct stat& status() const { return status_; }  ///< of a descriptor that was opened here
  bool is(const SafetensorsFile& file) const {
    const auto& known = file.identity_;
    return !is_own_ || (status_.st_dev == known.device && status_.st_ino == known.inode &&
                        static_cast<std::uint64_t>(status_.st_size) == known.size &&
                        status_.st_mtim.tv_sec == known.seconds && status_.st_mtim.tv_nsec == known.nanoseconds);
  }

 private:
  int descriptor_;
  bool is_own_;
  struct stat status_ {};
};

SafetensorsFile::SafetensorsFile(const std::string& path, Between between) : path_(path) {
  Reading reading(*this);
  const struct stat& status = reading.status();
  const std::uint64_t file_size = static_cast<std::uint64_t>(status.st_size);
  identity_ = {status.st_dev, status.st_ino, file_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  std::uint64_t header_size = 0;
  if (file_size < sizeof header_size) {
    corrupt(concat("the file has ", file_size, " bytes, a safetensors file has at least 10"));
  }
  read_bytes(reading, 0, &header_size, sizeof header_size, "header length");
  const std::uint64_t left = file_size - sizeof header_size;
  if (header_size > std::min(left, kMaxHeaderBytes)) {
    corrupt(concat("header length is ", header_size, ", allowed at most ", std::min(left, kMaxHeaderBytes),
                   left < kMaxHeaderBytes ? " (the rest of the file)" : "", "; is this a safetensors file?"));
  }
  std::string header(header_size, '\0');
  read_bytes(reading, sizeof header_size, header.data(), header_size, "header");
  parse_header(header, sizeof header_size + header_size, left - header_size);
  if (between == Between::kOpen) descriptor_ = reading.keep();
}

SafetensorsFile::~SafetensorsFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void SafetensorsFile::corrupt(const std::string& message) const {
  throw Error(ErrorCode::kCorruptFile, path_ + ": " + message);
}

void SafetensorsFile::check_unchanged(const Reading& reading, const std::string& what) const {
  if (!reading.is(*this)) throw Error(ErrorCode::kIo, concat(path_, ": cannot read ", what, ": the file has changed"));
}

void SafetensorsFile::read_bytes(const Reading& reading, std::uint64_t offset, void* data, std::uint64_t size,
                                 const std::string& what) const {
  check_unchanged(reading, what);
  read_exactly(reading.descriptor(), path_, offset, data, size, what);
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
                concat(path_, ": tensors of a type other than F64, F32, BF16 and F16: ", unsupported.text()));
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
  const auto row = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeRow& t) { return type == t.name; });
  if (row == std::end(kTypes)) {
    corrupt(concat(where, ": dtype ", in_quotes(type), ", allowed F64, F32, BF16, F16"));
  }
  entry.type = row->type;

  const JsonValue* shape = value.find("shape");
  if (!shape || shape->kind != Kind::kArray) corrupt(where + ": shape is missing or not a list");
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
  read_bytes(Reading(*this), entry.begin, data, entry.end - entry.begin, "tensor " + in_quotes(entry.name));
}

template <class T>
void SafetensorsFile::read_as(const Entry& entry, std::size_t first, std::size_t count, T* values) const {
  const std::string what = "tensor " + in_quotes(entry.name);
  const std::size_t size = tensor_type_size(entry.type), num_elements = (entry.end - entry.begin) / size;
  require(first <= num_elements && count <= num_elements - first, "read_as: ", what, " has ", num_elements,
          " elements, asked for ", first, " and ", count, " more");
  const Reading reading(*this);
  check_unchanged(reading, what);
  read_values(reading.descriptor(), path_, entry.type, entry.begin + first * size, count, values, what);
}
template void SafetensorsFile::read_as(const Entry&, std::size_t, std::size_t, float*) const;
template void SafetensorsFile::read_as(const Entry&, std::size_t, std::size_t, double*) const;

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
