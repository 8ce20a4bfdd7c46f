// SPDX-License-Identifier: Apache-2.0
#include "exchange/gguf_write.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "train/atomic_file.hpp"

namespace minimoe {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they are in memory");

std::size_t bytes_in_gguf(const TensorToWrite& tensor) {
  std::size_t bytes = sizeof(float);
  for (const std::size_t extent : tensor.shape) bytes *= extent;
  return bytes;
}

std::size_t gguf_padding(std::size_t bytes) { return (kGgufAlignment - bytes % kGgufAlignment) % kGgufAlignment; }

template <class V>
void append(std::string& bytes, V value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

void GgufMetadata::put_text(std::string_view text) {
  put(std::uint64_t{text.size()});
  bytes_ += text;
}

void GgufMetadata::begin(std::string_view key, GgufType type) {
  put_text(key);
  put(static_cast<std::uint32_t>(type));
  ++count_;
}

void GgufMetadata::begin_array(std::string_view key, GgufType type, std::uint64_t count) {
  begin(key, GgufType::kArray);
  put(static_cast<std::uint32_t>(type));
  put(count);
}

void GgufMetadata::add(std::string_view key, std::size_t value) {
  if (value > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(ErrorCode::kUnsupported, concat("gguf: ", key, ": ", value, " has more than 32 bits"));
  }
  begin(key, GgufType::kU32);
  put(static_cast<std::uint32_t>(value));
}

void GgufMetadata::add(std::string_view key, double value) {
  const auto single = static_cast<float>(value);
  if ((single == 0 && value != 0) || (std::isinf(single) && std::isfinite(value))) {
    throw Error(ErrorCode::kUnsupported, concat("GGUF: ", key, ": ", value, " is ", single, " in float32"));
  }
  begin(key, GgufType::kF32);
  put(single);
}

void GgufMetadata::add(std::string_view key, bool value) {
  begin(key, GgufType::kBool);
  put(static_cast<std::uint8_t>(value));
}

void GgufMetadata::add(std::string_view key, std::string_view text) {
  begin(key, GgufType::kString);
  put_text(text);
}

void GgufMetadata::add(std::string_view key, const std::vector<std::string>& texts) {
  begin_array(key, GgufType::kString, texts.size());
  for (const std::string& text : texts) put_text(text);
}

void GgufMetadata::add(std::string_view key, const std::vector<std::int32_t>& numbers) {
  begin_array(key, GgufType::kI32, numbers.size());
  for (const std::int32_t number : numbers) put(number);
}

void write_gguf(const std::string& path, const GgufMetadata& metadata, const std::vector<TensorToWrite>& tensors) {
  std::string header = "GGUF";
  append(header, kGgufVersion);
  append(header, std::uint64_t{tensors.size()});
  append(header, metadata.count());
  header += metadata.bytes();
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    append(header, std::uint64_t{tensor.name.size()});
    header += tensor.name;
    append(header, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) {
      append(header, std::uint64_t{*extent});
    }
    append(header, std::uint32_t{0});  // F32
    append(header, offset);
    offset += bytes_in_gguf(tensor) + gguf_padding(bytes_in_gguf(tensor));
  }
  header.append(gguf_padding(header.size()), '\0');

  AtomicFile file(path);
  file.write(header);
  std::vector<char> made;
  for (const TensorToWrite& tensor : tensors) {
    const std::size_t size = bytes_in_gguf(tensor);
    if (tensor.make) {
      made.resize(size);
      tensor.make(made.data());
    }
    file.write(tensor.make ? made.data() : tensor.data, size);
    file.write(std::string(gguf_padding(size), '\0'));
  }
  file.commit();
}

}  // namespace minimoe
