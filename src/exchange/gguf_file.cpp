// SPDX-License-Identifier: Apache-2.0
#include "exchange/gguf_file.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "core/strict_json.hpp"
#include "train/tensor_bytes.hpp"

namespace minimoe {
namespace {

constexpr std::uint64_t kMostKeys = 65536, kMostKeyBytes = 65535, kMostKeptBytes = 128;
constexpr std::uint64_t kMostTensors = 1'000'000, kMostNameBytes = 63, kMostAlignment = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostElementsAByte = 16;  // above that of any quantised type
constexpr std::uint32_t kMostRank = 4, kMostNesting = 4;
// The least that one of them takes in the file.
constexpr std::uint64_t kKeyBytes = 14, kTensorBytes = 33, kStringBytes = 8, kArrayBytes = 12;

/// Bytes of a number; 0 for a string or an array, and for what is no type.
std::size_t gguf_number_size(GgufType type) {
  constexpr std::array<std::uint8_t, 13> kSizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  const auto index = static_cast<std::size_t>(type);
  return index < kSizes.size() ? kSizes[index] : 0;
}

std::optional<TensorType> gguf_tensor_type(std::uint32_t type) {
  switch (type) {
    case 0:
      return TensorType::kF32;
    case 1:
      return TensorType::kF16;
    case 28:
      return TensorType::kF64;
    case 30:
      return TensorType::kBF16;
  }
  return {};
}

/// Of the types that are not read, for messages.
std::string gguf_tensor_type_name(std::uint32_t type) {
  static const std::map<std::uint32_t, const char*> names = {
      {2, "Q4_0"},     {3, "Q4_1"},   {6, "Q5_0"},    {7, "Q5_1"},   {8, "Q8_0"},   {9, "Q8_1"},     {10, "Q2_K"},
      {11, "Q3_K"},    {12, "Q4_K"},  {13, "Q5_K"},   {14, "Q6_K"},  {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"},
      {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"},  {24, "I8"},
      {25, "I16"},     {26, "I32"},   {27, "I64"},    {29, "IQ1_M"}, {34, "TQ1_0"}, {35, "TQ2_0"},   {39, "MXFP4"}};
  const auto at = names.find(type);
  return at != names.end() ? at->second : concat("of type ", type);
}

}  // namespace

/// Reads the file from its front, and never past its end.
class GgufFile::Cursor {
 public:
  explicit Cursor(const GgufFile& file) : file_(file) {}

  std::uint64_t position() const { return begin_ + at_; }
  std::uint64_t remaining() const { return file_.size_ - position(); }
  template <class V>
  V take(const char* what) {
    V value;
    take_bytes(&value, sizeof value, what);
    return value;
  }
  /// Of a text longer than `kept` only the length is kept: "(5000 bytes)".
  std::string take_text(std::uint64_t most, const char* what, std::uint64_t kept = ~std::uint64_t{0}) {
    const auto length = take<std::uint64_t>(what);
    if (length > std::min(most, remaining())) {
      file_.corrupt(concat(what, ": a text of ", length, " bytes, allowed at most ", std::min(most, remaining())));
    }
    if (length > kept) {
      skip(length, what);
      return concat('(', length, " bytes)");
    }
    std::string text(length, '\0');
    take_bytes(text.data(), length, what);
    return text;
  }
  void skip(std::uint64_t count, const char* what) {
    if (count > remaining()) fail(what);
    const std::uint64_t buffered = std::min<std::uint64_t>(count, end_ - at_);
    at_ += buffered;
    if (buffered == count) return;
    begin_ = position() + (count - buffered);
    at_ = end_ = 0;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    file_.corrupt(concat("the file ends in ", what, ", at byte ", file_.size_));
  }
  void take_bytes(void* out, std::uint64_t count, const char* what) {
    if (count > remaining()) fail(what);
    char* to = static_cast<char*>(out);
    while (count > 0) {
      if (at_ == end_) {
        begin_ += at_;
        at_ = 0;
        end_ = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), file_.size_ - begin_));
        read_exactly(file_.descriptor_, file_.path_, begin_, buffer_.data(), end_, what);
      }
      const std::uint64_t now = std::min<std::uint64_t>(count, end_ - at_);
      std::memcpy(to, buffer_.data() + at_, now);
      to += now;
      at_ += now;
      count -= now;
    }
  }

  const GgufFile& file_;
  std::array<char, 16384> buffer_;
  std::uint64_t begin_ = 0;  // of the buffer in the file
  std::size_t at_ = 0, end_ = 0;
};

namespace {

std::uint64_t least_bytes(GgufType type) {
  if (type == GgufType::kString) return kStringBytes;
  return type == GgufType::kArray ? kArrayBytes : gguf_number_size(type);
}

template <class Cursor>
GgufType take_type(Cursor& in) {
  const auto type = in.template take<std::uint32_t>("metadata");
  if (type > static_cast<std::uint32_t>(GgufType::kF64)) {
    throw Error(ErrorCode::kCorruptFile, concat("type ", type, ", allowed 0..12"));
  }
  return static_cast<GgufType>(type);
}

template <class Cursor>
void take_number(Cursor& in, GgufValue& value) {
  const auto integer = [&value](auto number) {
    value.negative = number < decltype(number){};
    value.integer = value.negative ? 0 : static_cast<std::uint64_t>(number);
    value.real = static_cast<double>(number);
  };
  constexpr const char* kWhat = "metadata";
  switch (value.type) {
    case GgufType::kU8:
      return integer(in.template take<std::uint8_t>(kWhat));
    case GgufType::kI8:
      return integer(in.template take<std::int8_t>(kWhat));
    case GgufType::kU16:
      return integer(in.template take<std::uint16_t>(kWhat));
    case GgufType::kI16:
      return integer(in.template take<std::int16_t>(kWhat));
    case GgufType::kU32:
      return integer(in.template take<std::uint32_t>(kWhat));
    case GgufType::kI32:
      return integer(in.template take<std::int32_t>(kWhat));
    case GgufType::kU64:
      return integer(in.template take<std::uint64_t>(kWhat));
    case GgufType::kI64:
      return integer(in.template take<std::int64_t>(kWhat));
    case GgufType::kF32:
      value.real = static_cast<double>(in.template take<float>(kWhat));
      return;
    case GgufType::kF64:
      value.real = in.template take<double>(kWhat);
      return;
    case GgufType::kBool:
      value.integer = in.template take<std::uint8_t>(kWhat);
      if (value.integer > 1) {
        throw Error(ErrorCode::kCorruptFile, concat("a bool of ", value.integer, ", allowed 0, 1"));
      }
      return;
    case GgufType::kString:
    case GgufType::kArray:
      return;
  }
}

/// Checks an array and leaves it behind. @return its number of elements
template <class Cursor>
std::uint64_t skip_array(Cursor& in, std::uint32_t depth) {
  if (depth > kMostNesting) {
    throw Error(ErrorCode::kCorruptFile, concat("arrays within more than ", kMostNesting, " arrays"));
  }
  const GgufType type = take_type(in);
  const auto count = in.template take<std::uint64_t>("metadata");
  if (count > in.remaining() / least_bytes(type)) {
    throw Error(ErrorCode::kCorruptFile, concat("an array of ", count, ", the rest of the file has room for ",
                                                in.remaining() / least_bytes(type)));
  }
  if (type != GgufType::kString && type != GgufType::kArray) {
    in.skip(count * gguf_number_size(type), "metadata");
    return count;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (type == GgufType::kArray) {
      skip_array(in, depth + 1);
    } else {
      in.skip(in.template take<std::uint64_t>("metadata"), "metadata");
    }
  }
  return count;
}

}  // namespace

bool GgufValue::is_integer() const {
  return gguf_number_size(type) > 0 && type != GgufType::kF32 && type != GgufType::kF64 && type != GgufType::kBool;
}

std::string GgufValue::description() const {
  if (type == GgufType::kString) return in_quotes(text) + " (a string)";
  if (type == GgufType::kArray) return concat("an array of ", count);
  if (type == GgufType::kBool) return integer ? "true" : "false";
  return is_integer() && !negative ? concat(integer) : concat(real);
}

GgufFile::GgufFile(const std::string& path) : path_(path) {
  struct stat status {};
  descriptor_ = open_regular_file(path, status);
  size_ = static_cast<std::uint64_t>(status.st_size);
  try {
    read_header();
  } catch (const Error& error) {
    close(descriptor_);
    const std::string message = error.what();
    throw message.starts_with(path_) ? error : Error(error.code(), concat(path_, ": ", message));
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

GgufFile::~GgufFile() { close(descriptor_); }

void GgufFile::corrupt(const std::string& message) const {
  throw Error(ErrorCode::kCorruptFile, path_ + ": " + message);
}

void GgufFile::read_header() {
  Cursor in(*this);
  const auto magic = in.take<std::array<char, 4>>("the magic");
  if (std::string_view(magic.data(), magic.size()) != "GGUF") corrupt("does not begin with GGUF");
  const auto version = in.take<std::uint32_t>("the version");
  if (version == __builtin_bswap32(kGgufVersion)) corrupt("is of a big-endian machine");
  // Version 2 differs in nothing but that.
  if (version != 2 && version != kGgufVersion) corrupt(concat("version ", version, ", allowed 2, 3"));
  const auto num_tensors = in.take<std::uint64_t>("the number of tensors");
  const auto num_keys = in.take<std::uint64_t>("the number of keys");
  const auto check = [&](const char* what, std::uint64_t count, std::uint64_t bytes, std::uint64_t most) {
    const std::uint64_t allowed = std::min(most, in.remaining() / bytes);
    if (count > allowed) corrupt(concat(count, ' ', what, ", allowed at most ", allowed));
  };
  check("keys", num_keys, kKeyBytes, kMostKeys);
  read_metadata(in, num_keys);
  check("tensors", num_tensors, kTensorBytes, kMostTensors);
  read_tensor_list(in, num_tensors);
  check_layout(in.position());
}

void GgufFile::read_metadata(Cursor& in, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t begin = in.position();
    std::string key;
    try {
      key = in.take_text(kMostKeyBytes, "metadata");
      if (key.empty()) corrupt("a key without a name");
      if (!metadata_.emplace(key, take_value(in)).second) corrupt("the key stands there twice");
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCorruptFile) throw;
      std::string message = error.what();
      if (message.starts_with(path_ + ": ")) message.erase(0, path_.size() + 2);
      corrupt(concat(key.empty() ? "" : "key " + in_quotes(key) + ' ', "at byte ", begin, ": ", message));
    }
  }
}

GgufValue GgufFile::take_value(Cursor& in) const {
  GgufValue value;
  value.type = take_type(in);
  if (value.type == GgufType::kArray) {
    value.count = skip_array(in, 1);
  } else if (value.type == GgufType::kString) {
    value.text = in.take_text(in.remaining(), "metadata", kMostKeptBytes);
  } else {
    take_number(in, value);
  }
  return value;
}

void GgufFile::read_tensor_list(Cursor& in, std::uint64_t count) {
  MessageList unsupported;
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < count; ++i) {
    Entry entry;
    entry.name = in.take_text(kMostNameBytes, "the list of tensors");
    const std::string where = "tensor " + in_quotes(entry.name);
    if (entry.name.empty()) corrupt("a tensor without a name");
    if (!names.insert(entry.name).second) corrupt(where + ": the name stands there twice");
    const auto rank = in.take<std::uint32_t>("the list of tensors");
    if (rank < 1 || rank > kMostRank) corrupt(concat(where, ": rank ", rank, ", allowed 1..", kMostRank));
    entry.shape.resize(rank);
    std::uint64_t elements = 1;
    for (auto extent = entry.shape.rbegin(); extent != entry.shape.rend(); ++extent) {
      *extent = in.take<std::uint64_t>("the list of tensors");
      if (*extent == 0 || __builtin_mul_overflow(elements, *extent, &elements) ||
          elements / kMostElementsAByte > size_) {
        corrupt(concat(where, ": an extent of ", *extent, ", more or less than a file of ", size_, " bytes can hold"));
      }
    }
    const auto type = in.take<std::uint32_t>("the list of tensors");
    entry.begin = in.take<std::uint64_t>("the list of tensors");
    const auto known = gguf_tensor_type(type);
    if (!known) {
      unsupported.add(concat(in_quotes(entry.name), " is ", gguf_tensor_type_name(type)));
      continue;
    }
    entry.type = *known;
    if (__builtin_mul_overflow(elements, tensor_type_size(*known), &entry.end)) {
      corrupt(concat(where, ": more bytes than 64 bits count"));
    }
    entries_.push_back(std::move(entry));
  }
  if (!unsupported.empty()) {
    throw Error(ErrorCode::kUnsupported,
                concat("tensors of a type other than F64, F32, F16 and BF16: ", unsupported.text()));
  }
}

std::uint64_t GgufFile::alignment() const {
  const auto at = metadata_.find("general.alignment");
  if (at == metadata_.end()) return kGgufAlignment;
  const GgufValue& value = at->second;
  const bool good = value.type == GgufType::kU32 && value.integer > 0 && value.integer <= kMostAlignment &&
                    (value.integer & (value.integer - 1)) == 0;
  if (!good) corrupt(concat("general.alignment: ", value.description(), ", allowed a u32, a power of 2 up to 2^20"));
  return value.integer;
}

/// The tensors lie one after another, in the order of the list, each at the first aligned place.
void GgufFile::check_layout(std::uint64_t header_end) {
  const std::uint64_t step = alignment();
  const auto aligned = [step](std::uint64_t offset) { return (offset + step - 1) / step * step; };
  const std::uint64_t data_begin = entries_.empty() ? header_end : aligned(header_end);
  std::uint64_t expected = 0, end = 0;
  for (Entry& entry : entries_) {
    const std::string where = "tensor " + in_quotes(entry.name);
    if (entry.begin != expected)
      corrupt(concat(where, ": begins at byte ", entry.begin, " of the data, expected ", expected));
    const std::uint64_t bytes = entry.end;
    if (data_begin > size_ || expected > size_ - data_begin || bytes > size_ - data_begin - expected) {
      corrupt(concat(where, ": ", bytes, " bytes from byte ", expected, " of the data on, the file has ",
                     data_begin > size_ ? 0 : size_ - data_begin));
    }
    end = expected + bytes;
    entry.begin = data_begin + expected;
    entry.end = data_begin + end;
    expected = aligned(end);
  }
  if (size_ < data_begin + end || size_ > std::max(data_begin + expected, aligned(data_begin + end))) {
    corrupt(concat("the tensors end at byte ", data_begin + end, ", the file at ", size_));
  }
}

template <class T>
void GgufFile::read_as(const Entry& entry, std::size_t first, std::size_t count, T* values) const {
  const std::string what = "tensor " + in_quotes(entry.name);
  const std::size_t size = tensor_type_size(entry.type), num_elements = (entry.end - entry.begin) / size;
  require(first <= num_elements && count <= num_elements - first, "read_as: ", what, " has ", num_elements,
          " elements, asked for ", first, " and ", count, " more");
  read_values(descriptor_, path_, entry.type, entry.begin + first * size, count, values, what);
}
template void GgufFile::read_as(const Entry&, std::size_t, std::size_t, float*) const;
template void GgufFile::read_as(const Entry&, std::size_t, std::size_t, double*) const;

}  // namespace minimoe
