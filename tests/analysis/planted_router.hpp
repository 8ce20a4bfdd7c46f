// SPDX-License-Identifier: Apache-2.0
// Token streams whose routers are known, because they are planted.
#pragma once

#include <string>
#include <vector>

#include "minimoe/analysis/specialisation.hpp"
#include "minimoe/core/random.hpp"

namespace minimoe::test {

/// Words with classes: word w is of class w % num_classes, or, for every `ambiguous`-th word (0: none), one of two
/// classes, by the context.
struct PlantedTokens {
  std::vector<std::int32_t> words;
  std::vector<std::uint8_t> classes;
  std::vector<std::uint32_t> windows;
  std::vector<std::int32_t> experts;
  std::vector<std::vector<std::int32_t>> random_routers;
  std::size_t num_experts = 4, num_classes = 6, top_k = 1, num_words = 60;

  PlantedTokens(std::size_t num_windows, std::size_t window_size, std::uint64_t seed, std::size_t ambiguous) {
    const RandomStream stream(seed, "planted.words");
    for (std::size_t t = 0; t < num_windows * window_size; ++t) {
      const std::uint64_t word = stream.below(2 * t, num_words);
      const bool other = ambiguous > 0 && word % ambiguous == 0 && stream.below(2 * t + 1, 2) == 1;
      words.push_back(static_cast<std::int32_t>(word));
      classes.push_back(static_cast<std::uint8_t>((word + (other ? 3 : 0)) % num_classes));
      windows.push_back(static_cast<std::uint32_t>(t / window_size));
    }
  }

  std::size_t size() const { return words.size(); }

  /// Expert class % E, but with probability `noise` any expert.
  void plant_class(double noise, std::uint64_t seed) {
    const RandomStream stream(seed, "planted.class");
    for (std::size_t t = 0; t < size(); ++t) {
      const bool any = stream.uniform(2 * t) < noise;
      experts.push_back(
          static_cast<std::int32_t>(any ? stream.below(2 * t + 1, num_experts) : classes[t] % num_experts));
    }
  }
  /// One expert for each word form, drawn.
  void plant_table(std::uint64_t seed) { experts = table(seed); }
  /// Any expert, whatever the token is.
  void plant_nothing(std::uint64_t seed) {
    const RandomStream stream(seed, "planted.nothing");
    for (std::size_t t = 0; t < size(); ++t) experts.push_back(static_cast<std::int32_t>(stream.below(t, num_experts)));
  }
  /// The largest of E random projections of a hidden state: a word's own vector plus a noise of the context, and
  /// class_signal times a vector of the class.
  std::vector<std::int32_t> projected(std::uint64_t router, double noise, double class_signal = 0) const {
    constexpr std::size_t kWidth = 16;
    const RandomStream embedding(1, "planted.embedding"), context(2, "planted.context"),
        weight(router, "planted.projection");
    std::vector<std::int32_t> chosen;
    for (std::size_t t = 0; t < size(); ++t) {
      double best = 0;
      std::int32_t expert = 0;
      for (std::size_t e = 0; e < num_experts; ++e) {
        double logit = 0;
        for (std::size_t d = 0; d < kWidth; ++d) {
          const double hidden = embedding.normal(static_cast<std::size_t>(words[t]) * kWidth + d) +
                                noise * context.normal(t * kWidth + d) +
                                class_signal * context.normal((1u << 30) + classes[t] * kWidth + d);
          logit += hidden * weight.normal(e * kWidth + d);
        }
        if (e == 0 || logit > best) {
          best = logit;
          expert = static_cast<std::int32_t>(e);
        }
      }
      chosen.push_back(expert);
    }
    return chosen;
  }
  void add_random_routers(std::size_t count, double noise, double class_signal = 0) {
    for (std::size_t i = 0; i < count; ++i) random_routers.push_back(projected(100 + i, noise, class_signal));
  }

  RoutedTokens routed() const {
    RoutedTokens tokens;
    tokens.words = words;
    tokens.classes = classes;
    tokens.windows = windows;
    tokens.experts = experts;
    tokens.num_experts = num_experts;
    tokens.top_k = top_k;
    for (std::size_t c = 0; c < num_classes; ++c) tokens.class_names.push_back("class " + std::to_string(c));
    tokens.random_routers = random_routers;
    return tokens;
  }

 private:
  std::vector<std::int32_t> table(std::uint64_t seed) const {
    const RandomStream stream(seed, "planted.table");
    std::vector<std::int32_t> chosen;
    for (const std::int32_t word : words) {
      chosen.push_back(static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(word), num_experts)));
    }
    return chosen;
  }
};

}  // namespace minimoe::test
