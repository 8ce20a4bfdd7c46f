// SPDX-License-Identifier: Apache-2.0
// Datasets: corpora, files, and random tokens for benchmarks.
#include <algorithm>
#include <minimoe/core/random.hpp>
#include <nlohmann/json.hpp>

#include "core_bridge_calls.hpp"

namespace cli::core {

using json = nlohmann::ordered_json;

namespace {

using Tokens = std::span<std::int32_t>;
using Classes = std::span<std::uint8_t>;

// Drawn once, so that a benchmark times no drawing.
class RandomTokens final : public minimoe::TokenSource {
 public:
  RandomTokens(std::size_t vocab_size, std::uint64_t num_windows, std::size_t seq_len, std::uint64_t seed)
      : vocab_size_(vocab_size), num_windows_(num_windows), tokens_(num_windows * (seq_len + 1)) {
    const minimoe::RandomStream stream(seed, "bench.tokens");
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      tokens_[i] = static_cast<std::int32_t>(stream.below(i, vocab_size));
    }
  }

  std::size_t vocab_size() const override { return vocab_size_; }
  std::string token_text(std::int32_t token) const override { return std::to_string(token); }
  std::vector<std::int32_t> encode(const std::string&) const override { return {}; }
  std::string decode(std::span<const std::int32_t>) const override { return {}; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  void train_window(std::uint64_t, std::uint64_t index, Tokens tokens, Classes) const override {
    std::copy_n(tokens_.begin() + static_cast<std::ptrdiff_t>(index % num_windows_ * tokens.size()), tokens.size(),
                tokens.begin());
  }
  std::uint64_t num_eval_windows(minimoe::Split, std::size_t) const override { return 0; }
  void eval_window(minimoe::Split, std::uint64_t, Tokens, Classes) const override {}
  std::optional<double> entropy_floor(minimoe::Split, std::size_t, std::uint64_t) const override { return {}; }
  std::vector<minimoe::Probe> probes(minimoe::Split, std::size_t) const override { return {}; }
  std::string sha256() const override { return {}; }
  std::string name() const override { return "random"; }
  std::size_t memory_bytes() const override { return tokens_.size() * sizeof(tokens_[0]); }

 private:
  std::size_t vocab_size_;
  std::uint64_t num_windows_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::string> class_names_;
};

Window sized_window(const minimoe::TokenSource& source, std::size_t seq_len) {
  Window window;
  window.tokens.resize(seq_len + 1);
  if (!source.class_names().empty()) window.classes.resize(seq_len + 1);
  return window;
}

}  // namespace

Dataset Dataset::open(const std::string& config) {
  return guarded([&] {
    const minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    return Dataset(std::make_shared<Impl>(Impl{minimoe::open_token_source(parsed.data)}));
  });
}

Dataset Dataset::random_tokens(std::size_t vocab_size, std::uint64_t num_windows, std::size_t seq_len,
                               std::uint64_t seed) {
  return guarded([&] {
    return Dataset(
        std::make_shared<Impl>(Impl{std::make_unique<RandomTokens>(vocab_size, num_windows, seq_len, seed)}));
  });
}

std::string Dataset::info() const {
  return guarded([&] {
    const minimoe::TokenSource& source = *impl_->source;
    return json{{"name", source.name()},
                {"sha256", source.sha256()},
                {"vocab_size", source.vocab_size()},
                {"class_names", source.class_names()},
                {"memory_bytes", source.memory_bytes()}}
        .dump();
  });
}

std::string Dataset::fit_config(const std::string& config) const {
  return guarded([&] {
    minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    const minimoe::TokenSource& source = *impl_->source;
    if (parsed.model.vocab_size == 0) parsed.model.vocab_size = source.vocab_size();
    minimoe::require(parsed.model.vocab_size >= source.vocab_size(), "model.vocab_size: ", parsed.model.vocab_size,
                     ", but ", source.name(), " has token ids up to ", source.vocab_size() - 1,
                     "; use 0 (that of the data) or at least ", source.vocab_size());
    refuse(parsed.problems());
    Window window = sized_window(source, parsed.train.seq_len);
    source.train_window(parsed.train.seed, 0, window.tokens, window.classes);
    return minimoe::run_config_json(parsed);
  });
}

std::string Dataset::token_text(std::int32_t token) const {
  return guarded([&] { return impl_->source->token_text(token); });
}

std::vector<std::int32_t> Dataset::encode(const std::string& text) const {
  return guarded([&] { return impl_->source->encode(text); });
}

std::string Dataset::decode(const std::vector<std::int32_t>& tokens) const {
  return guarded([&] { return impl_->source->decode(tokens); });
}

const std::vector<std::string>& Dataset::splits() {
  using minimoe::Split;
  static const std::vector<std::string> names = {minimoe::split_name(Split::kTrain), minimoe::split_name(Split::kVal),
                                                 minimoe::split_name(Split::kHeldOutVerbs),
                                                 minimoe::split_name(Split::kHeldOutCombinations)};
  return names;
}

std::uint64_t Dataset::num_eval_windows(const std::string& split, std::size_t seq_len) const {
  return guarded([&]() -> std::uint64_t {
    const minimoe::Split which = minimoe::split_from_name(split);
    return which == minimoe::Split::kTrain ? 0 : impl_->source->num_eval_windows(which, seq_len);
  });
}

Window Dataset::train_window(std::uint64_t seed, std::uint64_t index, std::size_t seq_len) const {
  return guarded([&] {
    Window window = sized_window(*impl_->source, seq_len);
    impl_->source->train_window(seed, index, window.tokens, window.classes);
    return window;
  });
}

Window Dataset::eval_window(const std::string& split, std::uint64_t index, std::size_t seq_len) const {
  return guarded([&] {
    const minimoe::TokenSource& source = *impl_->source;
    const minimoe::Split which = minimoe::split_from_name(split);
    const std::uint64_t count = source.num_eval_windows(which, seq_len);
    minimoe::require(index < count, "index ", index, " is outside the ", count, " windows of ", seq_len,
                     " tokens that split ", split, " of ", source.name(), " has");
    Window window = sized_window(source, seq_len);
    source.eval_window(which, index, window.tokens, window.classes);
    return window;
  });
}

std::optional<double> Dataset::entropy_floor(const std::string& split, std::size_t seq_len,
                                             std::uint64_t num_windows) const {
  return guarded([&] { return impl_->source->entropy_floor(minimoe::split_from_name(split), seq_len, num_windows); });
}

}  // namespace cli::core
