// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/specialisation.hpp"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "analysis/planted_router.hpp"
#include "minimoe/analysis/paired_statistics.hpp"
#include "support/catch.hpp"

namespace minimoe::test {
namespace {

constexpr std::size_t kWindows = 100, kSize = 40;

LayerSpecialisation judged(const PlantedTokens& planted) { return specialisation(planted.routed(), {}); }

bool inside(double value, const LayerSpecialisation& layer) {
  return layer.nmi_low <= value && value <= layer.nmi_high;
}

}  // namespace

TEST_CASE("specialisation: the NMI is that of scikit-learn", "[analysis]") {
  const auto golden = nlohmann::json::parse(std::ifstream(MINIMOE_TEST_DATA "/golden/nmi.json"));
  REQUIRE(golden.at("cases").size() >= 7);
  for (const auto& c : golden.at("cases")) {
    CAPTURE(c.at("name").get<std::string>());
    const std::vector<std::int32_t> experts = c.at("experts"), words(c.at("classes").size(), 0);
    const std::vector<std::uint8_t> classes = c.at("classes");
    std::vector<std::uint32_t> windows(classes.size());
    for (std::size_t t = 0; t < windows.size(); ++t) windows[t] = static_cast<std::uint32_t>(t / 10);
    RoutedTokens tokens;
    tokens.words = words;
    tokens.classes = classes;
    tokens.windows = windows;
    tokens.experts = experts;
    tokens.num_experts = c.at("num_experts");
    tokens.top_k = c.at("top_k");
    tokens.class_names.resize(c.at("num_classes"));
    CHECK(specialisation(tokens, {}).nmi == Approx(c.at("nmi").get<double>()).epsilon(1e-10).margin(1e-12));
  }
}

TEST_CASE("specialisation: shares, lift and NMI of four tokens are those on paper", "[analysis]") {
  const std::vector<std::int32_t> words = {0, 1, 2, 3}, experts = {0, 0, 1, 0};
  const std::vector<std::uint8_t> classes = {0, 0, 1, 1};
  const std::vector<std::uint32_t> windows = {0, 0, 1, 1};
  RoutedTokens tokens;
  tokens.words = words;
  tokens.classes = classes;
  tokens.windows = windows;
  tokens.experts = experts;
  tokens.num_experts = 3;
  tokens.top_k = 1;
  tokens.class_names = {"a", "b", "never"};
  SpecialisationOptions options;
  options.min_class_tokens = 2;
  const LayerSpecialisation layer = specialisation(tokens, options);
  CHECK(layer.histogram == std::vector<std::int64_t>{3, 1, 0});
  CHECK(layer.classes[0].share == std::vector<double>{1, 0, 0});
  CHECK(layer.classes[1].share == std::vector<double>{0.5, 0.5, 0});
  CHECK(layer.classes[0].lift[0] == Approx(4.0 / 3));
  CHECK(layer.classes[1].lift[1] == Approx(2));
  CHECK(layer.classes[1].enough);
  CHECK_FALSE(layer.classes[2].enough);
  CHECK(layer.classes[2].share == std::vector<double>{0, 0, 0});
  // H(expert) = ln 4 - 3/4 ln 3, H(class) = ln 2, H(both) = 3/2 ln 2.
  const double experts_entropy = std::log(4.0) - 0.75 * std::log(3.0), ln2 = std::log(2.0);
  CHECK(layer.nmi == Approx((experts_entropy + ln2 - 1.5 * ln2) / ((experts_entropy + ln2) / 2)).epsilon(1e-12));
  CHECK(layer.frequencies.size() == 1);
  CHECK(layer.frequencies[0].name == "1-10");
  CHECK(layer.frequencies[0].count == 4);
}

TEST_CASE("specialisation: a router by class in context is found beyond the word form", "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 1, 2);
  planted.plant_class(0, 1);
  planted.add_random_routers(8, 1);
  const LayerSpecialisation layer = judged(planted);
  INFO(layer.text);
  CHECK(layer.conclusion == Conclusion::kClass);
  CHECK(layer.p_value == 1.0 / 200);
  CHECK(layer.nmi == Approx(layer.nmi_ceiling));  // class decides it all
  CHECK(layer.class_explains > 0.98);
  CHECK(layer.word_explains + layer.class_beyond_word > 0.98);
  CHECK(layer.class_beyond_word > 0.1);
  CHECK(layer.shuffled_labels.max < layer.nmi_low);
  CHECK(layer.random_table.max < layer.nmi_low);
  CHECK(layer.random_router.max < layer.nmi_low);
  CHECK(layer.within_word_shuffle.max < layer.nmi_low);
  CHECK_THAT(layer.text, ContainsSubstring("divide by class beyond the word form"));
}

TEST_CASE("specialisation: a router by class is found where the word form tells the class", "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 2, 0);
  planted.plant_class(0.1, 2);
  planted.add_random_routers(8, 1);
  const LayerSpecialisation layer = judged(planted);
  INFO(layer.text);
  CHECK(layer.conclusion == Conclusion::kClass);
  CHECK(layer.class_given_word == 0);
  CHECK(layer.class_beyond_word < 0.01);  // there is nothing beyond
  CHECK(inside(layer.within_word_shuffle.mean, layer));
  CHECK(layer.random_table.max < layer.nmi_low);
  CHECK_THAT(layer.text, ContainsSubstring("sort word forms by class"));
}

TEST_CASE("specialisation: a router by word form is called that, whatever the NMI with classes", "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 3, 2);
  planted.plant_table(3);
  planted.add_random_routers(8, 0.2);
  const LayerSpecialisation layer = judged(planted);
  INFO(layer.text);
  CHECK(layer.conclusion == Conclusion::kWordForm);
  CHECK(layer.p_value == 1.0 / 200);  // the shuffled labels alone would announce a discovery
  CHECK(layer.nmi > 10 * layer.shuffled_labels.max);
  CHECK(layer.word_explains > 0.98);
  CHECK(layer.class_beyond_word < 0.001);
  // All occurrences of a word have one expert: shuffling them changes nothing, and the router is itself a random table.
  CHECK(layer.within_word_shuffle.mean == Approx(layer.nmi).epsilon(1e-12));
  CHECK(layer.within_word_shuffle.max == layer.nmi);
  CHECK(std::abs(layer.nmi - layer.random_table.mean) < 3 * layer.random_table.std);
  CHECK_THAT(layer.text, ContainsSubstring("experts divide by word form"));
}

TEST_CASE("specialisation: a random projection of noisy states is called random-like", "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 4, 2);
  planted.experts = planted.projected(7, 1.5);
  planted.add_random_routers(8, 1.5);
  const LayerSpecialisation layer = judged(planted);
  INFO(layer.text);
  CHECK(layer.conclusion == Conclusion::kRandomLike);
  CHECK(layer.p_value == 1.0 / 200);
  CHECK(layer.word_explains < 0.5);
  CHECK(layer.nmi_low <= layer.random_router.mean + 2 * layer.random_router.std);
}

TEST_CASE("specialisation: classes that the body shows to any router are no merit of this one", "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 12, 2);
  planted.experts = planted.projected(9, 1, 1);
  planted.add_random_routers(8, 1, 1);
  const LayerSpecialisation layer = judged(planted);
  INFO(layer.text);
  CHECK(layer.within_word_shuffle.mean < 0.8 * layer.nmi);  // the class beyond the word is there
  CHECK(layer.within_word_shuffle.max < layer.nmi_low);
  CHECK(layer.conclusion == Conclusion::kRandomLike);
}

TEST_CASE("specialisation: a router that draws experts divides by nothing, and its controls lie in the interval",
          "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 5, 2);
  planted.plant_nothing(5);
  planted.add_random_routers(8, 1);
  const LayerSpecialisation layer = judged(planted);
  INFO(layer.text);
  CHECK(layer.conclusion == Conclusion::kNone);
  CHECK(layer.p_value > 0.01);
  CHECK(inside(layer.nmi, layer));
  CHECK(inside(layer.shuffled_labels.mean, layer));
  CHECK(inside(layer.within_word_shuffle.mean, layer));
  CHECK(layer.word_explains < 0.01);
  CHECK(layer.class_explains < 0.01);
  CHECK(layer.class_beyond_word < 0.01);
}

TEST_CASE("specialisation: too few permutations leave open what hangs on their p-value, and nothing else",
          "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 1, 2);
  planted.plant_class(0, 1);
  SpecialisationOptions options;
  options.num_permutations = 98;
  const LayerSpecialisation few = specialisation(planted.routed(), options);
  CHECK(few.p_value == 1.0 / 99);
  CHECK(few.least_p_value() == 1.0 / 99);
  CHECK_FALSE(few.is_decidable());
  CHECK(few.conclusion == Conclusion::kUndecided);
  CHECK_THAT(few.text, ContainsSubstring("98 permutations cannot give a p below 0.0101") &&
                           ContainsSubstring("num_permutations 99 or more"));
  SpecialisationReport report;
  report.layers = {few};
  const auto json = nlohmann::json::parse(specialisation_json(report)).at("layers").at(0);
  CHECK(json.at("conclusion") == "undecided");
  CHECK(json.at("controls").at("shuffled_labels").at("decidable") == false);
  CHECK(json.at("controls").at("shuffled_labels").at("least_p_value") == 1.0 / 99);
  options.num_permutations = 99;
  const LayerSpecialisation enough = specialisation(planted.routed(), options);
  CHECK(enough.p_value == 0.01);
  CHECK(enough.is_decidable());
  CHECK(enough.conclusion == Conclusion::kClass);
  // Experts that are drawn do not stand out, whatever p can be.
  PlantedTokens drawn(kWindows, kSize, 5, 2);
  drawn.plant_nothing(5);
  options.num_permutations = 20;
  CHECK(specialisation(drawn.routed(), options).conclusion == Conclusion::kNone);
}

TEST_CASE("specialisation: words that occur once do not explain themselves", "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 6, 0);
  for (std::size_t t = 0; t < planted.size(); ++t) planted.words[t] = static_cast<std::int32_t>(t);
  planted.plant_nothing(6);
  const LayerSpecialisation layer = judged(planted);
  CHECK(layer.word_explains < 0.01);  // the plain conditional entropy would say 1
  CHECK(layer.class_beyond_word < 0.01);
}

TEST_CASE("specialisation: the bootstrap interval holds the planted value in about 95 of 100 worlds", "[analysis]") {
  // Expert class % 4 with probability 1 - noise, else any of 4; six classes, each 1/6.
  constexpr double kNoise = 0.4;
  double joint = 0, experts = 0;
  for (std::size_t e = 0; e < 4; ++e) {
    double share = 0;
    for (std::size_t c = 0; c < 6; ++c) {
      const double p = (kNoise / 4 + (c % 4 == e ? 1 - kNoise : 0)) / 6;
      joint -= p * std::log(p);
      share += p;
    }
    experts -= share * std::log(share);
  }
  const double classes = std::log(6.0), truth = (experts + classes - joint) / ((experts + classes) / 2);
  SpecialisationOptions options;
  options.num_permutations = options.num_tables = options.num_word_shuffles = 1;
  int held = 0;
  std::vector<double> values;
  double width = 0;
  for (std::uint64_t world = 0; world < 40; ++world) {
    PlantedTokens planted(kWindows, kSize, 100 + world, 0);
    planted.plant_class(kNoise, 100 + world);
    const LayerSpecialisation layer = specialisation(planted.routed(), options);
    held += inside(truth, layer);
    values.push_back(layer.nmi);
    width += (layer.nmi_high - layer.nmi_low) / 40;
  }
  CHECK(held >= 34);  // a fair 95 % interval holds fewer in one of a hundred suites
  // One that is too wide holds the value always: it has to be about 2 * 1.96 deviations of the value over worlds.
  CHECK(width > 2.8 * spread_of(values).std);
  CHECK(width < 5.2 * spread_of(values).std);
}

TEST_CASE("specialisation: other numbers for the experts change no figure", "[analysis]") {
  PlantedTokens planted(30, kSize, 8, 2);
  planted.plant_class(0.3, 8);
  planted.add_random_routers(4, 1);
  PlantedTokens renamed = planted;
  constexpr std::int32_t kName[] = {2, 0, 3, 1};
  for (std::int32_t& e : renamed.experts) e = kName[e];
  for (auto& router : renamed.random_routers) {
    for (std::int32_t& e : router) e = kName[e];
  }
  const LayerSpecialisation a = judged(planted), b = judged(renamed);
  for (std::size_t e = 0; e < 4; ++e) {
    CHECK(a.histogram[e] == b.histogram[static_cast<std::size_t>(kName[e])]);
    for (std::size_t c = 0; c < 6; ++c) {
      CHECK(a.classes[c].share[e] == b.classes[c].share[static_cast<std::size_t>(kName[e])]);
    }
  }
  const auto figures = [](const LayerSpecialisation& l) {
    return std::vector<double>{l.nmi,
                               l.nmi_low,
                               l.nmi_high,
                               l.nmi_ceiling,
                               l.p_value,
                               l.shuffled_labels.mean,
                               l.random_table.mean,
                               l.random_router.mean,
                               l.within_word_shuffle.mean,
                               l.word_explains,
                               l.class_explains,
                               l.class_beyond_word};
  };
  CHECK(figures(a) == figures(b));
  CHECK(a.text == b.text);
}

TEST_CASE("specialisation: with two experts a token each assignment counts half", "[analysis]") {
  PlantedTokens planted(kWindows, kSize, 9, 2);
  planted.top_k = 2;
  for (const std::uint8_t c : planted.classes) {  // a pair for each class: 01, 12, 23, 30
    planted.experts.push_back(c % 4);
    planted.experts.push_back((c + 1) % 4);
  }
  const LayerSpecialisation layer = judged(planted);
  INFO(layer.text);
  const auto num_tokens = static_cast<std::int64_t>(planted.size());
  std::int64_t assignments = 0, first = 0;
  for (std::size_t e = 0; e < 4; ++e) {
    assignments += layer.histogram[e];
    first += layer.by_choice[0][e];
    CHECK(layer.by_choice[0][e] + layer.by_choice[1][e] == layer.histogram[e]);
  }
  CHECK(assignments == 2 * num_tokens);
  CHECK(first == num_tokens);
  CHECK(layer.classes[1].share == std::vector<double>{0, 0.5, 0.5, 0});
  CHECK(layer.class_explains > 0.98);  // the pair follows from the class
  CHECK(layer.nmi == Approx(layer.nmi_ceiling));
  CHECK(layer.conclusion == Conclusion::kClass);
}

TEST_CASE("specialisation: tokens that use every expert divide by nothing", "[analysis]") {
  PlantedTokens planted(20, kSize, 10, 2);
  planted.top_k = 4;
  for (std::size_t t = 0; t < planted.size(); ++t) planted.experts.insert(planted.experts.end(), {0, 1, 2, 3});
  const LayerSpecialisation layer = judged(planted);
  CHECK(layer.nmi < 1e-12);
  CHECK(layer.conclusion == Conclusion::kNone);
  CHECK(layer.word_explains == 0);
  CHECK_THAT(layer.text, ContainsSubstring("every token uses every expert"));
}

TEST_CASE("specialisation: what does not fit is refused with its sizes", "[analysis]") {
  PlantedTokens planted(4, 5, 11, 0);
  planted.plant_class(0, 1);
  const auto refused = [](const RoutedTokens& tokens, const std::string& message) {
    CHECK_THROWS_WITH(specialisation(tokens, {}), ContainsSubstring(message));
  };
  RoutedTokens tokens = planted.routed();
  tokens.classes = tokens.classes.first(7);
  refused(tokens, "7 classes, expected 20");
  tokens = planted.routed();
  tokens.top_k = 2;
  refused(tokens, "20 experts, expected 40");
  tokens = planted.routed();
  tokens.num_experts = 3;
  refused(tokens, "expert 3, expected 0..2");
  tokens = planted.routed();
  tokens.class_names.resize(5);
  refused(tokens, "class 5, but there are 5");
  tokens = planted.routed();
  tokens.random_routers = {{0, 1}};
  refused(tokens, "2 experts of a router, expected 20");
  const std::vector<std::uint32_t> one_window(20, 3);
  tokens = planted.routed();
  tokens.windows = one_window;
  refused(tokens, "fewer than 2 windows");
}

}  // namespace minimoe::test
