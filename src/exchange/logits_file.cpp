// SPDX-License-Identifier: Apache-2.0
#include "minimoe/exchange/logits_file.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include "exchange/hf_tensors.hpp"
#include "train/safetensors.hpp"

namespace minimoe {
namespace {

std::vector<std::int32_t> next_tokens(const std::vector<std::int32_t>& tokens, std::size_t seq_len) {
  std::vector<std::int32_t> targets(tokens.size(), kIgnoreIndex);
  for (std::size_t t = 0; t + 1 < tokens.size(); ++t) {
    if ((t + 1) % seq_len != 0) targets[t] = tokens[t + 1];
  }
  return targets;
}

/// A copy of a model, so that the gradients of a model that others read have a place.
template <class T>
struct ModelWithGradients {
  MiniGPT<T> model;
  std::vector<T> gradients;
  std::map<std::string, T*> by_name;
  std::vector<ParameterRef<T>> weights;

  ModelWithGradients(const ModelConfig& config, const ParameterList<T>& from, MemoryResource* resource)
      : model(config, resource) {
    ParameterList<T> to = model.parameters();
    std::size_t count = 0;
    for (std::size_t i = 0; i < to.size(); ++i) {
      std::copy_n(from[i].value, to[i].size(), to[i].value);
      if (to[i].role == Role::kWeight) count += to[i].size();
    }
    gradients.resize(count);
    T* at = gradients.data();
    for (ParameterRef<T>& p : to) {
      if (p.role != Role::kWeight) continue;
      p.bind_gradient(at);
      by_name[p.name] = at;
      at += p.size();
      weights.push_back(p);
    }
  }
};

/// The file's tensors, with the memory of those that are copies.
template <class T>
class LogitsTensors {
 public:
  template <class V>
  void copy(const std::string& name, TensorType type, std::vector<std::size_t> shape, const V* values) {
    std::size_t bytes = sizeof(V);
    for (const std::size_t extent : shape) bytes *= extent;
    const char* begin = reinterpret_cast<const char*>(values);
    tensors.push_back({name, type, std::move(shape), copies_.emplace_back(begin, begin + bytes).data()});
  }
  void gradients_by_their_names(HfType type, const ModelConfig& config, const ModelWithGradients<T>& copied) {
    for (const HfTensor& tensor : hf_tensors(type, config)) {
      const auto at = copied.by_name.find(tensor.parameter);
      if (at == copied.by_name.end()) continue;  // a buffer
      const T* from = at->second + tensor.offset;
      tensors.push_back({"grad." + tensor.name, kTensorType<T>, tensor.shape, nullptr,
                         [tensor, from](void* out) { copy_to_disk_layout(tensor, from, static_cast<T*>(out)); }});
    }
  }
  void gradients_by_our_names(const ModelWithGradients<T>& copied) {
    for (const ParameterRef<T>& p : copied.weights) {
      tensors.push_back({"grad." + p.name, kTensorType<T>, p.shape, copied.by_name.at(p.name)});
    }
  }
  std::vector<TensorToWrite> tensors;

 private:
  std::deque<std::vector<char>> copies_;
};

}  // namespace

template <class T>
void write_logits(const std::string& path, Exec& exec, const MiniGPT<T>& model, const ParameterList<T>& parameters,
                  const std::vector<std::int32_t>& tokens, std::size_t seq_len, const LogitsOptions& options,
                  MemoryResource* resource) {
  const ModelConfig& config = model.config();
  require(seq_len >= 1 && !tokens.empty() && tokens.size() % seq_len == 0, "write_logits: ", tokens.size(),
          " tokens, expected a multiple of seq_len = ", seq_len, ", and at least one");
  require(!options.gradients || seq_len >= 2, "write_logits: the loss of sequences of one token has no gradients");
  TokenBatch batch;
  batch.tokens = {tokens.data(), {tokens.size()}};
  batch.batch_size = tokens.size() / seq_len;
  batch.seq_len = seq_len;
  Arena arena(resource);
  ModelCache<T> cache;
  arena.build(
      [&](Arena& a) { cache.plan(a, config, batch.batch_size, seq_len, exec.num_threads(), options.gradients); });
  model.forward(exec, batch, false, cache);
  LogitsTensors<T> file;
  const std::vector<std::size_t> logits_shape = {batch.batch_size, seq_len, config.vocab_size};
  if (options.gradients) {  // which take the place of the logits
    file.copy("logits", kTensorType<T>, logits_shape, cache.logits_TV.data());
  } else {
    file.tensors.push_back({"logits", kTensorType<T>, logits_shape, cache.logits_TV.data()});
  }
  for (std::size_t i = 0; options.router && i < config.moe_layers.size(); ++i) {
    const std::size_t block = config.moe_layers[i];
    const MoECache<T>& moe = cache.blocks[block].moe;
    const std::size_t experts = config.moe.num_experts, top_k = config.moe.top_k;
    file.copy(concat("router_logits.", block), kTensorType<T>, {batch.batch_size, seq_len, experts},
              moe.router_logits_TE.data());
    file.copy(concat("chosen_experts.", block), TensorType::kI32, {batch.batch_size, seq_len, top_k},
              moe.topk_idx_TK.data());
    file.copy(concat("gate_weights.", block), kTensorType<T>, {batch.batch_size, seq_len, top_k},
              moe.gate_weights_TK.data());
  }
  const std::vector<std::int32_t> targets = next_tokens(tokens, seq_len);
  const View<const std::int32_t, 1> targets_T(targets.data(), {targets.size()});
  const CrossEntropySum sum = model.loss(exec, targets_T, cache);
  if (sum.num_targets > 0) {
    const T loss = static_cast<T>(sum.loss / static_cast<double>(sum.num_targets));
    file.copy("loss", kTensorType<T>, {}, &loss);
  }
  std::unique_ptr<ModelWithGradients<T>> copied;  // outlives the writing
  if (options.gradients) {
    copied = std::make_unique<ModelWithGradients<T>>(config, parameters, resource);
    LossScale scale;
    scale.cross_entropy = 1 / static_cast<double>(sum.num_targets);
    copied->model.backward(exec, batch, targets_T, scale, cache);
    if (const auto type = find_hf_type(config, has_expert_bias(parameters))) {
      file.gradients_by_their_names(*type, config, *copied);
    } else {
      file.gradients_by_our_names(*copied);
    }
  }
  write_safetensors(path, std::move(file.tensors), {});
}

#define MINIMOE_INSTANTIATE(T)                                                                      \
  template void write_logits(const std::string&, Exec&, const MiniGPT<T>&, const ParameterList<T>&, \
                             const std::vector<std::int32_t>&, std::size_t, const LogitsOptions&, MemoryResource*);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
