// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/sampler.hpp"

#include <cstdlib>
#include <fstream>
#include <limits>
#include <memory_resource>
#include <numeric>

#include "support/catch.hpp"
#include "support/test_tensors.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

// What SampleOptions says, from the whole list sorted; ids with their probabilities, likeliest first.
std::vector<std::pair<std::int32_t, double>> filtered(const std::vector<float>& logits, const SampleOptions& o) {
  std::vector<std::pair<std::int32_t, double>> list;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    list.emplace_back(static_cast<std::int32_t>(i), static_cast<double>(logits[i]) / o.temperature);
  }
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (o.top_k > 0 && o.top_k < list.size()) list.resize(o.top_k);
  const auto normalise = [&list] {
    double sum = 0;
    for (const auto& [id, p] : list) sum += p;
    for (auto& [id, p] : list) p /= sum;
  };
  const double top = list.front().second;
  for (auto& [id, score] : list) score = std::exp(score - top);
  normalise();
  double before = 0;
  std::size_t kept = 0;
  while (kept < list.size() && (kept == 0 || o.top_p == 1 || before < o.top_p)) before += list[kept++].second;
  list.resize(kept);
  normalise();
  return list;
}

std::vector<SampleOptions> all_options() {
  std::vector<SampleOptions> list;
  for (const double temperature : {0.3, 1.0, 2.5}) {
    for (const std::size_t top_k : {0, 1, 7, 200, 1000}) {
      for (const double top_p : {0.0, 1e-3, 0.5, 0.9, 0.999, 1.0}) {
        SampleOptions o;
        o.temperature = temperature;
        o.top_k = top_k;
        o.top_p = top_p;
        list.push_back(o);
      }
    }
  }
  return list;
}

std::vector<float> random_logits(std::size_t size, const char* name) {
  const RandomStream stream(11, name);
  std::vector<float> logits(size);
  for (std::size_t i = 0; i < size; ++i) logits[i] = static_cast<float>(2 * stream.normal(i));
  return logits;
}

View<const float, 1> view(const std::vector<float>& x) { return {x.data(), {x.size()}}; }

// A stream as it was before keys were kept: the last max_seq_len tokens from their beginning, for each token.
std::vector<std::int32_t> recomputed(Exec& exec, const MiniGPT<float>& model, std::vector<std::int32_t> text,
                                     const SampleOptions& options) {
  const std::size_t prompt = text.size(), S = model.config().max_seq_len, V = model.config().vocab_size;
  Arena arena;
  ModelCache<float> cache;
  arena.build([&](Arena& a) { cache.plan(a, model.config(), 1, S, exec.num_threads(), false); });
  TokenSampler sampler(V, options);
  while (text.size() < prompt + options.max_new_tokens) {
    const std::size_t n = std::min(text.size(), S);
    model.forward(exec, {{text.data() + text.size() - n, {n}}, {}, 1, n}, false, cache);
    text.push_back(sampler.draw<float>({cache.logits_TV.row(n - 1), {V}}, text.size()));
    if (text.back() == options.stop_token) break;
  }
  return {text.begin() + static_cast<std::ptrdiff_t>(prompt), text.end()};
}

}  // namespace

TEST_CASE("sampler: temperature, top-k, top-p keep the tokens and give the probabilities of the formula", "[model]") {
  for (const SampleOptions& o : all_options()) {
    const std::vector<float> logits = random_logits(300, "logits");
    const auto expected = filtered(logits, o);
    TokenSampler sampler(logits.size(), o);
    const std::int32_t token = sampler.draw(view(logits), 3);
    std::vector<double> found(logits.size()), wanted(logits.size());
    for (std::size_t i = 0; i < sampler.candidates().size(); ++i) {
      found[static_cast<std::size_t>(sampler.candidates()(i))] = sampler.probabilities()(i);
    }
    for (const auto& [id, p] : expected) wanted[static_cast<std::size_t>(id)] = p;
    INFO("temperature " << o.temperature << ", top_k " << o.top_k << ", top_p " << o.top_p);
    REQUIRE(sampler.candidates().size() == expected.size());
    REQUIRE(relative_error(found, wanted) < 1e-14);
    // The token is where the running sum of probabilities passes the uniform number of its position.
    double sum = 0;
    std::size_t i = 0;
    while ((sum += sampler.probabilities()(i)) <= RandomStream(o.seed, "sample").uniform(3)) ++i;
    REQUIRE(token == sampler.candidates()(i));
  }
}

TEST_CASE("sampler: of equal logits the lower id is the likelier", "[model]") {
  const std::vector<float> logits = {1, 3, 3, 2, 3};
  SampleOptions o;
  o.temperature = 0;
  CHECK(TokenSampler(5, o).draw(view(logits), 0) == 1);
  o.temperature = 1;
  o.top_k = 2;
  TokenSampler two(5, o);
  two.draw(view(logits), 0);
  REQUIRE(two.candidates().size() == 2);
  CHECK(two.candidates()(0) == 1);
  CHECK(two.candidates()(1) == 2);
  CHECK(two.probabilities()(0) == 0.5);
  o.top_k = 3;
  o.top_p = 0.6;  // a third, and another third, are less
  TokenSampler nucleus(5, o);
  nucleus.draw(view(logits), 0);
  REQUIRE(nucleus.candidates().size() == 2);
  CHECK(nucleus.candidates()(1) == 2);
  // At equality the token goes: the first of two equal ones holds top_p already.
  o.top_k = 0;
  o.top_p = 0.5;
  const std::vector<float> equal = {2, 2};
  TokenSampler half(2, o);
  half.draw(view(equal), 0);
  REQUIRE(half.candidates().size() == 1);
  CHECK(half.candidates()(0) == 0);
}

TEST_CASE("sampler: a stream gives what recomputing the context gave, whether it slides, stops or is limited",
          "[model]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    for (const double eval_capacity : {0.0, 1.0}) {
      ModelConfig config = toy_model(preset);
      config.moe.eval_capacity_factor = eval_capacity;
      MiniGPT<float> model(config);
      model.initialize(5);
      Exec exec({.num_threads = 1});
      for (const std::vector<std::int32_t>& prompt :
           {std::vector<std::int32_t>{3}, {1, 2, 3, 4}, {1, 2, 3, 4, 5, 6}, {10, 9, 8, 7, 6, 5, 4, 3, 2}}) {
        SampleOptions o;
        o.max_new_tokens = 12;
        o.top_k = 5;
        o.seed = 8;
        const auto expected = recomputed(exec, model, prompt, o);
        INFO("capacity factor " << eval_capacity << ", prompt of " << prompt.size());
        CHECK(sample_tokens(exec, model, prompt, o) == expected);
        o.stop_token = expected[6];
        CHECK(sample_tokens(exec, model, prompt, o) == recomputed(exec, model, prompt, o));
        o.stop_token = -1;
        o.when_full = WhenFull::kStop;
        if (prompt.size() > config.max_seq_len) {
          CHECK_THROWS_WITH(
              TokenStream<float>(model, prompt, o, 1),
              "sample: the prompt has 9 tokens, allowed 1..6 (max_seq_len) when the context does not slide");
          continue;
        }
        TokenStream<float> stream(model, prompt, o, 1);
        std::int32_t token = -1;
        std::size_t count = 0;
        for (; stream.next(exec, token); ++count) CHECK(token == expected[count]);
        CHECK(stream.end() == TokenStream<float>::End::kContextFull);
        CHECK(count == config.max_seq_len + 1 - prompt.size());
        CHECK_FALSE(stream.next(exec, token));
      }
    }
  }
}

TEST_CASE("sampler: a stream knows its end with its last token", "[model]") {
  using End = TokenStream<float>::End;
  MiniGPT<float> model(toy_model());
  model.initialize(5);
  Exec exec({.num_threads = 1});
  const auto end_after = [&](const SampleOptions& o, std::size_t count) {
    TokenStream<float> stream(model, {1, 2, 3, 4}, o, 1);
    std::int32_t token = -1;
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(stream.end() == End::kNone);
      REQUIRE(stream.next(exec, token));
    }
    return stream.end();
  };
  SampleOptions o;
  o.when_full = WhenFull::kStop;
  CHECK(end_after(o, 3) == End::kContextFull);  // max_seq_len is 6: the seventh is the last
  o.max_new_tokens = 2;
  CHECK(end_after(o, 2) == End::kMaxNewTokens);
  o.stop_token = sample_tokens(exec, model, {1, 2, 3, 4}, o)[0];
  CHECK(end_after(o, 1) == End::kStopToken);
  o.max_new_tokens = 0;
  CHECK(end_after(o, 0) == End::kMaxNewTokens);
}

TEST_CASE("sampler: a text that is finished is not lost to a cancel", "[model]") {
  // Fires when the activations of the prompt are allocated: while the first token is computed.
  struct Firing : std::pmr::memory_resource {
    CancelFlag flag;
    int allocations = 0;
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
      if (++allocations == 2) flag.fire();
      return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
      std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
  };
  MiniGPT<float> model(toy_model());
  model.initialize(5);
  Exec exec({.num_threads = 1});
  SampleOptions o;
  for (const std::size_t count : {1, 2}) {
    Firing memory;
    o.max_new_tokens = count;
    if (count == 1) {
      CHECK(sample_tokens(exec, model, {1, 2}, o, &memory.flag, &memory).size() == 1);
    } else {
      CHECK_THROWS_WITH(sample_tokens(exec, model, {1, 2}, o, &memory.flag, &memory), "sample: cancelled");
    }
    CHECK(memory.flag.fired());
  }
  CancelFlag fired;
  fired.fire();
  o.max_new_tokens = 0;
  CHECK(sample_tokens(exec, model, {1, 2}, o, &fired).empty());
}

TEST_CASE("sampler: after a failure a stream is as before, with no logits, and goes on to the same tokens", "[model]") {
  MiniGPT<float> model(toy_model());
  model.initialize(5);
  Exec exec({.num_threads = 1});
  SampleOptions o;
  o.max_new_tokens = 4;
  const auto expected = sample_tokens(exec, model, {1, 2}, o);
  TokenStream<float> stream(model, {1, 2}, o, 1);
  std::int32_t token = -1;
  REQUIRE(stream.next(exec, token));
  REQUIRE(stream.logits().size() == model.config().vocab_size);
  float* weight = nullptr;
  for (const auto& entry : model.parameters()) {
    if (entry.name == "final_norm.weight") weight = entry.value;
  }
  REQUIRE(weight);
  const float before = *weight;
  *weight = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(stream.next(exec, token), "sample: the logit of token 0 is nan");
  CHECK(stream.logits().size() == 0);
  CHECK(stream.text() == std::vector<std::int32_t>{1, 2, expected[0]});
  *weight = before;
  for (std::size_t i = 1; i < 4; ++i) {
    REQUIRE(stream.next(exec, token));
    CHECK(token == expected[i]);
  }
}

TEST_CASE("sampler: refuses what is no prompt or no option", "[model]") {
  MiniGPT<float> model(toy_model());
  model.initialize(1);
  Exec exec({.num_threads = 1});
  SampleOptions o;
  o.max_new_tokens = 0;
  CHECK_THROWS_WITH(sample_tokens(exec, model, {}, o), "sample: the prompt is empty; at least one token is needed");
  CHECK_THROWS_WITH(sample_tokens(exec, model, {1, 11}, o),
                    "sample: token 1 of the prompt is 11, expected 0 <= id < 11 (vocab_size)");
  CHECK(sample_tokens(exec, model, {1}, o).empty());
  o.top_p = 1.5;
  CHECK_THROWS_WITH(sample_tokens(exec, model, {1}, o), "sample: top_p is 1.5, allowed 0..1 (1: all)");
  o.top_p = 1;
  o.temperature = -1;
  CHECK_THROWS_WITH(sample_tokens(exec, model, {1}, o), "sample: temperature is -1, allowed 0 (greedy) or more");
  const std::vector<float> logits = {0, std::numeric_limits<float>::quiet_NaN(), 0};
  CHECK_THROWS_WITH(TokenSampler(3, SampleOptions{}).draw(view(logits), 0), "sample: the logit of token 1 is nan");
}

// Runs only when asked for, by tests/golden/compare_sampling.py: logits, then a line for each set of options.
TEST_CASE("sampler: writes what it keeps", "[.sampling]") {
  const char* const path = std::getenv("MINIMOE_SAMPLE_FILE");
  REQUIRE(path);
  std::ofstream out(path);
  out.precision(17);
  const std::vector<float> logits = random_logits(300, "logits");
  for (const float x : logits) out << x << ' ';
  for (const SampleOptions& o : all_options()) {
    TokenSampler sampler(logits.size(), o);
    sampler.draw(view(logits), 0);
    out << '\n' << o.temperature << ' ' << o.top_k << ' ' << o.top_p;
    for (std::size_t i = 0; i < sampler.candidates().size(); ++i) {
      out << ' ' << sampler.candidates()(i) << ' ' << sampler.probabilities()(i);
    }
  }
}
