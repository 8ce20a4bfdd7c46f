// SPDX-License-Identifier: Apache-2.0
#include "balance_variants.hpp"

#include <algorithm>

#include "command_tree.hpp"
#include "exit_codes.hpp"
#include "nearest.hpp"

namespace cli {

namespace {

struct Kind {
  const char* name;
  bool aux, per_sequence, bias;
};

constexpr Kind kKinds[] = {{"none", false, false, false},
                           {"aux", true, false, false},
                           {"seq-aux", true, true, false},
                           {"bias", false, false, true},
                           {"bias+aux", true, false, true}};

Json balanced(Json config, const Kind& kind) {
  Json& moe = config["model"]["moe"];
  const double coefficient = moe.at("aux_loss_coef");
  moe["aux_loss_coef"] = !kind.aux ? 0.0 : coefficient > 0 ? coefficient : kBalanceCoefficient;
  if (kind.per_sequence) {
    moe["aux_loss_scope"] = "sequence";
  } else if (moe.at("aux_loss_scope") == "sequence") {
    moe["aux_loss_scope"] = "micro_batch";
  }
  moe["bias_balancing"] = kind.bias;
  return config;
}

}  // namespace

std::vector<Balancer> balancers(const Json& config, const std::string& kinds) {
  if (config.at("model").at("moe").at("layers").empty()) {
    throw BadInput("--balance: model.moe.layers is empty, so there is no router to balance; give --moe-layer");
  }
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) names.push_back(kind.name);
  std::vector<Balancer> chosen;
  for (std::size_t begin = 0; begin <= kinds.size();) {
    const std::size_t comma = std::min(kinds.find(',', begin), kinds.size());
    const std::string name = kinds.substr(begin, comma - begin);
    const auto* const kind =
        std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& known) { return known.name == name; });
    if (kind == std::end(kKinds)) {
      throw BadInput("--balance: '" + name + "' is no way to balance" + did_you_mean(name, names) + "; allowed " +
                     joined(names, ", "));
    }
    if (std::any_of(chosen.begin(), chosen.end(), [&](const Balancer& b) { return b.name == name; })) {
      throw BadInput("--balance: '" + name + "' stands there twice");
    }
    std::string title = "balance-" + name;
    std::replace(title.begin(), title.end(), '+', '-');
    chosen.push_back({name, title, balanced(config, *kind)});
    begin = comma + 1;
  }
  return chosen;
}

}  // namespace cli
