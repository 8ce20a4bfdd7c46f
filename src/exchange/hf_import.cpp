// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <set>

#include "core/strict_json.hpp"
#include "data/file/read_file.hpp"
#include "exchange/hf_tensors.hpp"
#include "minimoe/exchange/hugging_face.hpp"
#include "train/safetensors.hpp"

namespace minimoe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostConfigBytes = std::size_t{1} << 20, kMostIndexBytes = std::size_t{1} << 26;
constexpr std::size_t kMostShards = 1000;
constexpr std::size_t kMostRopeBytes = std::size_t{256} << 20;

std::string read_text(const std::string& path, std::size_t most) {
  return std::string(read_file(path, nullptr, most).view());
}

/// The files that the index names, each once.
std::vector<std::string> shard_names(const std::string& path) {
  const JsonText text =
      read_json(read_text(path, kMostIndexBytes), path, ErrorCode::kCorruptFile, {kMostIndexBytes, 4, 4'000'000});
  if (!text.duplicate_keys.empty()) {
    throw Error(ErrorCode::kCorruptFile, concat(path, ": ", text.duplicate_keys[0], ": the key stands there twice"));
  }
  const JsonValue* map = text.root.kind == JsonValue::Kind::kObject ? text.root.find("weight_map") : nullptr;
  if (!map || map->kind != JsonValue::Kind::kObject || map->items.empty()) {
    throw Error(ErrorCode::kCorruptFile, path + ": weight_map is missing, empty or not an object");
  }
  std::set<std::string> names;
  for (const JsonValue& name : map->items) {
    const bool plain = name.kind == JsonValue::Kind::kString && !name.text.empty() &&
                       name.text.find_first_of(std::string("/\\\0", 3)) == std::string::npos && name.text != "..";
    if (!plain) {
      throw Error(ErrorCode::kCorruptFile,
                  concat(path, ": weight_map: ", name.description(), ", allowed the name of a file beside it"));
    }
    names.insert(name.text);
  }
  if (names.size() > kMostShards) {
    throw Error(ErrorCode::kCorruptFile, concat(path, ": ", names.size(), " files, allowed at most ", kMostShards));
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> weight_files(const std::string& directory) {
  const fs::path root(directory);
  std::error_code error;
  if (fs::exists(root / "model.safetensors", error)) return {(root / "model.safetensors").string()};
  const fs::path index = root / "model.safetensors.index.json";
  if (!fs::exists(index, error)) {
    const bool pickled = fs::exists(root / "pytorch_model.bin", error);
    throw Error(ErrorCode::kIo,
                concat(directory, ": has no model.safetensors",
                       pickled ? "; pytorch_model.bin is not read (save_pretrained writes safetensors)" : ""));
  }
  std::vector<std::string> files;
  for (const std::string& name : shard_names(index.string())) files.push_back((root / name).string());
  return files;
}

/// Buffers that old versions of transformers saved; nothing is read from them.
bool is_stale_buffer(const std::string& name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") || name.ends_with(".rotary_emb.inv_freq");
}

}  // namespace

struct HuggingFaceModel::Impl {
  std::string directory;
  HfConfig config;
  std::deque<SafetensorsFile> files;

  struct Place {
    const SafetensorsFile* file;
    const SafetensorsFile::Entry* entry;
  };
  std::map<std::string, Place> places;
  std::vector<HfTensor> tensors;

  explicit Impl(const std::string& path) : directory(path) {
    const std::string config_file = (fs::path(path) / "config.json").string();
    config = read_hf_config(read_text(config_file, kMostConfigBytes), config_file);
    const std::vector<std::string> paths = weight_files(path);
    // A process may have few more files open than there may be shards.
    const auto between = paths.size() > 1 ? SafetensorsFile::Between::kClosed : SafetensorsFile::Between::kOpen;
    for (const std::string& file : paths) files.emplace_back(file, between);
    for (const SafetensorsFile& file : files) {
      for (const SafetensorsFile::Entry& entry : file.entries()) {
        if (!places.try_emplace(entry.name, Place{&file, &entry}).second) {
          throw Error(ErrorCode::kCorruptFile,
                      concat(file.path(), ": tensor ", in_quotes(entry.name), " is in another file too"));
        }
      }
    }
    list_tensors();
    check_tensors();
    check_tied_head();
    check_positions(config_file);
  }

  void list_tensors() {
    const std::size_t wanted = num_hf_tensors(config.type, config.model);
    if (wanted > 4 * places.size() + 1000) {
      throw Error(ErrorCode::kShape, concat(directory, ": the model of config.json has ", wanted,
                                            " tensors, the files have ", places.size()));
    }
    tensors = hf_tensors(config.type, config.model);
    // GPT-2's own files, and those of its bare model, have no prefix.
    constexpr std::string_view kPrefix = "transformer.";
    const auto prefixed = places.lower_bound(std::string(kPrefix));
    if (config.type != HfType::kGpt2 || (prefixed != places.end() && prefixed->first.starts_with(kPrefix))) return;
    for (HfTensor& tensor : tensors) {
      if (tensor.name.starts_with(kPrefix)) tensor.name.erase(0, kPrefix.size());
    }
  }

  /// One error that tells of them all.
  void check_tensors() const {
    MessageList wrong;
    std::set<std::string_view> known;
    for (const HfTensor& tensor : tensors) {
      known.insert(tensor.name);
      const auto at = places.find(tensor.name);
      if (at == places.end()) {
        wrong.add(tensor.name + " is missing");
      } else if (at->second.entry->shape != tensor.shape) {
        wrong.add(concat(tensor.name, " is ", shape_string(at->second.entry->shape), ", expected ",
                         shape_string(tensor.shape)));
      }
    }
    for (const auto& [name, place] : places) {
      const bool tied_head = name == "lm_head.weight" && config.model.tied_embeddings;
      if (known.count(name) == 0 && !tied_head && !is_stale_buffer(name)) {
        wrong.add(in_quotes(name) + " is not a tensor of the model");
      }
    }
    if (!wrong.empty()) throw Error(ErrorCode::kShape, concat(directory, ": ", wrong.text()));
  }

  const HfTensor& embedding_tensor() const {
    return *std::find_if(tensors.begin(), tensors.end(),
                         [](const HfTensor& tensor) { return tensor.parameter == "token_embedding.weight"; });
  }
  const Place& embedding() const { return places.at(embedding_tensor().name); }

  /// transformers ties in spite of a head in the file, or not, by its version: only an equal one leaves no doubt.
  void check_tied_head() const {
    const auto head = places.find("lm_head.weight");
    if (!config.model.tied_embeddings || head == places.end()) return;
    const HfTensor& tied = embedding_tensor();
    const Place& embedding = places.at(tied.name);
    bool equal = head->second.entry->shape == tied.shape;
    std::vector<double> ours(std::min<std::size_t>(tied.size(), 16384)), theirs(ours.size());
    for (std::size_t begin = 0; equal && begin < tied.size(); begin += ours.size()) {
      const std::size_t count = std::min(ours.size(), tied.size() - begin);
      embedding.file->read_as(*embedding.entry, begin, count, ours.data());
      head->second.file->read_as(*head->second.entry, begin, count, theirs.data());
      equal = std::equal(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(count), theirs.begin());
    }
    if (!equal) {
      throw Error(ErrorCode::kUnsupported, concat(directory, ": lm_head.weight is not ", tied.name,
                                                  ", but config.json has tie_word_embeddings: true"));
    }
  }

  /// No tensor has a row for each position of RoPE, so the number in config.json alone decides what its tables take.
  void check_positions(const std::string& config_file) const {
    if (config.model.position != PositionKind::kRope) return;
    std::uint64_t weights = 0;
    for (const auto& [name, place] : places) weights += place.entry->end - place.entry->begin;
    const std::uint64_t tables = config.model.max_seq_len * config.model.head_dim() * sizeof(float);
    const std::uint64_t most = std::max<std::uint64_t>(kMostRopeBytes, weights);
    if (tables > most) {
      throw Error(ErrorCode::kUnsupported,
                  concat(config_file, ": max_position_embeddings: ", config.model.max_seq_len, ": its tables of ",
                         tables, " bytes are above what is taken for them here, ", most,
                         " bytes (256 MiB, or as many as the weights); a smaller number is the same model"));
    }
  }

  template <class T>
  void read(const HfTensor& tensor, T* values) const {
    const Place& place = places.at(tensor.name);
    if (!tensor.transposed) return place.file->read_as(*place.entry, 0, tensor.size(), values);
    const std::size_t rows = tensor.shape[0], columns = tensor.shape[1];
    const std::size_t rows_at_once = std::max<std::size_t>(1, 65536 / columns);
    std::vector<T> some(std::min(rows, rows_at_once) * columns);
    for (std::size_t begin = 0; begin < rows; begin += rows_at_once) {
      const std::size_t count = std::min(rows_at_once, rows - begin);
      place.file->read_as(*place.entry, begin * columns, count * columns, some.data());
      for (std::size_t c = 0; c < columns; ++c) {
        for (std::size_t r = 0; r < count; ++r) values[c * rows + begin + r] = some[r * columns + c];
      }
    }
  }
};

HuggingFaceModel::HuggingFaceModel(const std::string& directory) : impl_(std::make_unique<Impl>(directory)) {}
HuggingFaceModel::~HuggingFaceModel() = default;

const ModelConfig& HuggingFaceModel::config() const { return impl_->config.model; }

template <class T>
void HuggingFaceModel::load_parameters(const ParameterList<T>& parameters) const {
  std::map<std::string_view, const ParameterRef<T>*> wanted;
  for (const ParameterRef<T>& p : parameters) {
    if (p.role == Role::kBuffer) std::fill_n(p.value, p.size(), T(0));
    wanted.emplace(p.name, &p);
  }
  for (const HfTensor& tensor : impl_->tensors) {
    const auto at = wanted.find(tensor.parameter);
    if (at == wanted.end()) continue;
    require(tensor.offset + tensor.size() <= at->second->size(), "hugging_face.load_weights: the model is not that of ",
            impl_->directory);
    impl_->read(tensor, at->second->value + tensor.offset);
  }
}

template <class T>
void HuggingFaceModel::load_weights(MiniGPT<T>& model) const {
  const ParameterList<T> parameters = model.parameters();
  std::set<std::string_view> known;
  for (const ParameterRef<T>& p : parameters) known.insert(p.name);
  for (const HfTensor& tensor : impl_->tensors) {
    require(known.count(tensor.parameter) > 0, "hugging_face.load_weights: the model is not that of ",
            impl_->directory);
  }
  load_parameters(parameters);
}

template <class T>
void HuggingFaceModel::load_embedding(std::int32_t token, T* row_D) const {
  const std::size_t d_model = config().d_model;
  require(token >= 0 && static_cast<std::size_t>(token) < config().vocab_size, "hugging_face.load_embedding: token is ",
          token, ", expected 0 to ", config().vocab_size - 1);
  const auto& [file, entry] = impl_->embedding();
  file->read_as(*entry, static_cast<std::size_t>(token) * d_model, d_model, row_D);
}

#define MINIMOE_INSTANTIATE(T)                                                    \
  template void HuggingFaceModel::load_parameters(const ParameterList<T>&) const; \
  template void HuggingFaceModel::load_weights(MiniGPT<T>&) const;                \
  template void HuggingFaceModel::load_embedding(std::int32_t, T*) const;
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
