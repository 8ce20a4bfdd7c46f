// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/grammar/drills.hpp"
#include "minimoe/data/grammar_corpus.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using Catch::Matchers::Contains;

namespace {

const GrammarCorpus& corpus() {
  static const auto made = make_grammar_corpus();
  return *made;
}

using Tokens = std::vector<std::int32_t>;

// All strings of the grammar of a few verbs, in both languages, with their probabilities.
std::map<Tokens, double> enumerate_small(std::size_t max_verbs) {
  grammar::Grammar grammar;
  grammar::Vocabulary vocabulary;
  add_english(grammar, vocabulary, grammar::kShown, max_verbs);
  add_spanish(grammar, vocabulary, grammar::kShown, max_verbs);
  std::map<Tokens, double> strings;
  grammar.enumerate([&](const grammar::Grammar::Derivation& d) {
    Tokens tokens;
    for (const grammar::Piece& piece : d.pieces) tokens.push_back(piece.token);
    strings[tokens] += d.probability;
  });
  return strings;
}

}  // namespace

TEST_CASE("split: names and values are inverse, and a wrong name is told the right ones", "[corpus]") {
  for (const Split split : {Split::kTrain, Split::kVal, Split::kHeldOutVerbs, Split::kHeldOutCombinations}) {
    CHECK(split_from_name(split_name(split)) == split);
  }
  CHECK(std::string(split_name(Split::kHeldOutVerbs)) == "held-out-verbs");
  CHECK_THROWS_WITH(split_from_name("test"), Contains("\"test\"") && Contains("held-out-combinations"));
}

TEST_CASE("grammar corpus: probabilities of the whole language sum to one", "[corpus]") {
  grammar::Grammar shown;
  grammar::Vocabulary vocabulary;
  add_english(shown, vocabulary, grammar::kShown);
  add_spanish(shown, vocabulary, grammar::kShown);
  double sum = 0;
  shown.enumerate([&](const grammar::Grammar::Derivation& d) { sum += d.probability; });
  CHECK(std::abs(sum - 1) < 1e-11);
}

TEST_CASE("grammar corpus: string and prefix probabilities equal sums over the enumerated language", "[corpus]") {
  const auto strings = enumerate_small(3);
  const auto small = make_grammar_corpus({.max_verbs = 3});
  REQUIRE(strings.size() > 10'000);
  double sum = 0;
  std::size_t at = 0;
  for (const auto& [tokens, probability] : strings) {
    sum += probability;
    if (at++ % 97 != 0) continue;
    REQUIRE(std::exp(small->log_probability(Split::kTrain, tokens)) == Approx(probability).epsilon(1e-10));
    // A cut sentence: all strings that begin so. They are neighbours in the ordered map.
    const Tokens prefix(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(1 + at % tokens.size()));
    double with_prefix = 0;
    for (auto i = strings.lower_bound(prefix); i != strings.end() && i->first.size() >= prefix.size() &&
                                               std::equal(prefix.begin(), prefix.end(), i->first.begin());
         ++i) {
      with_prefix += i->second;
    }
    REQUIRE(std::exp(small->log_probability(Split::kVal, prefix)) == Approx(with_prefix).epsilon(1e-10));
  }
  CHECK(sum == Approx(1).epsilon(1e-10));
}

TEST_CASE("grammar corpus: training and validation sentences have the enumerated frequencies", "[corpus]") {
  // By first word, so that each is frequent enough to test.
  std::map<std::int32_t, double> probability;
  for (const auto& [tokens, p] : enumerate_small(3)) probability[tokens[0]] += p;
  constexpr std::uint64_t kSamples = 20000;
  const auto small = make_grammar_corpus({.num_eval_sentences = kSamples, .max_verbs = 3});
  for (const Split split : {Split::kTrain, Split::kVal}) {
    std::map<std::int32_t, double> count;
    for (std::uint64_t i = 0; i < kSamples; ++i) ++count[small->sentence(split, i, 5).tokens[0]];
    for (const auto& [token, p] : probability) {
      INFO(small->token_text(token));
      CHECK(std::abs(count[token] / kSamples - p) < 5 * std::sqrt(p / kSamples));
    }
  }
}

TEST_CASE("grammar corpus: an impossible string has probability zero", "[corpus]") {
  const auto log_p = [](const char* text) { return corpus().log_probability(Split::kTrain, corpus().encode(text)); };
  CHECK(std::isfinite(log_p("fix : he make a cake . -> he makes a cake .\n")));
  CHECK(log_p("fix : he make a cake . -> he make a cake .\n") == -INFINITY);
  CHECK(log_p("past : she walks to school . -> she walked") == -INFINITY);
  CHECK(std::isfinite(
      corpus().log_probability(Split::kHeldOutVerbs, corpus().encode("past : she walks to school . -> she walked"))));
}

TEST_CASE("grammar corpus: windows begin at sentence starts and hold sentences one after the other", "[corpus]") {
  for (const Split split : {Split::kVal, Split::kHeldOutVerbs, Split::kHeldOutCombinations}) {
    const std::uint64_t num_windows = corpus().num_eval_windows(split, 64);
    REQUIRE(num_windows > 500);
    Tokens window(65), stream;
    std::vector<std::uint8_t> classes(65), stream_classes;
    std::uint64_t sentence = 0;
    for (std::uint64_t w = 0; w < num_windows; ++w) {
      stream.clear();
      stream_classes.clear();
      while (stream.size() < 65) {
        const GrammarSentence next = corpus().sentence(split, sentence++);
        stream.insert(stream.end(), next.tokens.begin(), next.tokens.end());
        stream_classes.insert(stream_classes.end(), next.classes.begin(), next.classes.end());
      }
      stream.resize(65);
      stream_classes.resize(65);
      corpus().eval_window(split, w, window, classes);
      REQUIRE(window == stream);
      REQUIRE(classes == stream_classes);
    }
    CHECK_THROWS_AS(corpus().eval_window(split, num_windows, window, classes), Error);
  }
  CHECK(corpus().num_eval_windows(Split::kTrain, 64) == 0);
}

TEST_CASE("grammar corpus: a training window depends on seed and index only, and agrees with its sentences",
          "[corpus]") {
  Tokens a(65), b(65), c(65), longer(129);
  std::vector<std::uint8_t> classes(65);
  corpus().train_window(7, 3, a, classes);
  corpus().train_window(7, 4, b, {});
  corpus().train_window(8, 3, c, {});
  corpus().train_window(7, 3, longer, {});
  CHECK(a != b);
  CHECK(a != c);
  CHECK(std::equal(a.begin(), a.end(), longer.begin()));
  const auto again = make_grammar_corpus();
  again->train_window(7, 3, b, {});
  CHECK(a == b);
  const GrammarSentence first = corpus().sentence(Split::kTrain, std::uint64_t{3} << 20, 7);
  CHECK(std::equal(first.tokens.begin(), first.tokens.end(), a.begin()));
  CHECK(std::equal(first.classes.begin(), first.classes.end(), classes.begin()));
}

TEST_CASE("grammar corpus: the entropy floor is the mean surprise of the windows' targets", "[corpus]") {
  Tokens window(33);
  double sum = 0;
  for (std::uint64_t w = 0; w < 5; ++w) {
    corpus().eval_window(Split::kVal, w, window, {});
    sum -= corpus().log_probability(Split::kVal, window) - corpus().log_probability(Split::kVal, {window.data(), 1});
  }
  CHECK(*corpus().entropy_floor(Split::kVal, 32, 5) == Approx(sum / (5 * 32)));
  // Train and val are one distribution; held-out drills have fewer choices.
  const double train = *corpus().entropy_floor(Split::kTrain, 64, 400),
               val = *corpus().entropy_floor(Split::kVal, 64, 400);
  CHECK(std::abs(train - val) < 0.03);
  CHECK(*corpus().entropy_floor(Split::kHeldOutVerbs, 64, 100) < val);
  CHECK_THROWS_AS(corpus().entropy_floor(Split::kVal, 64, 1'000'000), Error);
}

TEST_CASE("grammar corpus: a probe's prompt leaves one answer, whatever split its sentence comes from", "[corpus]") {
  // Held-out and shown sentences together: the answer must follow from grammar, not from what a split leaves out.
  constexpr unsigned kAll = grammar::kShown | grammar::kHeldOutVerb | grammar::kHeldOutCombination;
  grammar::Grammar whole;
  grammar::Vocabulary vocabulary;
  add_english(whole, vocabulary, kAll);
  add_spanish(whole, vocabulary, kAll);
  for (const Split split : {Split::kVal, Split::kHeldOutVerbs, Split::kHeldOutCombinations}) {
    std::set<std::string> kinds;
    const auto probes = corpus().probes(split, 600);
    REQUIRE(probes.size() == 600);
    for (const Probe& probe : probes) {
      kinds.insert(probe.kind);
      CHECK(corpus().token_text(probe.prompt.back()) == "->");
      REQUIRE(probe.answer.back() == 0);
      INFO(corpus().decode(probe.prompt) << ' ' << corpus().decode(probe.answer));
      const auto token = [&](std::int32_t t) {
        return static_cast<std::uint16_t>(t == 0 ? 0 : vocabulary.find(corpus().token_text(t)));
      };
      grammar::Reader reader(whole);
      for (const std::int32_t t : probe.prompt) REQUIRE(reader.advance(token(t)) > 0);
      for (const std::int32_t t : probe.answer) REQUIRE(reader.advance(token(t)) == Approx(1));
    }
    // The regular past has one form for all persons in English, and one known form in Spanish: nothing to agree.
    CHECK(kinds.size() == (split == Split::kHeldOutVerbs ? 6 : 7));
    CHECK(kinds.contains("agreement") == (split != Split::kHeldOutVerbs));
    CHECK_FALSE(kinds.contains("statement"));
    CHECK(corpus().probes(split, 7).size() == 7);
  }
  CHECK(corpus().probes(Split::kTrain, 10).empty());
}

TEST_CASE("grammar corpus: classes are those of the words where they stand", "[corpus]") {
  std::map<std::string, std::set<std::string>> classes_of;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const GrammarSentence sentence = corpus().sentence(Split::kTrain, i);
    for (std::size_t t = 0; t < sentence.tokens.size(); ++t) {
      classes_of[corpus().token_text(sentence.tokens[t])].insert(corpus().class_names()[sentence.classes[t]]);
    }
  }
  const auto classes = [&](const char* word) {
    std::string list;
    for (const std::string& name : classes_of[word]) list.append(name).append(" ");
    return list;
  };
  CHECK(classes("hablamos") == "verb-past verb-present wrong-form ");
  CHECK(classes("went") == "verb-past wrong-form ");
  CHECK(classes("gone") == "verb-participle ");
  CHECK(classes("she") == "person-tag subject-pronoun ");
  CHECK(classes("los") == "determiner ");
  CHECK(classes("children") == "noun-pl ");
  CHECK(classes("->") == "mark ");
  CHECK(classes("\n") == "end ");
  CHECK(classes("no") == "adverb negation ");
  CHECK(corpus().class_names().size() == 23);
}

TEST_CASE("grammar corpus: text survives encoding, and unknown words are named with the nearest known", "[corpus]") {
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Tokens tokens = corpus().sentence(Split::kVal, i).tokens;
    REQUIRE(corpus().encode(corpus().decode(tokens)) == tokens);
  }
  CHECK(corpus().decode(corpus().encode("¿ comes tú una manzana ?\nfill : she ___ ( eat )")) ==
        "¿comes tú una manzana?\nfill: she ___ (eat)");
  CHECK(corpus().encode("  ").empty());
  CHECK_THROWS_WITH(corpus().encode("she walkd home ."), Contains("\"walkd\"") && Contains("\"walk\""));
  CHECK_THROWS_AS(corpus().decode(Tokens{100000}), Error);
  CHECK_THROWS_AS(corpus().token_text(-1), Error);
}

TEST_CASE("grammar corpus: options choose languages, verbs and sentences, and refuse nonsense", "[corpus]") {
  const auto english = make_grammar_corpus({.spanish = false});
  const auto spanish = make_grammar_corpus({.english = false});
  CHECK_THROWS_AS(english->encode("hablamos"), Error);
  CHECK_THROWS_AS(spanish->encode("went"), Error);
  CHECK(english->vocab_size() + spanish->vocab_size() > corpus().vocab_size());
  const auto tiny = make_grammar_corpus({.num_eval_sentences = 10, .max_verbs = 1});
  CHECK(tiny->num_eval_windows(Split::kHeldOutVerbs, 8) == 0);
  CHECK(tiny->probes(Split::kHeldOutVerbs, 8).empty());
  CHECK_THROWS_AS(tiny->sentence(Split::kVal, 10), Error);
  CHECK_THROWS_WITH(make_grammar_corpus({.english = false, .spanish = false}), Contains("no language"));
  CHECK_THROWS_WITH(make_grammar_corpus({.num_eval_sentences = 0}), Contains("num_eval_sentences is 0"));
}

TEST_CASE("grammar corpus: its text is the one that earlier results were measured on", "[corpus]") {
  // A change of this value changes the meaning of every loss measured before: note it in the change log.
  CHECK(corpus().sha256() == "8ae4c06940562e2d30ddc2d84697619072cc31a741b51ef9beb3c21b8323d6c4");
}
