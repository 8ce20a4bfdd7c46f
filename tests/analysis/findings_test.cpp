// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/findings.hpp"

#include <random>
#include <sstream>

#include "analysis/invented_manifest.hpp"
#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using invented::Json;

namespace {

std::size_t num_words(const std::string& text) {
  std::istringstream words(text);
  std::size_t count = 0;
  for (std::string word; words >> word;) count += word.find_first_not_of("#*`.,;:-") != std::string::npos;
  return count;
}

/// The answer to the question that has `word` in it.
std::string answer(const std::string& text, const std::string& word) {
  std::size_t at = text.find("\n## ");
  while (at != std::string::npos) {
    const std::size_t end = text.find('\n', at + 1), next = text.find("\n## ", end);
    if (text.substr(at, end - at).find(word) != std::string::npos) return text.substr(end, next - end);
    at = next;
  }
  return "no such question: " + word;
}

std::string findings_of(const std::string& name) {
  for (const invented::Kind& kind : invented::kinds()) {
    if (kind.name == name) return findings_markdown(kind.manifest.dump());
  }
  return "no such kind: " + name;
}

std::string refusal(const Json& manifest) {
  try {
    findings_markdown(manifest.dump(), "here");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("findings: 300 to 600 words that answer six questions, for every kind of result", "[findings]") {
  for (const invented::Kind& kind : invented::kinds()) {
    CAPTURE(kind.name);
    const std::string text = findings_markdown(kind.manifest.dump());
    CHECK(num_words(text) >= 300);
    CHECK(num_words(text) <= 600);
    for (const char* word : {"perplexity", "parameters", "balancing", "specialisation", "longer", "adopt"}) {
      CHECK(num_words(answer(text, word)) >= 10);
    }
    for (const char* slip : {"  ", "..\n", " .", "nan", "inf ", "-0.0000", "+0.0000"}) {
      CAPTURE(slip);
      CHECK(text.find(slip) == std::string::npos);
    }
  }
}

TEST_CASE("findings: within its number of words whatever comes together", "[findings]") {
  std::mt19937 random(7);
  const auto pick = [&](std::size_t count) { return random() % count; };
  std::string reason;
  for (int i = 0; i < 200; ++i) reason += "word ";
  for (int round = 0; round < 3000; ++round) {
    const double reach[] = {-0.2, -0.05, -0.005, 0, 0.005, 0.05};
    invented::Losses losses = {reach[pick(6)], reach[pick(6)], reach[pick(6)]};
    losses.noise = pick(2) == 0 ? 0.0005 : 0.03;
    losses.cpu_ratio = 0.7 + 0.4 * static_cast<double>(pick(4));
    losses.total_cpu_ratio = 0.7 + 0.4 * static_cast<double>(pick(4));
    losses.num_seeds = 1 + pick(7);
    Json m = invented::manifest(losses);
    const char* verdicts[] = {"healthy", "skewed", "at-risk", "collapsed", "sham", "untested"};
    const char* conclusions[] = {"class", "word-form", "random-like", "none"};
    std::vector<double> dead, cold;
    for (std::size_t i = 0; i < losses.num_seeds; ++i) {
      m["health"][i] = invented::health(verdicts[pick(6)], reason);
      m["specialisation"][i] = invented::specialisation(conclusions[pick(4)], 0.1, 0.1, 0.5, 0.1);
      dead.push_back(static_cast<double>(pick(2)));
      cold.push_back(dead.back() + static_cast<double>(pick(2)));
    }
    m["moe_variant"]["spread"]["experts_dead_count"] = invented::spread(dead);
    m["moe_variant"]["spread"]["experts_cold_count"] = invented::spread(cold);
    m["alpha_aux_loss"] = pick(2) == 0 ? 0.0 : 0.01;
    m["config"]["model"]["moe"]["bias_balancing"] = pick(2) == 0;
    if (pick(2) == 0) m["moe_layer_indices"] = {0, 1, 2, 3};
    if (pick(3) == 0) m["entropy_floor"] = nullptr;
    if (pick(4) == 0) m["health"] = nullptr;
    if (pick(4) == 0) m["specialisation"] = nullptr;
    if (pick(3) == 0) m["dense_baseline"]["steps"] = 1000;
    if (pick(3) == 0) m["dense_baseline"]["learning_rate"] = 0.0001;
    if (pick(3) == 0) m["dense_baseline"]["d_ff"] = 128;
    if (pick(3) == 0) m["dense_baseline"]["probe_accuracy_val"] = nullptr;
    if (pick(4) == 0) m["corpus"]["name"] = reason;
    const std::string text = findings_markdown(m.dump());
    if (num_words(text) >= 300 && num_words(text) <= 600) continue;
    FAIL(num_words(text) << " words:\n" << text);
  }
}

TEST_CASE("findings: the answer to adopt is the verdict's", "[findings]") {
  CHECK_THAT(answer(findings_of("adopt"), "adopt"),
             Catch::Contains("**Adopt.**") && Catch::Contains("4.9 % of perplexity"));
  CHECK_THAT(answer(findings_of("never: loses"), "adopt"),
             Catch::Contains("**Never.**") && Catch::Contains("losing side"));
  CHECK_THAT(answer(findings_of("never: the same for more time"), "adopt"),
             Catch::Contains("**Never.**") && Catch::Contains("1.80 times"));
  CHECK_THAT(answer(findings_of("defer: the same"), "adopt"),
             Catch::Contains("**Defer.**") && Catch::Contains("halve the intervals"));
  const std::string matched = answer(findings_of("defer: not against the matched"), "adopt");
  CHECK_THAT(matched,
             Catch::Contains("**Defer.**") && Catch::Contains("active-matched") && Catch::Contains("hardly change"));
  for (const auto& [num_seeds, enough] : {std::pair{2, 3}, {3, 5}, {4, 9}, {10, 33}}) {  // from a table of t
    invented::Losses losses = {-0.0005, 0.002, 0.003, 0.03};
    losses.num_seeds = static_cast<std::size_t>(num_seeds);
    CHECK_THAT(answer(findings_markdown(invented::manifest(losses).dump()), "adopt"),
               Catch::Contains(concat(" ", enough, " seeds in place of ", num_seeds, " would halve the intervals")));
  }
  CHECK_THAT(answer(findings_of("one seed"), "adopt"), Catch::Contains("**Defer.**") && Catch::Contains("no interval"));
  CHECK_THAT(answer(findings_of("sham"), "adopt"), Catch::Contains("router did not work"));
}

TEST_CASE("findings: perplexity is lower only where the interval says so", "[findings]") {
  CHECK_THAT(answer(findings_of("adopt"), "perplexity"), Catch::Contains("Yes, lower") &&
                                                             Catch::Contains("4.88 % lower") &&
                                                             Catch::Contains("not one of size alone"));
  CHECK_THAT(answer(findings_of("never: loses"), "perplexity"),
             Catch::Contains("No, it is higher") && Catch::Contains("3.05 % higher"));
  CHECK_THAT(answer(findings_of("defer: wide interval"), "perplexity"),
             Catch::Contains("cannot be told apart") && Catch::Contains("includes 0"));
  CHECK_THAT(answer(findings_of("defer: not against the matched"), "perplexity"),
             Catch::Contains("a merely wider dense model does better: that gain is one of size"));
  const auto perplexity = [](const invented::Losses& losses) {
    return answer(findings_markdown(invented::manifest(losses).dump()), "perplexity");
  };
  CHECK_THAT(perplexity({-0.05, 0.0005, -0.03}),
             Catch::Contains("Whether a merely wider dense model does as well is open"));
  CHECK_THAT(perplexity({-0.05, -0.03, 0.0005}),
             Catch::Contains("Whether a dense model with all those parameters does as well is open"));
  CHECK_THAT(perplexity({-0.05, -0.03, 0.02}),
             Catch::Contains("a dense model with all those parameters does better: that gain is one of size"));
  CHECK_THAT(answer(findings_of("one seed"), "perplexity"), Catch::Contains("One seed cannot say"));
  CHECK_THAT(answer(findings_of("adopt"), "perplexity"), Catch::Contains("entropy floor of 1.2003"));
  CHECK_THAT(answer(findings_of("no floor known"), "perplexity"), Catch::Contains("no known entropy floor"));
}

TEST_CASE("findings: a gain above 10 % asks whether the baseline was weakened", "[findings]") {
  CHECK_THAT(answer(findings_of("adopt"), "perplexity"), !Catch::Contains("Check the baseline"));
  CHECK_THAT(answer(findings_of("too good"), "perplexity"), Catch::Contains("Check the baseline") &&
                                                                Catch::Contains("were the same") &&
                                                                Catch::Contains("0.0015 and 0.006"));
  const std::string weakened = findings_of("weakened baseline");
  CHECK_THAT(answer(weakened, "perplexity"), Catch::Contains("1,000 steps against 5,000") &&
                                                 Catch::Contains("learning rate 0.0001 against 0.003") &&
                                                 Catch::Contains("no fair comparison"));
  CHECK_THAT(answer(weakened, "adopt"), Catch::Contains("does not count until"));
}

TEST_CASE("findings: balance is judged by the worst seed", "[findings]") {
  CHECK_THAT(answer(findings_of("adopt"), "balancing"), Catch::Contains("Yes: ") &&
                                                            Catch::Contains("healthy in all 3 seeds") &&
                                                            Catch::Contains("no expert is dead"));
  CHECK_THAT(answer(findings_of("collapsed"), "balancing"),
             Catch::Contains("No: the router collapsed in 2 of 3 seeds") && Catch::Contains("1.21 of 4 experts") &&
                 Catch::Contains("Nothing was balancing") && Catch::Contains("2, 1, 0"));
  CHECK_THAT(answer(findings_of("sham"), "balancing"),
             Catch::Contains("although the counts look even") && Catch::Contains("Bias balancing was on"));
  CHECK_THAT(answer(findings_of("skewed"), "balancing"), Catch::Contains("Only partly") && Catch::Contains("1 of 3"));
  CHECK_THAT(answer(findings_of("at risk"), "balancing"), Catch::Contains("at risk"));
  CHECK_THAT(answer(findings_of("untested"), "balancing"), Catch::Contains("Not known"));
  CHECK_THAT(answer(findings_of("no reports"), "balancing"), Catch::Contains("Not judged"));
}

TEST_CASE("findings: specialisation is called what the controls call it", "[findings]") {
  CHECK_THAT(answer(findings_of("class"), "specialisation"),
             Catch::Contains("Linguistic") && Catch::Contains("35.0 %"));
  CHECK_THAT(answer(findings_of("adopt"), "specialisation"), Catch::Contains("By word form rather than by grammar") &&
                                                                 Catch::Contains("explains 85 %") &&
                                                                 Catch::Contains("0.2130 for a random router"));
  CHECK_THAT(answer(findings_of("no specialisation"), "specialisation"), Catch::Contains("There is none"));
  CHECK_THAT(answer(findings_of("random-like"), "specialisation"), Catch::Contains("Arbitrary"));
  CHECK_THAT(answer(findings_of("seeds disagree"), "specialisation"),
             Catch::Contains("No single answer") && Catch::Contains("word-form in 2"));
  CHECK_THAT(answer(findings_of("corpus without classes"), "specialisation"),
             Catch::Contains("no word classes") && Catch::Contains("Rare tokens go to expert 2."));
  CHECK_THAT(answer(findings_of("no reports"), "specialisation"), Catch::Contains("Not measured"));
  Json open = invented::manifest({});
  for (Json& seed : open["specialisation"]) seed["layers"][0]["conclusion"] = "undecided";
  CHECK_THAT(answer(findings_markdown(open.dump()), "specialisation"), Catch::Contains("Left open"));
  // Blocks that differ in the same way in every seed are a finding.
  Json m = invented::manifest({});
  for (Json& seed : m["specialisation"]) {
    Json other = invented::specialisation("none", 0.001, 0.1, 0.1, 0)["layers"][0];
    other["block"] = 3;
    seed["layers"].push_back(other);
  }
  CHECK_THAT(answer(findings_markdown(m.dump()), "specialisation"),
             Catch::Contains("in every seed alike: word-form in block 1, none in block 3"));
}

TEST_CASE("findings: time is compared with the arithmetic that a token costs", "[findings]") {
  CHECK_THAT(answer(findings_of("adopt"), "longer"), Catch::Contains("Yes: 1.30 times") &&
                                                         Catch::Contains("1.25 times the arithmetic") &&
                                                         Catch::Contains("accounts for the time"));
  CHECK_THAT(answer(findings_of("never: the same for more time"), "longer"),
             Catch::Contains("remaining factor of 1.44") && Catch::Contains("optimiser step over 1.75 times"));
  CHECK_THAT(answer(findings_of("faster"), "longer"),
             Catch::Contains("No, it took less: 0.80") && Catch::Contains("MoE is the cheaper way"));
  CHECK_THAT(answer(findings_of("top 1, no slower"), "longer"),
             Catch::Contains("No, to within 5 %") && Catch::Contains("the same for a trained token"));
}

TEST_CASE("findings: parameters are counted in total and for a token", "[findings]") {
  CHECK_THAT(answer(findings_of("adopt"), "parameters"),
             Catch::Contains("233,248 parameters in total, 1.75 times the 133,248") && Catch::Contains("1.25 times"));
  CHECK_THAT(answer(findings_of("top 1, no slower"), "parameters"), Catch::Contains("no more than in the baseline"));
}

TEST_CASE("findings: a figure that is missing or no number is refused with its path", "[findings]") {
  Json m = invented::manifest({});
  m["moe_variant"]["spread"]["final_val_loss"]["values"][1] = nullptr;  // how JSON writes NaN
  CHECK(refusal(m) == "here: moe_variant.spread.final_val_loss.values[1] is null, expected a finite number");
  m = invented::manifest({});
  m["dense_total_matched"].erase("params");
  CHECK(refusal(m) == "here: dense_total_matched.params is missing, expected a value");
  m = invented::manifest({});
  m["seeds"].push_back(36003);
  CHECK(refusal(m) == "here: seeds is a list, expected 3 seeds, as many as losses of moe_variant");
  m = invented::manifest({});
  m["health"][0]["verdict"] = "fine";
  CHECK_THAT(refusal(m), Catch::Contains("health[0].verdict is \"fine\"") && Catch::Contains("collapsed"));
  m = invented::manifest({});
  m["dense_baseline"]["spread"]["cpu_time_s"]["values"] = {1, 2};
  CHECK_THROWS_WITH(findings_markdown(m.dump()), Catch::Contains("dense_baseline.cpu_time_s has 2 values"));
  CHECK_THROWS_WITH(findings_markdown("{", "here"), Catch::Contains("here: line 1"));
}
