// SPDX-License-Identifier: Apache-2.0
#include "analysis/held_out_entropy.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/contingency.hpp"

namespace minimoe {
namespace {

constexpr double kWeights[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};

/// Shares of experts in each group of one level, smoothed towards the level above.
class Level {
 public:
  Level(std::size_t num_groups, std::size_t num_experts)
      : num_experts_(num_experts), totals_(num_groups), counts_(num_groups * num_experts) {}

  void add(std::size_t group, std::int32_t expert, std::int64_t count) {
    totals_[group] += count;
    counts_[group * num_experts_ + expert] += count;
  }
  std::int64_t count(std::size_t group, std::size_t expert) const { return counts_[group * num_experts_ + expert]; }
  std::size_t num_groups() const { return totals_.size(); }

  /// above(group, expert): the probability one level up. A token takes all its K assignments with it when left out.
  template <class Above>
  void choose_weight(std::size_t top_k, const Above& above) {
    double best = 0;
    for (const double weight : kWeights) {
      const double likelihood = left_out_likelihood(top_k, weight, above);
      if (weight == kWeights[0] || likelihood > best) {
        best = likelihood;
        weight_ = weight;
      }
    }
  }
  double probability(std::size_t group, std::size_t expert, double above) const {
    return (static_cast<double>(count(group, expert)) + weight_ * above) /
           (static_cast<double>(totals_[group]) + weight_);
  }

 private:
  template <class Above>
  double left_out_likelihood(std::size_t top_k, double weight, const Above& above) {
    terms_.clear();
    for (std::size_t group = 0; group < totals_.size(); ++group) {
      const double rest = static_cast<double>(totals_[group]) - static_cast<double>(top_k) + weight;
      for (std::size_t e = 0; e < num_experts_; ++e) {
        const auto n = static_cast<double>(count(group, e));
        if (n > 0) terms_.push_back(n * std::log((n - 1 + weight * above(group, e)) / rest));
      }
    }
    return sum_in_order(terms_);
  }

  std::size_t num_experts_;
  double weight_ = 1;
  std::vector<std::int64_t> totals_, counts_;
  std::vector<double> terms_;
};

void add_part(Level& level, const Choices& choices, std::span<const std::uint32_t> parts, std::uint32_t part,
              const std::uint32_t* groups, std::int64_t sign) {
  for (std::size_t t = 0; t < parts.size(); ++t) {
    if (parts[t] != part) continue;
    for (std::size_t k = 0; k < choices.top_k; ++k) {
      level.add(groups ? groups[t] : 0, choices.experts[t * choices.top_k + k], sign);
    }
  }
}

}  // namespace

Grouping group_by(std::span<const std::uint64_t> keys) {
  std::vector<std::uint64_t> distinct(keys.begin(), keys.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  Grouping groups;
  groups.count = distinct.size();
  groups.ids.reserve(keys.size());
  for (const std::uint64_t key : keys) {
    const auto at = std::lower_bound(distinct.begin(), distinct.end(), key);
    groups.ids.push_back(static_cast<std::uint32_t>(at - distinct.begin()));
  }
  return groups;
}

HeldOutEntropy held_out_entropy(const Choices& choices, std::span<const std::uint32_t> parts, std::size_t num_parts,
                                const Grouping& coarse, const Grouping& fine) {
  const std::size_t num_experts = choices.num_experts, top_k = choices.top_k;
  std::vector<std::uint32_t> coarse_of(fine.count);
  for (std::size_t t = 0; t < parts.size(); ++t) coarse_of[fine.ids[t]] = coarse.ids[t];

  Level all(1, num_experts), by_coarse(coarse.count, num_experts), by_fine(fine.count, num_experts);
  const auto add = [&](std::uint32_t part, std::int64_t sign) {
    add_part(all, choices, parts, part, nullptr, sign);
    add_part(by_coarse, choices, parts, part, coarse.ids.data(), sign);
    add_part(by_fine, choices, parts, part, fine.ids.data(), sign);
  };
  for (std::uint32_t part = 0; part < num_parts; ++part) add(part, 1);

  const double even = 1 / static_cast<double>(num_experts);
  std::vector<double> all_terms, coarse_terms, fine_terms;
  for (std::uint32_t part = 0; part < num_parts; ++part) {
    add(part, -1);
    all.choose_weight(top_k, [&](std::size_t, std::size_t) { return even; });
    const auto p_all = [&](std::size_t e) { return all.probability(0, e, even); };
    by_coarse.choose_weight(top_k, [&](std::size_t, std::size_t e) { return p_all(e); });
    const auto p_coarse = [&](std::size_t group, std::size_t e) { return by_coarse.probability(group, e, p_all(e)); };
    by_fine.choose_weight(top_k, [&](std::size_t group, std::size_t e) { return p_coarse(coarse_of[group], e); });
    for (std::size_t t = 0; t < parts.size(); ++t) {
      if (parts[t] != part) continue;
      for (std::size_t k = 0; k < top_k; ++k) {
        const auto e = static_cast<std::size_t>(choices.experts[t * top_k + k]);
        const double by_word = p_coarse(coarse.ids[t], e);
        all_terms.push_back(-std::log(p_all(e)));
        coarse_terms.push_back(-std::log(by_word));
        fine_terms.push_back(-std::log(by_fine.probability(fine.ids[t], e, by_word)));
      }
    }
    add(part, 1);
  }
  const auto count = static_cast<double>(all_terms.size());
  return {sum_in_order(all_terms) / count, sum_in_order(coarse_terms) / count, sum_in_order(fine_terms) / count};
}

}  // namespace minimoe
