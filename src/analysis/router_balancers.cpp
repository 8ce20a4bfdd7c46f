// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/router_balancers.hpp"

#include <algorithm>
#include <iterator>

#include "core/strict_json.hpp"

namespace minimoe {
namespace {

struct BalancerKind {
  const char* name;
  bool aux, per_sequence, bias;
};

constexpr BalancerKind kBalancerKinds[] = {{"none", false, false, false},
                                           {"aux", true, false, false},
                                           {"seq-aux", true, true, false},
                                           {"bias", false, false, true},
                                           {"bias+aux", true, false, true}};

RunConfig balanced(RunConfig config, const BalancerKind& kind) {
  MoEConfig& moe = config.model.moe;
  const double coefficient = moe.aux_loss_coef > 0 ? moe.aux_loss_coef : kBalanceCoefficient;
  moe.aux_loss_coef = kind.aux ? coefficient : 0;
  if (kind.per_sequence) {
    moe.aux_loss_scope = AuxLossScope::kSequence;
  } else if (moe.aux_loss_scope == AuxLossScope::kSequence) {
    moe.aux_loss_scope = AuxLossScope::kMicroBatch;
  }
  moe.bias_balancing = kind.bias;
  return config;
}

// 'aux', with what no terminal should see escaped.
std::string quoted(std::string_view name) {
  std::string text = in_quotes(name);
  text.front() = text.back() = '\'';
  return text;
}

const BalancerKind& kind_of(std::string_view name, const std::string& where) {
  const auto* const kind = std::find_if(std::begin(kBalancerKinds), std::end(kBalancerKinds),
                                        [&](const BalancerKind& known) { return known.name == name; });
  if (kind != std::end(kBalancerKinds)) return *kind;
  const std::vector<std::string> names = balancer_names();
  const std::string near = nearest_word(name, names);
  std::string allowed;
  for (const std::string& known : names) allowed += (allowed.empty() ? "" : ", ") + known;
  throw Error(ErrorCode::kInvalidArgument,
              concat(where, ": kinds: ", quoted(name), " is no way to balance",
                     near.empty() ? "" : concat("; did you mean '", near, "'?"), "; allowed ", allowed));
}

}  // namespace

std::vector<std::string> balancer_names() {
  std::vector<std::string> names;
  for (const BalancerKind& kind : kBalancerKinds) names.emplace_back(kind.name);
  return names;
}

std::vector<RouterBalancer> router_balancers(const RunConfig& config, std::string_view kinds,
                                             const std::string& where) {
  require(!config.model.moe_layers.empty(), where,
          ": model.moe.layers is empty, so there is no router to balance; expected a block or more");
  std::vector<RouterBalancer> chosen;
  for (std::size_t begin = 0; begin <= kinds.size();) {
    const std::size_t comma = std::min(kinds.find(',', begin), kinds.size());
    const std::string name(kinds.substr(begin, comma - begin));
    const BalancerKind& kind = kind_of(name, where);
    const bool is_there = std::any_of(chosen.begin(), chosen.end(), [&](const auto& b) { return b.name == name; });
    require(!is_there, where, ": kinds: ", quoted(name), " stands there twice");
    std::string title = "balance-" + name;
    std::replace(title.begin(), title.end(), '+', '-');
    chosen.push_back({name, title, balanced(config, kind)});
    require_no_problems(chosen.back().config.problems());
    begin = comma + 1;
  }
  return chosen;
}

}  // namespace minimoe
