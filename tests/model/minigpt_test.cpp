// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/minigpt.hpp"

#include <cmath>

#include "minimoe/model/upcycling.hpp"
#include "support/catch.hpp"
#include "support/test_tensors.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

// One batch of random tokens with everything that a forward and backward needs.
template <class T>
struct Fixture {
  explicit Fixture(const ModelConfig& config, std::size_t batch_size = 3, std::size_t seq_len = 6, int num_threads = 1)
      : exec(threads(num_threads)), model(config), batch_size_(batch_size), seq_len_(seq_len) {
    model.initialize(5);
    arena.build([&](Arena& a) {
      cache.plan(a, config, batch_size, seq_len, exec.num_threads(), true);
      tokens = a.take<std::int32_t, 1>({batch_size * seq_len});
      targets = a.take<std::int32_t, 1>({batch_size * seq_len});
    });
    const RandomStream stream(9, "tokens");
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      tokens(t) = static_cast<std::int32_t>(stream.below(t, config.vocab_size));
      targets(t) = static_cast<std::int32_t>(stream.below(1000 + t, config.vocab_size));
    }
    targets(1) = kIgnoreIndex;
    for (ParameterRef<T>& p : model.parameters()) {
      if (p.role == Role::kBuffer) continue;
      gradients.emplace_back(p.size(), T{0});
      p.bind_gradient(gradients.back().data());
    }
  }

  TokenBatch batch() const { return {tokens, valid, batch_size_, seq_len_}; }

  double mean_loss(bool training = true) {
    model.forward(exec, batch(), training, cache);
    const CrossEntropySum sum = model.loss(exec, targets, cache);
    return sum.loss / static_cast<double>(sum.num_targets);
  }

  Exec exec;
  MiniGPT<T> model;
  ModelCache<T> cache;
  Arena arena;
  View<std::int32_t, 1> tokens, targets;
  View<std::uint8_t, 1> valid;
  std::vector<std::vector<T>> gradients;

 private:
  std::size_t batch_size_, seq_len_;
};

// Copies every parameter whose name both models have.
template <class T>
void copy_shared(MiniGPT<T>& to, MiniGPT<T>& from) {
  for (const ParameterRef<T>& p : to.parameters()) {
    for (const ParameterRef<T>& q : from.parameters()) {
      if (p.name == q.name && p.size() == q.size()) std::copy_n(q.value, q.size(), p.value);
    }
  }
}

}  // namespace

TEST_CASE("minigpt: a dense and an MoE model of one seed share every tensor that they have in common", "[model]") {
  ModelConfig config = toy_model();
  MiniGPT<float> moe(config);
  config.moe_layers = {};
  MiniGPT<float> dense(config);
  moe.initialize(36000);
  dense.initialize(36000);
  std::size_t shared = 0;
  for (const ParameterRef<float>& p : moe.parameters()) {
    for (const ParameterRef<float>& q : dense.parameters()) {
      if (p.name != q.name) continue;
      ++shared;
      CHECK(std::equal(p.value, p.value + p.size(), q.value));
    }
  }
  // All but the FFN of block 1 (four tensors).
  CHECK(shared == dense.parameters().size() - 4);
}

TEST_CASE("minigpt: GPT-2 start values: 0.02, residual projections over sqrt(2L), norms 1, biases 0", "[model]") {
  ModelConfig config;
  config.vocab_size = 512;
  config.d_model = 128;
  config.d_ff = 512;
  config.num_layers = 8;
  config.moe_layers = {1};
  config.moe.d_expert = 512;
  MiniGPT<float> model(config);
  model.initialize(3);
  const auto deviation = [&](const std::string& name) {
    const ParameterRef<float> p = find_parameter(model, name);
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += static_cast<double>(p.value[i]) * p.value[i];
    return std::sqrt(sum / static_cast<double>(p.size()));
  };
  // Five standard errors of a deviation estimated from n values: 5 / sqrt(2n), n >= 16384 here.
  const double margin = 5 / std::sqrt(2.0 * 16384);
  CHECK(deviation("token_embedding.weight") == Approx(0.02).epsilon(margin));
  CHECK(deviation("blocks.0.attn.qkv.weight") == Approx(0.02).epsilon(margin));
  CHECK(deviation("blocks.0.attn.proj.weight") == Approx(0.02 / 4).epsilon(margin));
  CHECK(deviation("blocks.0.ffn.w_up_proj") == Approx(0.02).epsilon(margin));
  CHECK(deviation("blocks.0.ffn.w_down_proj") == Approx(0.02 / 4).epsilon(margin));
  CHECK(deviation("blocks.1.moe.experts.w_up_proj") == Approx(0.02).epsilon(margin));
  CHECK(deviation("blocks.1.moe.experts.w_down_proj") == Approx(0.02 / 4).epsilon(margin));
  CHECK(deviation("blocks.0.attn.qkv.bias") == 0);
  CHECK(deviation("blocks.1.moe.expert_bias") == 0);
  CHECK(deviation("final_norm.weight") == 1);
}

TEST_CASE("minigpt: decay is for matrices, embeddings, router and stacked experts only", "[model]") {
  ModelConfig config = toy_model();
  config.moe.router_bias = true;
  config.qk_norm = true;
  MiniGPT<float> model(config);
  for (const ParameterRef<float>& p : model.parameters()) {
    const bool is_bias = p.name.find(".b_") != std::string::npos || p.name.find("bias") != std::string::npos;
    const bool is_norm = p.name.find("norm") != std::string::npos;
    INFO(p.name);
    CHECK((p.decay == Decay::kYes) == (!is_bias && !is_norm));
    CHECK((p.role == Role::kBuffer) == (p.name == "blocks.1.moe.expert_bias"));
  }
}

TEST_CASE("minigpt: a token's logits do not depend on later tokens, bit for bit", "[model]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    Fixture<float> f(toy_model(preset));
    f.mean_loss();
    const std::vector<double> before = values(f.cache.logits_TV);
    f.tokens(4) = (f.tokens(4) + 1) % 11;  // sequence 0, position 4
    f.mean_loss();
    const std::vector<double> after = values(f.cache.logits_TV);
    CHECK(std::equal(before.begin(), before.begin() + 4 * 11, after.begin()));
    CHECK_FALSE(std::equal(before.begin() + 4 * 11, before.begin() + 5 * 11, after.begin() + 4 * 11));
    CHECK(std::equal(before.begin() + 6 * 11, before.end(), after.begin() + 6 * 11));
  }
}

TEST_CASE("minigpt: one expert and K = 1 is the dense model bit for bit, gradients included", "[model]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    ModelConfig config = toy_model(preset);
    config.moe.num_experts = config.moe.top_k = 1;
    config.moe.aux_loss_coef = 0;
    Fixture<float> moe(config);
    config.moe_layers = {};
    Fixture<float> dense(config);
    upcycle_weights(moe.model, dense.model.parameters(), 5);
    CHECK(moe.mean_loss() == dense.mean_loss());
    CHECK(same_bits(moe.cache.logits_TV, dense.cache.logits_TV));
    LossScale scale;
    scale.cross_entropy = 1.0 / 17;
    dense.model.backward(dense.exec, dense.batch(), dense.targets, scale, dense.cache);
    moe.model.backward(moe.exec, moe.batch(), moe.targets, scale, moe.cache);
    for (const ParameterRef<float>& p : dense.model.parameters()) {
      std::string name = p.name;
      if (name.starts_with("blocks.1.ffn.")) name.replace(0, 13, "blocks.1.moe.experts.");
      const ParameterRef<float> q = find_parameter(moe.model, name);
      INFO(name);
      CHECK(std::equal(p.gradient, p.gradient + p.size(), q.gradient));
    }
  }
}

TEST_CASE("minigpt: what stands in the padding changes no bit, and padding changes no count", "[model]") {
  const ModelConfig config = toy_model();
  Fixture<float> f(config);
  std::vector<std::uint8_t> valid(18, 1);
  for (const std::size_t t : {4, 5, 10, 11}) {
    valid[t] = 0;
    f.targets(t) = kIgnoreIndex;
  }
  f.valid = {valid.data(), {valid.size()}};
  LossScale scale;
  scale.cross_entropy = 0.1;
  scale.balance.resize(1);
  scale.balance[0].aux_coef = scale.balance[0].z_coef = 0.1;
  const auto run = [&] {
    for (auto& gradient : f.gradients) std::fill(gradient.begin(), gradient.end(), 0.0f);
    const double loss = f.mean_loss();
    f.model.backward(f.exec, f.batch(), f.targets, scale, f.cache);
    return loss;
  };
  const double loss = run();
  const auto gradients = f.gradients;
  const RoutingStats stats = f.cache.routing[0];
  CHECK(stats.num_tokens == 14);
  for (const std::size_t t : {4, 5, 10, 11}) f.tokens(t) = (f.tokens(t) + 5) % 11;
  CHECK(run() == loss);
  CHECK(f.cache.routing[0].load == stats.load);
  CHECK(f.cache.routing[0].aux_loss == stats.aux_loss);
  CHECK(f.gradients == gradients);

  // The two sequences without their padding, in a batch of their own, route and cost the same.
  Fixture<float> whole(config, 1, 4);
  copy_shared(whole.model, f.model);
  std::int64_t total = 0;
  double sum = 0;
  f.targets(12) = f.targets(13) = f.targets(14) = f.targets(15) = f.targets(16) = f.targets(17) = kIgnoreIndex;
  const double padded_loss = f.mean_loss();
  for (const std::size_t row : {0, 1}) {
    std::copy_n(f.tokens.data() + row * 6, 4, whole.tokens.data());
    std::copy_n(f.targets.data() + row * 6, 4, whole.targets.data());
    whole.model.forward(whole.exec, whole.batch(), true, whole.cache);
    const CrossEntropySum part = whole.model.loss(whole.exec, whole.targets, whole.cache);
    sum += part.loss;
    total += static_cast<std::int64_t>(part.num_targets);
  }
  CHECK(std::abs(sum / static_cast<double>(total) - padded_loss) < 1e-6);
}

TEST_CASE("minigpt: refuses batches that do not fit, with both sizes", "[model]") {
  Fixture<float> f(toy_model());
  TokenBatch batch = f.batch();
  batch.seq_len = 7;
  batch.batch_size = 1;
  CHECK_THROWS_WITH(f.model.forward(f.exec, batch, false, f.cache),
                    ContainsSubstring("tokens is [18], expected [batch_size * seq_len] = [1 * 7]"));
  batch.tokens = {f.tokens.data(), {7}};
  CHECK_THROWS_WITH(f.model.forward(f.exec, batch, false, f.cache), ContainsSubstring("seq_len is 7, allowed 1..6"));
  std::vector<std::int32_t> many(24, 1);
  CHECK_THROWS_WITH(f.model.forward(f.exec, TokenBatch{{many.data(), {24}}, {}, 4, 6}, false, f.cache),
                    ContainsSubstring("24 tokens, but the cache was planned for 18"));
  f.tokens(7) = 11;
  CHECK_THROWS_WITH(f.mean_loss(), ContainsSubstring("11"));
  f.tokens(7) = 0;
  f.targets(3) = -1;
  CHECK_THROWS_WITH(f.mean_loss(), ContainsSubstring("-1"));
  f.targets(3) = 0;
  std::vector<std::uint8_t> left(18, 1);
  left[6] = 0;  // sequence 1 begins with padding
  f.valid = {left.data(), {18}};
  CHECK_THROWS_WITH(f.mean_loss(), ContainsSubstring("token 7 is valid after padding"));
}
