// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/decoder.hpp"

#include "minimoe/core/profile.hpp"
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/counting_resource.hpp"
#include "support/test_tensors.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

struct Named {
  const char* name;
  ModelConfig config;
};

// Each way in which a token can depend on those before it, and each kind of block.
std::vector<Named> models() {
  const auto base = [](ModelConfig config) {
    config = toy_model(config);
    config.max_seq_len = 75;  // more than two blocks of keys
    config.num_layers = 3;
    config.d_model = 40;
    config.num_heads = 4;
    config.vocab_size = 37;
    return config;
  };
  std::vector<Named> list;
  list.push_back({"gpt2", base(gpt2_preset())});
  list.push_back({"llama", base(llama_preset())});
  ModelConfig config = base(llama_preset());
  config.num_kv_heads = 2;
  config.qk_norm = true;
  config.moe_layers = {0, 1, 2};
  config.moe.num_shared_experts = 1;
  config.moe.gate_order = GateOrder::kSigmoidTopkRenorm;
  config.moe.bias_balancing = true;
  list.push_back({"grouped heads, QK norm, all MoE, shared experts, sigmoid, biased choice", config});
  config.qk_norm_full_width = config.moe.shared_expert_gate = config.attention_bias = true;
  config.attention_output_bias = false;
  config.moe.gate_order = GateOrder::kSoftmaxTopk;
  config.moe.bias_balancing = false;
  list.push_back({"grouped heads, QK norm over all heads, gated shared experts, no output bias", config});
  config = base(llama_preset());
  config.num_kv_heads = 1;
  config.rope_pairing = RopePairing::kInterleaved;
  config.tied_embeddings = true;
  config.moe_layers = {};
  list.push_back({"one key head, interleaved pairs, tied, dense", config});
  config = base(gpt2_preset());
  config.d_model = 300;  // sums of more than one block
  config.num_heads = 2;
  config.gelu = Gelu::kErf;
  config.moe.d_expert = 270;
  config.moe.top_k = 1;
  config.moe.gate_order = GateOrder::kSoftmaxTopk;
  config.moe.aux_loss_scope = AuxLossScope::kSequence;
  list.push_back({"wide", config});
  return list;
}

template <class T>
MiniGPT<T> started(const ModelConfig& config) {
  MiniGPT<T> model(config);
  model.initialize(5);
  for (std::size_t i = 0; i < model.num_moe_layers(); ++i) {
    const View<T, 1> bias = model.moe_layer(i).expert_bias();
    for (std::size_t e = 0; config.moe.bias_balancing && e < bias.size(); ++e)
      bias(e) = static_cast<T>(0.1 * static_cast<double>(e));
  }
  return model;
}

std::vector<std::int32_t> random_text(std::size_t length, std::size_t vocab_size) {
  std::vector<std::int32_t> text(length);
  const RandomStream stream(4, "text");
  for (std::size_t t = 0; t < length; ++t) text[t] = static_cast<std::int32_t>(stream.below(t, vocab_size));
  return text;
}

View<const std::int32_t, 1> view(const std::vector<std::int32_t>& text, std::size_t begin, std::size_t end) {
  return {text.data() + begin, {end - begin}};
}

// Logits [S, V] of one forward pass over the text.
template <class T>
Tensor<T, 2> all_at_once(Exec& exec, const MiniGPT<T>& model, const std::vector<std::int32_t>& text) {
  Arena arena;
  ModelCache<T> cache;
  arena.build([&](Arena& a) { cache.plan(a, model.config(), 1, text.size(), exec.num_threads(), false); });
  model.forward(exec, {view(text, 0, text.size()), {}, 1, text.size()}, false, cache);
  Tensor<T, 2> logits = make_tensor<T, 2>({text.size(), model.config().vocab_size});
  std::copy_n(cache.logits_TV.data(), logits.size(), logits.data());
  return logits;
}

template <class T>
bool same_row(View<const T, 1> row, const Tensor<T, 2>& logits, std::size_t t) {
  return std::memcmp(row.data(), logits.data() + t * row.size(), row.size() * sizeof(T)) == 0;
}

}  // namespace

TEMPLATE_TEST_CASE("decoder: the logits of each position are those of the full forward, bit for bit", "[model][exec]",
                   float, double) {
  using T = TestType;
  for (const Named& m : models()) {
    const MiniGPT<T> model = started<T>(m.config);
    const std::size_t S = m.config.max_seq_len;
    const std::vector<std::int32_t> text = random_text(S, m.config.vocab_size);
    for (const InstructionSet set : available_instruction_sets()) {
      Exec reference({.num_threads = 1, .instruction_set = set});
      const Tensor<T, 2> expected = all_at_once(reference, model, text);
      for (const int num_threads : {1, 2, 3}) {
        Exec exec({.num_threads = num_threads, .instruction_set = set});
        Decoder<T> decoder(model, S, num_threads);
        for (const std::size_t prompt : {std::size_t{1}, std::size_t{2}, std::size_t{33}, S}) {
          INFO(m.name << ", " << instruction_set_name(set) << ", threads " << num_threads << ", prompt " << prompt);
          REQUIRE(same_row(decoder.start(exec, view(text, 0, prompt)), expected, prompt - 1));
          for (std::size_t t = prompt; t < S; ++t) {
            INFO("token " << t);
            REQUIRE(same_row(decoder.append(exec, text[t]), expected, t));
          }
          REQUIRE(decoder.length() == S);
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("decoder: with packed weights the bits are the same, and no linear layer reads its own",
                   "[model][exec]", float, double) {
  using T = TestType;
  for (const Named& m : models()) {
    MiniGPT<T> model = started<T>(m.config);
    const ParameterList<T> parameters = model.parameters();
    const std::size_t S = m.config.max_seq_len;
    const std::vector<std::int32_t> text = random_text(S, m.config.vocab_size);
    for (const InstructionSet set : available_instruction_sets()) {
      Exec exec({.num_threads = 2, .instruction_set = set});
      model.initialize(5);
      const Tensor<T, 2> expected = all_at_once(exec, model, text);
      CountingResource memory;
      const auto weights = linear_weights(parameters, m.config);
      const auto packed = std::make_shared<const PackedWeights<T>>(exec, weights, &memory);
      INFO(m.name << ", " << instruction_set_name(set));
      REQUIRE(memory.current() == packed->memory_bytes());
      REQUIRE(packed->memory_bytes() == PackedWeights<T>::memory_bytes(exec, weights));
      Decoder<T> decoder(model, S, 2, nullptr, packed);
      REQUIRE(same_row(decoder.start(exec, view(text, 0, 5)), expected, 4));
      // What no user may do: it shows where the values come from.
      for (const ParameterRef<T>& p : parameters) {
        if (p.decay == Decay::kYes && p.name.find("embedding") == std::string::npos)
          std::fill_n(p.value, p.size(), T{0});
      }
      for (std::size_t t = 5; t < S; ++t) {
        INFO("token " << t);
        REQUIRE(same_row(decoder.append(exec, text[t]), expected, t));
      }
    }
  }
}

TEST_CASE("decoder: several tokens may follow at a time, and their logits be wanted", "[model]") {
  for (const Named& m : models()) {
    const MiniGPT<float> model = started<float>(m.config);
    const std::size_t S = m.config.max_seq_len, V = m.config.vocab_size;
    const std::vector<std::int32_t> text = random_text(S, V);
    Exec exec({.num_threads = 2});
    const Tensor<float, 2> expected = all_at_once(exec, model, text);
    Arena arena;
    std::deque<Past<float>> past(m.config.num_layers);
    NextCache<float> cache;
    Tensor<float, 2> logits = make_tensor<float, 2>({S, V});
    arena.build([&](Arena& a) {
      for (Past<float>& p : past) p.kept.plan(a, m.config.kv_heads(), S, m.config.head_dim());
      cache.plan(a, m.config, S, 40, 2);
    });
    std::size_t at = 0;
    for (const std::size_t n : {std::size_t{3}, std::size_t{40}, std::size_t{1}, S - 44}) {
      const View<float, 2> rows(logits.data() + at * V, {n, V});
      model.forward_next(exec, view(text, at, at + n), past, cache, rows);
      at += n;
    }
    INFO(m.name);
    CHECK(same_bits(logits, expected));
    CHECK_THROWS_WITH(model.forward_next(exec, view(text, 0, 1), past, cache, {nullptr, {0, V}}),
                      "minigpt.forward_next: 1 tokens after 75, allowed 1..75 (max_seq_len) together");
  }
}

TEST_CASE("decoder: a token costs no allocation, and the memory is what was said", "[model]") {
  ModelConfig config = models()[2].config;
  const MiniGPT<float> model = started<float>(config);
  const std::vector<std::int32_t> text = random_text(config.max_seq_len, config.vocab_size);
  for (const int num_threads : {1, 2}) {
    CountingResource memory;
    Exec exec({.num_threads = num_threads});
    exec.start_threads();
    Decoder<float> decoder(model, 70, num_threads, &memory);
    const std::size_t bytes = Decoder<float>::memory_bytes(config, 70, num_threads);
    CHECK(memory.current() == bytes);
    // Keys and values of 3 layers, 70 tokens, 2 heads of 10 floats; the rest is for one token.
    CHECK(bytes > 2 * 3 * 70 * 2 * 10 * sizeof(float));
    CHECK(bytes - Decoder<float>::memory_bytes(config, 60, num_threads) < 2 * 3 * 10 * 2 * 10 * sizeof(float) + 2048);
    decoder.start(exec, view(text, 0, 20));
    CHECK(memory.current() > bytes);
    CHECK(memory.current() == decoder.memory_bytes());
    decoder.append(exec, text[20]);
    CHECK(memory.current() == bytes);
    const std::uint64_t before = minimoe_test::num_allocations();
    for (std::size_t t = 21; t < 70; ++t) decoder.append(exec, text[t]);
    CHECK(minimoe_test::num_allocations() == before);
  }
}

TEST_CASE("decoder: a profile counts the products with every kept key", "[model][profile]") {
  const ModelConfig config = models()[2].config;
  const MiniGPT<float> model = started<float>(config);
  const std::vector<std::int32_t> text = random_text(config.max_seq_len, config.vocab_size);
  Exec exec({.num_threads = 1});
  Decoder<float> decoder(model, 70, 1);
  const auto attention_flops = [&](auto&& call) {
    Profile profile;
    ProfiledStep step(exec, &profile);
    call();
    step.complete();
    return profile.entry(Operation::kAttention, Pass::kForward).flops;
  };
  const double whole = attention_flops([&] { decoder.start(exec, view(text, 0, 22)); });
  double parts = attention_flops([&] { decoder.start(exec, view(text, 0, 20)); });
  for (const std::size_t t : {20, 21}) parts += attention_flops([&] { decoder.append(exec, text[t]); });
  CHECK(whole > 0);
  CHECK(parts == whole);
}

TEST_CASE("decoder: refuses what has no room, is no token or has no meaning, and keeps what it holds", "[model]") {
  ModelConfig config = models()[0].config;
  const MiniGPT<float> model = started<float>(config);
  const std::vector<std::int32_t> text = random_text(10, config.vocab_size);
  Exec exec({.num_threads = 1});
  CHECK_THROWS_WITH(Decoder<float>(model, 0, 1), "decoder: capacity is 0, allowed 1..75 (max_seq_len)");
  CHECK_THROWS_WITH(Decoder<float>(model, 76, 1), "decoder: capacity is 76, allowed 1..75 (max_seq_len)");
  Decoder<float> decoder(model, 8, 1);
  CHECK_THROWS_WITH(decoder.start(exec, view(text, 0, 0)), "decoder.start: 0 tokens, allowed 1..8 (capacity)");
  CHECK_THROWS_WITH(decoder.start(exec, view(text, 0, 9)), "decoder.start: 9 tokens, allowed 1..8 (capacity)");
  Exec wider({.num_threads = 2});
  CHECK_THROWS_WITH(decoder.start(wider, view(text, 0, 2)),
                    "decoder: the context has 2 threads, the decoder was made for 1");
  const Tensor<float, 2> expected = all_at_once(exec, model, text);
  decoder.start(exec, view(text, 0, 7));
  CHECK_THROWS_WITH(decoder.append(exec, 37),
                    "token_embedding_forward: tokens[0] is 37, expected 0 <= id < 37 (vocab_size)");
  CHECK(same_row(decoder.append(exec, text[7]), expected, 7));
  CHECK_THROWS_WITH(decoder.append(exec, 1), "decoder.append: 8 tokens are kept, which is the capacity");

  config.moe.eval_capacity_factor = 1;
  const MiniGPT<float> limited = started<float>(config);
  Decoder<float> whole(limited, 75, 1);
  CHECK_FALSE(whole.can_append());
  const Tensor<float, 2> with_limit = all_at_once(exec, limited, text);
  CHECK_FALSE(same_bits(with_limit, expected));  // the limit drops something
  CHECK(same_row(whole.start(exec, view(text, 0, 10)), with_limit, 9));
  CHECK_THROWS_WITH(whole.append(exec, 1),
                    "decoder.append: moe.eval_capacity_factor is 1, and a capacity limit makes a token depend on those "
                    "computed with it; start() takes the text");
}
