// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/specialisation.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/frequency_buckets.hpp"
#include "analysis/specialisation_controls.hpp"
#include "analysis/specialisation_verdict.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kNumParts = 5;

void check(const RoutedTokens& tokens, const SpecialisationOptions& options) {
  const std::size_t num_tokens = tokens.words.size(), top_k = tokens.top_k;
  const auto fits = [&](const char* what, std::size_t size, std::size_t expected) {
    if (size == expected) return;
    throw Error(ErrorCode::kShape,
                concat("specialisation: ", size, " ", what, ", expected ", expected, " (", num_tokens, " tokens)"));
  };
  require(tokens.num_experts >= 1 && top_k >= 1 && top_k <= tokens.num_experts, "specialisation: ", top_k, " of ",
          tokens.num_experts, " experts a token");
  fits("classes", tokens.classes.size(), num_tokens);
  fits("windows", tokens.windows.size(), num_tokens);
  fits("experts", tokens.experts.size(), num_tokens * top_k);
  for (const auto& experts : tokens.random_routers) fits("experts of a router", experts.size(), num_tokens * top_k);
  for (const std::uint8_t c : tokens.classes) {
    require(c < tokens.class_names.size(), "specialisation: class ", int{c}, ", but there are ",
            tokens.class_names.size());
  }
  const auto check_experts = [&](std::span<const std::int32_t> experts) {
    for (const std::int32_t e : experts) {
      require(e >= 0 && static_cast<std::size_t>(e) < tokens.num_experts, "specialisation: expert ", e,
              ", expected 0..", tokens.num_experts - 1);
    }
  };
  check_experts(tokens.experts);
  for (const auto& experts : tokens.random_routers) check_experts(experts);
  require(num_tokens > 0 && tokens.windows.front() != tokens.windows.back(),
          "specialisation: fewer than 2 windows, so there is nothing to resample");
  require(options.num_permutations >= 1 && options.num_bootstrap >= 1 && options.num_tables >= 1 &&
              options.num_word_shuffles >= 1,
          "specialisation: every number of draws must be 1 or more");
}

/// @param labels [T] below groups.size(), whose names are set
void count_groups(std::vector<GroupShares>& groups, const RoutedTokens& tokens, std::span<const std::uint8_t> labels,
                  const std::vector<std::int64_t>& histogram, const SpecialisationOptions& options) {
  const std::size_t num_experts = tokens.num_experts, top_k = tokens.top_k;
  Contingency table(groups.size(), num_experts);
  for (std::size_t t = 0; t < labels.size(); ++t) {
    ++groups[labels[t]].count;
    for (std::size_t k = 0; k < top_k; ++k) table.add(labels[t], tokens.experts[t * top_k + k]);
  }
  const auto total = static_cast<double>(tokens.experts.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    GroupShares& group = groups[g];
    group.enough = group.count >= static_cast<std::int64_t>(options.min_class_tokens);
    group.share.assign(num_experts, 0);
    group.lift.assign(num_experts, 0);
    for (std::size_t e = 0; group.count > 0 && e < num_experts; ++e) {
      group.share[e] = static_cast<double>(table.cell(g, e)) / static_cast<double>(table.rows()[g]);
      if (histogram[e] > 0) group.lift[e] = group.share[e] / (static_cast<double>(histogram[e]) / total);
    }
  }
}

void count_assignments(LayerSpecialisation& layer, const RoutedTokens& tokens, const SpecialisationOptions& options) {
  layer.num_experts = tokens.num_experts;
  layer.top_k = tokens.top_k;
  layer.histogram.assign(tokens.num_experts, 0);
  layer.by_choice.assign(tokens.top_k, layer.histogram);
  for (std::size_t i = 0; i < tokens.experts.size(); ++i) {
    ++layer.histogram[tokens.experts[i]];
    ++layer.by_choice[i % tokens.top_k][tokens.experts[i]];
  }
  for (const std::string& name : tokens.class_names) {
    layer.classes.emplace_back();
    layer.classes.back().name = name;
  }
  count_groups(layer.classes, tokens, tokens.classes, layer.histogram, options);
  const FrequencyBuckets buckets = frequency_buckets(tokens.words);
  for (const std::string& name : buckets.names) {
    layer.frequencies.emplace_back();
    layer.frequencies.back().name = name;
  }
  count_groups(layer.frequencies, tokens, buckets.labels, layer.histogram, options);
}

std::vector<std::uint64_t> word_keys(const RoutedTokens& tokens) { return {tokens.words.begin(), tokens.words.end()}; }

/// The windows, in order, in five parts.
std::vector<std::uint32_t> parts_of(std::span<const std::uint32_t> windows) {
  std::vector<std::uint32_t> rank(windows.size());
  for (std::size_t t = 1; t < windows.size(); ++t) rank[t] = rank[t - 1] + (windows[t] != windows[t - 1] ? 1 : 0);
  const std::uint64_t count = rank.back() + 1u;
  for (std::uint32_t& r : rank) r = static_cast<std::uint32_t>(r * std::min<std::uint64_t>(kNumParts, count) / count);
  return rank;
}

void measure_explanations(LayerSpecialisation& layer, const RoutedTokens& tokens, const Grouping& words) {
  const std::vector<std::uint32_t> parts = parts_of(tokens.windows);
  const std::size_t num_parts = parts.back() + 1u;
  std::vector<std::uint64_t> word_and_class(words.ids.size());
  for (std::size_t t = 0; t < words.ids.size(); ++t) {
    word_and_class[t] = std::uint64_t{words.ids[t]} << 8 | tokens.classes[t];
  }
  const Grouping fine = group_by(word_and_class);
  const std::vector<std::uint64_t> class_keys(tokens.classes.begin(), tokens.classes.end());
  const Grouping classes = group_by(class_keys);
  const Choices choices{tokens.experts, tokens.num_experts, tokens.top_k};
  const HeldOutEntropy by_word = held_out_entropy(choices, parts, num_parts, words, fine);
  const HeldOutEntropy by_class = held_out_entropy(choices, parts, num_parts, classes, classes);

  const double open = by_word.all - std::log(static_cast<double>(tokens.top_k));
  constexpr double kNothingToExplain = 1e-3;  // nats
  if (open > kNothingToExplain) {
    const auto share = [open](double nats) { return std::clamp(nats / open, 0.0, 1.0); };
    layer.word_explains = share(by_word.all - by_word.coarse);
    layer.class_explains = share(by_class.all - by_class.coarse);
    layer.class_beyond_word = share(by_word.coarse - by_word.fine);
  }

  std::vector<std::int64_t> of_word(words.count), of_fine(fine.count), of_class(classes.count);
  for (std::size_t t = 0; t < words.ids.size(); ++t) {
    ++of_word[words.ids[t]];
    ++of_fine[fine.ids[t]];
    ++of_class[classes.ids[t]];
  }
  const double class_entropy = count_entropy(of_class);
  if (class_entropy > 0) {
    layer.class_given_word = std::max(0.0, count_entropy(of_fine) - count_entropy(of_word)) / class_entropy;
  }
}

double nmi_ceiling(const Contingency& table, std::size_t top_k) {
  const double experts = table.row_entropy(), classes = table.column_entropy();
  if (experts == 0 || classes == 0) return 0;
  const double open = std::max(0.0, experts - std::log(static_cast<double>(top_k)));
  return std::min(open, classes) / ((experts + classes) / 2);
}

}  // namespace

LayerSpecialisation specialisation(const RoutedTokens& tokens, const SpecialisationOptions& options,
                                   const CancelFlag* cancel) {
  check(tokens, options);
  LayerSpecialisation layer;
  count_assignments(layer, tokens, options);

  Contingency table(tokens.num_experts, tokens.class_names.size());
  layer.nmi = assignment_nmi(table, tokens.experts, tokens.top_k, tokens.classes);
  layer.nmi_ceiling = nmi_ceiling(table, tokens.top_k);
  const Interval interval = bootstrap_interval(tokens, layer.nmi, options, cancel);
  layer.nmi_low = interval.low;
  layer.nmi_high = interval.high;

  const Grouping words = group_by(word_keys(tokens));
  const std::vector<double> shuffled = shuffled_label_nmi(tokens, options, cancel);
  const auto reached = std::count_if(shuffled.begin(), shuffled.end(), [&](double v) { return v >= layer.nmi; });
  layer.shuffled_labels = control_values(shuffled);
  layer.p_value = static_cast<double>(1 + reached) / static_cast<double>(1 + shuffled.size());
  layer.random_table = control_values(random_table_nmi(tokens, words, options, cancel));
  layer.random_router = control_values(random_router_nmi(tokens));
  layer.within_word_shuffle = control_values(within_word_nmi(tokens, words, options, cancel));
  measure_explanations(layer, tokens, words);
  judge_specialisation(layer, tokens.classes_are_frequencies);
  return layer;
}

}  // namespace minimoe
