// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/findings.hpp"

#include <algorithm>

#include "analysis/findings_sections.hpp"
#include "analysis/number_text.hpp"

namespace minimoe {
namespace {

constexpr JsonLimits kManifestLimits = {std::size_t{1} << 24, 32, std::size_t{1} << 20};

std::string blocks_text(const std::vector<std::uint64_t>& blocks) {
  constexpr std::size_t kMostListed = 4;
  if (blocks.size() > kMostListed) return concat(blocks.size(), " blocks");
  std::string text = blocks.size() == 1 ? "block " : "blocks ";
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    text += concat(i == 0 ? "" : i + 1 == blocks.size() ? " and " : ", ", blocks[i]);
  }
  return text;
}

std::string opening(const ComparisonFacts& f) {
  return concat(
      "On the corpus `", shortened(f.corpus, 3), "`, ", count_text(f.steps), " steps, ", seeds_text(f.num_seeds), ": ",
      f.num_experts, " experts (top ", f.top_k, ") in ", blocks_text(f.moe_blocks),
      ", against a dense baseline of the same d_ff and dense models with MoE's active and total parameters. "
      "Differences are MoE minus dense in validation loss, nats a token, paired by seed; intervals are 95 %.");
}

}  // namespace

std::string difference_text(const Spread& s) {
  const std::string mean = signed_text(s.mean, 4);
  return s.low ? concat(mean, " (", signed_text(*s.low, 4), " to ", signed_text(*s.high, 4), ")") : mean;
}

std::string shortened(const std::string& text, std::size_t max_words) {
  std::string words;
  std::size_t count = 0, at = 0;
  for (;;) {
    constexpr const char* kBlanks = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(kBlanks, at);
    if (begin == std::string::npos) return words;
    if (count++ == max_words) return words.substr(0, words.find_last_of(";,")) + " ...";
    at = std::min(text.find_first_of(kBlanks, begin), text.size());
    words += (words.empty() ? "" : " ") + text.substr(begin, at - begin);
  }
}

std::string seeds_text(std::size_t count) { return concat(count, count == 1 ? " seed" : " seeds"); }

bool baseline_is_equal(const ComparisonFacts& f) {
  return f.dense.steps == f.moe.steps && f.dense.learning_rate == f.moe.learning_rate && f.dense.d_ff >= f.moe.d_ff;
}

std::string findings_markdown(std::string_view manifest_json, const std::string& where) {
  const JsonText json = read_json(manifest_json, where, ErrorCode::kInvalidArgument, kManifestLimits);
  const ComparisonFacts f = read_comparison_facts(JsonCursor(where, json.root));
  std::string text = "# Findings: MoE against dense\n\n" + opening(f) + "\n";
  const auto add = [&](const char* question, const std::string& answer) {
    text += concat("\n## ", question, "\n\n", answer, "\n");
  };
  add("Did MoE reach a lower perplexity?", perplexity_findings(f));
  add("How many more parameters does it have?", parameter_findings(f));
  add("Was load balancing working?", balance_findings(f));
  add("Is the specialisation linguistic or arbitrary?", specialisation_findings(f));
  add("Did training take longer, and why?", time_findings(f));
  add("Should the grammar tutor adopt MoE?", adoption_findings(f));
  return text;
}

}  // namespace minimoe
