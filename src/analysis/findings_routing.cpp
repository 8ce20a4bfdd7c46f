// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "analysis/findings_sections.hpp"
#include "analysis/number_text.hpp"

namespace minimoe {
namespace {

std::string percent(double share, int decimals = 1) { return fixed_text(100 * share, decimals) + " %"; }

std::string list_text(const std::vector<double>& values) {
  constexpr std::size_t kMostListed = 4;
  if (values.size() > kMostListed)
    return concat("up to ", fixed_text(*std::max_element(values.begin(), values.end()), 0));
  std::string text;
  for (const double value : values) text += (text.empty() ? "" : ", ") + fixed_text(value, 0);
  return text;
}

// Another report's sentence, with one full stop.
std::string report_says(const std::string& text) {
  const std::string words = shortened(text, kMaxQuotedWords);
  if (words.empty()) return "";
  return concat(" The report says: \"", words, words.back() == '.' ? "\"" : "\".");
}

// The worst first.
constexpr std::array<const char*, 6> kVerdicts = {"collapsed", "sham", "at-risk", "skewed", "untested", "healthy"};

std::size_t num_of(const ComparisonFacts& f, const std::string& verdict) {
  return static_cast<std::size_t>(
      std::count_if(f.health.begin(), f.health.end(), [&](const HealthFacts& h) { return h.verdict == verdict; }));
}

std::string balance_verdict(const ComparisonFacts& f) {
  if (f.health.empty())
    return "Not judged: the runs have no health report, and counts alone do not show a sham balance.";
  const std::string worst =
      *std::find_if(kVerdicts.begin(), kVerdicts.end(), [&](const char* v) { return num_of(f, v) > 0; });
  const std::size_t count = num_of(f, worst), all = f.health.size();
  const std::string reason =
      std::find_if(f.health.begin(), f.health.end(), [&](const HealthFacts& h) { return h.verdict == worst; })->reason;
  const std::string seeds = count == all ? all == 1   ? "in the one seed"
                                           : all == 2 ? "in both seeds"
                                                      : concat("in all ", all, " seeds")
                                         : concat("in ", count, " of ", all, " seeds");
  const std::string because = report_says(reason);
  if (worst == "healthy") {
    return concat("Yes: the router is judged healthy ", seeds, ", by counts and by gate mass.", because);
  }
  if (worst == "collapsed") {
    return concat("No: the router collapsed ", seeds, ".", because,
                  " A collapsed MoE is a dense model with idle parameters.");
  }
  if (worst == "sham") {
    return concat("No, although the counts look even: the balance is a sham ", seeds, ".", because,
                  " Tokens were moved to experts that the gate gives next to no weight.");
  }
  if (worst == "untested")
    return concat("Not known: there are too few steps to judge the router ", seeds, ".", because);
  return concat("Only partly: the router is ", worst == "skewed" ? "skewed " : "at risk ", seeds, ".", because,
                " Experts with few tokens learn little, so MoE may be understated.");
}

std::string balance_means(const ComparisonFacts& f) {
  const bool has_loss = f.aux_loss_coef > 0;
  if (has_loss && f.bias_balancing) {
    return concat("Both the balance loss (coefficient ", f.aux_loss_coef, ") and bias balancing were on.");
  }
  if (has_loss) return concat("The balance loss was on, with coefficient ", f.aux_loss_coef, ".");
  if (f.bias_balancing) return "Bias balancing was on and the balance loss was off.";
  return "Nothing was balancing: the balance loss had coefficient 0 and bias balancing was off.";
}

std::string validation_loads(const ComparisonFacts& f) {
  const double even = 1.0 / static_cast<double>(std::max<std::uint64_t>(1, f.num_experts));
  std::string text = concat("On the validation windows the experts' shares have a standard deviation of ",
                            percent(f.share_stddev), " around ", percent(even), "; ");
  const double dead = *std::max_element(f.dead.begin(), f.dead.end());
  const double cold = *std::max_element(f.cold.begin(), f.cold.end());
  if (cold == 0 && dead == 0) return text + "no expert is dead or cold.";
  return text +
         concat("dead experts by seed: ", list_text(f.dead), "; cold, dead ones included: ", list_text(f.cold), ".");
}

using Member = std::optional<double> SpecialisationFacts::*;

// The mean over those of one conclusion, "" when one of them does not have it.
std::string mean_text(const std::vector<SpecialisationFacts>& layers, Member member, int decimals, double scale = 1) {
  double sum = 0;
  for (const SpecialisationFacts& layer : layers) {
    if (!(layer.*member)) return "";
    sum += *(layer.*member);
  }
  return fixed_text(sum / static_cast<double>(layers.size()) * scale, decimals);
}

// ", against 0.0006 for shuffled labels, .. and .." of the controls that there are.
std::string controls_text(const std::vector<SpecialisationFacts>& layers) {
  std::vector<std::string> parts;
  const auto add = [&](Member member, const char* name) {
    const std::string value = mean_text(layers, member, 4);
    if (!value.empty()) parts.push_back(value + " for " + name);
  };
  add(&SpecialisationFacts::shuffled, "shuffled labels");
  add(&SpecialisationFacts::random_table, "a random token-to-expert table");
  add(&SpecialisationFacts::random_router, "a random router on the trained body");
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    text += (i == 0 ? ", against " : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  }
  return text;
}

std::string information_text(const std::vector<SpecialisationFacts>& layers) {
  const std::string nmi = mean_text(layers, &SpecialisationFacts::nmi, 4);
  if (nmi.empty()) return "";
  return concat(" Normalised mutual information of expert and word class is ", nmi, controls_text(layers), ".");
}

std::string word_form_text(const std::vector<SpecialisationFacts>& layers) {
  const std::string word = mean_text(layers, &SpecialisationFacts::word_explains, 0, 100);
  const std::string beyond = mean_text(layers, &SpecialisationFacts::class_beyond_word, 1, 100);
  if (word.empty()) return "";
  return concat(" The word form alone explains ", word, " % of the choice",
                beyond.empty() ? "" : concat("; the class adds ", beyond, " % beyond it"), ".");
}

// Blocks may differ, as long as every seed has it so; what does not repeat is no finding.
std::string mixed_text(const ComparisonFacts& f) {
  std::map<std::uint64_t, std::set<std::string>> by_block;
  std::map<std::string, std::size_t> counts;
  for (const SpecialisationFacts& s : f.specialisation) {
    by_block[s.block].insert(s.conclusion);
    ++counts[s.conclusion];
  }
  std::string blocks, kinds;
  bool repeats = true;
  for (const auto& [block, conclusions] : by_block) {
    repeats = repeats && conclusions.size() == 1;
    blocks += concat(blocks.empty() ? "" : ", ", *conclusions.begin(), " in block ", block);
  }
  for (const auto& [conclusion, count] : counts) {
    kinds += concat(kinds.empty() ? "" : ", ", conclusion, " in ", count);
  }
  constexpr std::size_t kMostListed = 4;
  if (repeats && by_block.size() > kMostListed) return "It differs by block, in every seed alike.";
  if (repeats) return concat("It differs by block, in every seed alike: ", blocks, ".");
  return concat("No single answer: of ", f.specialisation.size(), " layers measured, ", kinds,
                ". What does not repeat over seeds is no finding.");
}

std::string conclusion_text(const std::string& conclusion) {
  if (conclusion == "class")
    return "Linguistic, as far as the controls reach: experts divide the tokens by word class.";
  if (conclusion == "word-form") {
    return "By word form rather than by grammar: a word goes to its expert, and its class with it.";
  }
  if (conclusion == "random-like") {
    return "Arbitrary: a router that learned nothing divides the classes as well.";
  }
  if (conclusion == "undecided") {
    return "Left open: the controls were drawn too few times to tell chance from a division.";
  }
  return "There is none: the expert tells next to nothing about the word's class.";
}

}  // namespace

std::string balance_findings(const ComparisonFacts& f) {
  return balance_verdict(f) + " " + balance_means(f) + " " + validation_loads(f);
}

std::string specialisation_findings(const ComparisonFacts& f) {
  if (f.by_frequency) {
    const std::string text = f.specialisation.empty() ? "" : f.specialisation.front().text;
    return concat(
        "The corpus has no word classes, so the question cannot be put to it; tokens were grouped by how frequent "
        "they are instead.",
        report_says(text), " A corpus with classes, the embedded one or a CoNLL-U file, can answer it.");
  }
  if (f.specialisation.empty()) {
    return "Not measured: the runs have no specialisation report, and shares alone would not separate grammar from "
           "chance. "
           "`minimoe analyze` on a run of the MoE variant measures it, with four controls.";
  }
  const std::string& first = f.specialisation.front().conclusion;
  const bool is_one = std::all_of(f.specialisation.begin(), f.specialisation.end(),
                                  [&](const SpecialisationFacts& s) { return s.conclusion == first; });
  std::string text = (is_one ? conclusion_text(first) : mixed_text(f)) + information_text(f.specialisation);
  if (!is_one || first == "class" || first == "word-form") text += word_form_text(f.specialisation);
  if (is_one && first == "word-form") {
    text += " With shuffled labels as the only control it would have passed for a discovery.";
  }
  return is_one ? text + " It says where tokens go, not whether that helps." : text;
}

}  // namespace minimoe
