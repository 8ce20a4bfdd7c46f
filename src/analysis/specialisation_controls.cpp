// SPDX-License-Identifier: Apache-2.0
#include "analysis/specialisation_controls.hpp"

#include <algorithm>

#include "minimoe/analysis/paired_statistics.hpp"
#include "minimoe/core/random.hpp"

namespace minimoe {
namespace {

RandomStream draw_stream(const SpecialisationOptions& options, const char* control, std::size_t draw) {
  return {options.seed, concat("specialisation.", control, ".", draw)};
}

/// Fisher-Yates. @param first index of the first number taken from the stream; size - 1 are taken
template <class Value>
void shuffle(std::span<Value> values, const RandomStream& stream, std::uint64_t first) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[stream.below(first + i, i)]);
  }
}

Contingency table_of(const RoutedTokens& tokens) { return {tokens.num_experts, tokens.class_names.size()}; }

/// Where the tokens of each window begin, and the end.
std::vector<std::size_t> window_begins(std::span<const std::uint32_t> windows) {
  std::vector<std::size_t> begins;
  for (std::size_t t = 0; t < windows.size(); ++t) {
    if (t == 0 || windows[t] != windows[t - 1]) begins.push_back(t);
  }
  begins.push_back(windows.size());
  return begins;
}

/// Linear between the two order statistics around share * (count - 1).
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

double assignment_nmi(Contingency& scratch, std::span<const std::int32_t> experts, std::size_t top_k,
                      std::span<const std::uint8_t> classes) {
  scratch.clear();
  for (std::size_t t = 0; t < classes.size(); ++t) {
    for (std::size_t k = 0; k < top_k; ++k) scratch.add(experts[t * top_k + k], classes[t]);
  }
  return scratch.normalised_mutual_information();
}

ControlValues control_values(const std::vector<double>& values) {
  if (values.empty()) return {};
  const Spread spread = spread_of(values);
  return {values.size(), spread.mean, spread.std, spread.max};
}

std::vector<double> shuffled_label_nmi(const RoutedTokens& tokens, const SpecialisationOptions& options,
                                       const CancelFlag* cancel) {
  Contingency scratch = table_of(tokens);
  std::vector<std::uint8_t> classes(tokens.classes.begin(), tokens.classes.end());
  std::vector<double> values;
  for (std::size_t draw = 0; draw < options.num_permutations; ++draw) {
    throw_if_cancelled(cancel, "specialisation");
    shuffle<std::uint8_t>(classes, draw_stream(options, "shuffled_labels", draw), 0);
    values.push_back(assignment_nmi(scratch, tokens.experts, tokens.top_k, classes));
  }
  return values;
}

std::vector<double> random_table_nmi(const RoutedTokens& tokens, const Grouping& words,
                                     const SpecialisationOptions& options, const CancelFlag* cancel) {
  const std::size_t num_experts = tokens.num_experts, top_k = tokens.top_k;
  Contingency scratch = table_of(tokens);
  std::vector<std::int32_t> experts_E(num_experts), experts(tokens.experts.size());
  std::vector<std::int32_t> table(words.count * top_k);
  std::vector<double> values;
  for (std::size_t draw = 0; draw < options.num_tables; ++draw) {
    throw_if_cancelled(cancel, "specialisation");
    const RandomStream stream = draw_stream(options, "random_table", draw);
    for (std::size_t e = 0; e < num_experts; ++e) experts_E[e] = static_cast<std::int32_t>(e);
    for (std::size_t word = 0; word < words.count; ++word) {
      for (std::size_t k = 0; k < top_k; ++k) {  // the first K steps of a shuffle: K distinct experts
        std::swap(experts_E[k], experts_E[k + stream.below(word * top_k + k, num_experts - k)]);
        table[word * top_k + k] = experts_E[k];
      }
    }
    for (std::size_t t = 0; t < words.ids.size(); ++t) {
      std::copy_n(table.begin() + words.ids[t] * top_k, top_k, experts.begin() + t * top_k);
    }
    values.push_back(assignment_nmi(scratch, experts, top_k, tokens.classes));
  }
  return values;
}

std::vector<double> random_router_nmi(const RoutedTokens& tokens) {
  Contingency scratch = table_of(tokens);
  std::vector<double> values;
  for (const auto& experts : tokens.random_routers) {
    values.push_back(assignment_nmi(scratch, experts, tokens.top_k, tokens.classes));
  }
  return values;
}

std::vector<double> within_word_nmi(const RoutedTokens& tokens, const Grouping& words,
                                    const SpecialisationOptions& options, const CancelFlag* cancel) {
  // The tokens of one word after the other.
  std::vector<std::uint32_t> begins(words.count + 1), order(words.ids.size());
  for (const std::uint32_t word : words.ids) ++begins[word + 1];
  for (std::size_t word = 0; word < words.count; ++word) begins[word + 1] += begins[word];
  std::vector<std::uint32_t> next(begins.begin(), begins.end() - 1);
  for (std::size_t t = 0; t < words.ids.size(); ++t) order[next[words.ids[t]]++] = static_cast<std::uint32_t>(t);

  const std::size_t top_k = tokens.top_k;
  Contingency scratch = table_of(tokens);
  std::vector<std::uint32_t> from = order;
  std::vector<std::int32_t> experts(tokens.experts.size());
  std::vector<double> values;
  for (std::size_t draw = 0; draw < options.num_word_shuffles; ++draw) {
    throw_if_cancelled(cancel, "specialisation");
    const RandomStream stream = draw_stream(options, "within_word_shuffle", draw);
    for (std::size_t word = 0; word < words.count; ++word) {
      const std::uint32_t begin = begins[word], end = begins[word + 1];
      shuffle(std::span(from).subspan(begin, end - begin), stream, begin);
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
      std::copy_n(tokens.experts.begin() + from[i] * top_k, top_k, experts.begin() + order[i] * top_k);
    }
    values.push_back(assignment_nmi(scratch, experts, top_k, tokens.classes));
  }
  return values;
}

Interval bootstrap_interval(const RoutedTokens& tokens, double value, const SpecialisationOptions& options,
                            const CancelFlag* cancel) {
  const std::vector<std::size_t> begins = window_begins(tokens.windows);
  const std::size_t num_windows = begins.size() - 1;
  Contingency table = table_of(tokens);
  std::vector<double> values;
  for (std::size_t draw = 0; draw < options.num_bootstrap; ++draw) {
    throw_if_cancelled(cancel, "specialisation");
    const RandomStream stream = draw_stream(options, "bootstrap", draw);
    table.clear();
    for (std::size_t i = 0; i < num_windows; ++i) {
      const std::size_t window = stream.below(i, num_windows);
      for (std::size_t t = begins[window]; t < begins[window + 1]; ++t) {
        for (std::size_t k = 0; k < tokens.top_k; ++k)
          table.add(tokens.experts[t * tokens.top_k + k], tokens.classes[t]);
      }
    }
    values.push_back(table.normalised_mutual_information());
  }
  const double shift = value - control_values(values).mean;
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025) + shift, quantile(values, 0.975) + shift};
}

}  // namespace minimoe
