// SPDX-License-Identifier: Apache-2.0
// What `compare` trains side by side, and what came out.
#pragma once

#include <string>
#include <vector>

#include "json_text.hpp"
#include "library.hpp"
#include "statistics.hpp"

namespace cli {

struct Variant {
  std::string key;    ///< in manifest.json
  std::string title;  ///< in the table and in directory names
  Json config;        ///< fitted to the data, of the first seed
  Json costs;
};

/// The dense model, the MoE model, and dense models whose d_ff brings their parameters nearest to the MoE model's
/// active and to its total ones. @throws BadInput when `config` (fitted) has no MoE layer.
std::vector<Variant> comparison_variants(const Json& config, const capi::Options& options);

/// One figure of every seed's result.json; a null in any of them gives none.
struct Figure {
  std::string name;
  bool known = false;
  Spread spread;
};

/// The figures of one variant: losses, perplexity, probes, times, loads.
std::vector<Figure> figures_of(const std::vector<Json>& results);
const Figure& figure(const std::vector<Figure>& figures, const std::string& name);

struct Comparison {
  std::vector<std::uint64_t> seeds;
  std::vector<Variant> variants;
  std::vector<std::vector<Json>> results;  ///< [variant][seed]
  Json config, corpus, floors, exec, evaluation;
  Json verdict;                      ///< of judge()
  std::vector<Json> specialisation;  ///< by seed; empty: not measured
};

/// What compare_verdict says of the results. @throws RunFailed when a figure is not a number.
Json judge(const Comparison& comparison);

std::string comparison_table(const Comparison& comparison);
/// "verdict: defer (undecided)", and its reasons, a line each.
std::string verdict_lines(const Json& verdict);
Json comparison_manifest(const Comparison& comparison);

}  // namespace cli
