// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "core/json_writer.hpp"
#include "core/strict_json.hpp"
#include "train/atomic_file.hpp"
#include "train/safetensors.hpp"

namespace minimoe {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they are in memory");

std::size_t num_bytes(const TensorToWrite& tensor) {
  std::size_t bytes = tensor_type_size(tensor.type);
  for (const std::size_t extent : tensor.shape) bytes *= extent;
  return bytes;
}

std::string json_text(const std::string& text) {
  try {
    return json_of(text);
  } catch (const Error&) {
    throw Error(ErrorCode::kInvalidArgument, concat("write_safetensors: ", in_quotes(text), " is not UTF-8"));
  }
}

std::string header_text(const std::vector<TensorToWrite>& tensors, const TextMap& metadata) {
  std::string header = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata) {
    if (header.back() != '{') header += ',';
    header += json_text(key) + ':' + json_text(value);
  }
  header += '}';
  std::size_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    header += ',' + json_text(tensor.name) + ":{\"dtype\":\"" + tensor_type_name(tensor.type) + "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) header += (i ? "," : "") + std::to_string(tensor.shape[i]);
    header += concat("],\"data_offsets\":[", offset, ',', offset + num_bytes(tensor), "]}");
    offset += num_bytes(tensor);
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

}  // namespace

void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors, TextMap metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    return a.type != b.type ? a.type < b.type : a.name < b.name;
  });
  std::vector<std::string> names;
  for (const TensorToWrite& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    require(!names[i].empty() && names[i] != "__metadata__", "write_safetensors: ", in_quotes(names[i]),
            " cannot be the name of a tensor");
    require(i == 0 || names[i] != names[i - 1], "write_safetensors: two tensors are named ", in_quotes(names[i]));
  }
  metadata["format"] = "pt";
  const std::string header = header_text(tensors, metadata);

  AtomicFile file(path);
  const std::uint64_t header_size = header.size();
  file.write(&header_size, sizeof header_size);
  file.write(header);
  std::vector<char> made;
  for (const TensorToWrite& tensor : tensors) {
    const std::size_t size = num_bytes(tensor);
    if (tensor.make) {
      made.resize(size);
      tensor.make(made.data());
    }
    file.write(tensor.make ? made.data() : tensor.data, size);
  }
  file.commit();
}

}  // namespace minimoe
