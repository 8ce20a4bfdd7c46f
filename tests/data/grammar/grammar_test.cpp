// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/grammar.hpp"

#include <cmath>
#include <map>

#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using namespace minimoe::grammar;

namespace {

constexpr std::uint16_t kA = 1, kB = 2, kC = 3;

Step say(std::uint32_t phrase) { return {Step::Kind::kSay, 0, 0, phrase}; }

// S1 (weight 1): "a" x, x = b with 3/4 or "" with 1/4, then y given x: after b "b c" or "c"; after "" always "b c".
// S2 (weight 3): "a b c" or "b", even. "a b c" and "a b b c" have several derivations.
Grammar ambiguous_grammar() {
  Grammar grammar;
  const auto phrase = [&](std::vector<std::uint16_t> tokens) {
    std::vector<Piece> pieces;
    for (const std::uint16_t token : tokens) pieces.push_back({token, TokenClass::kNounSingular});
    return grammar.add_phrase(pieces);
  };
  const std::uint32_t b = phrase({kB}), bc = phrase({kB, kC}), c = phrase({kC}), a = phrase({kA}),
                      abc = phrase({kA, kB, kC});
  const std::uint32_t end = phrase({Vocabulary::kEnd});
  const std::uint32_t x = grammar.add_distribution(std::vector<Grammar::Weighted>{{0, 3}, {1, 1}});
  const std::uint32_t said_x = grammar.add_table({b, Grammar::kNothing});
  const std::uint32_t after_b = grammar.add_distribution(std::vector<Grammar::Weighted>{{bc, 1}, {c, 1}});
  const std::uint32_t after_nothing = grammar.add_distribution(std::vector<Grammar::Weighted>{{bc, 5}, {b, 0}});
  const std::uint32_t y = grammar.add_table({after_b, after_nothing});
  grammar.add_template({"first",
                        1,
                        false,
                        {say(a),
                         {Step::Kind::kDraw, 0, 0, x},
                         {Step::Kind::kSayMapped, 0, 0, said_x},
                         {Step::Kind::kDrawGiven, 1, 0, y},
                         {Step::Kind::kSayValue, 1, 0, 0},
                         say(end)}});
  const std::uint32_t z = grammar.add_distribution(std::vector<Grammar::Weighted>{{abc, 1}, {b, 1}});
  grammar.add_template(
      {"second", 3, false, {{Step::Kind::kDraw, 0, 0, z}, {Step::Kind::kSayValue, 0, 0, 0}, say(end)}});
  return grammar;
}

using Tokens = std::vector<std::uint16_t>;

Tokens tokens_of(std::span<const Piece> pieces) {
  Tokens tokens;
  for (const Piece& piece : pieces) tokens.push_back(piece.token);
  return tokens;
}

}  // namespace

TEST_CASE("grammar: a string has the summed probability of its derivations", "[corpus]") {
  const Grammar grammar = ambiguous_grammar();
  std::map<Tokens, double> probability;
  grammar.enumerate([&](const Grammar::Derivation& d) { probability[tokens_of(d.pieces)] += d.probability; });
  // By hand: 1/4 (3/4 1/2 + 1/4) + 3/4 1/2, 1/4 3/4 1/2, 3/4 1/2.
  REQUIRE(probability.size() == 3);
  CHECK(probability[{kA, kB, kC, 0}] == 0.53125);
  CHECK(probability[{kA, kB, kB, kC, 0}] == 0.09375);
  CHECK(probability[{kB, 0}] == 0.375);
}

TEST_CASE("grammar: the reader gives the conditional probability of each word, over sentence ends too", "[corpus]") {
  const Grammar grammar = ambiguous_grammar();
  Reader reader(grammar);
  for (int sentence = 0; sentence < 2; ++sentence) {
    CHECK(reader.advance(kA) == Approx(0.625));
    CHECK(reader.advance(kB) == Approx(1.0));
    CHECK(reader.advance(kB) == Approx(0.15));
    CHECK(reader.advance(kC) == Approx(1.0));
    CHECK(reader.advance(Vocabulary::kEnd) == Approx(1.0));
  }
  CHECK(reader.advance(kC) == 0);
  CHECK(reader.advance(kA) == 0);
}

TEST_CASE("grammar: sampled sentences have the enumerated frequencies", "[corpus]") {
  const Grammar grammar = ambiguous_grammar();
  std::map<Tokens, double> probability;
  grammar.enumerate([&](const Grammar::Derivation& d) { probability[tokens_of(d.pieces)] += d.probability; });
  std::map<Tokens, double> count;
  std::vector<Piece> pieces;
  const RandomStream stream(1, "grammar test");
  constexpr int kSamples = 40000;
  for (int i = 0; i < kSamples; ++i) {
    grammar.sample(stream, i, pieces);
    ++count[tokens_of(pieces)];
  }
  REQUIRE(count.size() == probability.size());
  for (const auto& [tokens, p] : probability) {
    CHECK(std::abs(count[tokens] / kSamples - p) < 5 * std::sqrt(p * (1 - p) / kSamples));
  }
}

TEST_CASE("grammar: templates without an end and distributions without weight are refused", "[corpus]") {
  Grammar grammar;
  CHECK_THROWS_AS(grammar.add_distribution(std::vector<Grammar::Weighted>{{1, 0}}), Error);
  CHECK_THROWS_AS(grammar.add_template({"empty", 1, false, {}}), Error);
  const std::uint32_t word = grammar.add_phrase(std::vector<Piece>{{kA, TokenClass::kAdverb}});
  CHECK_THROWS_AS(grammar.add_template({"endless", 1, false, {say(word)}}), Error);
}
