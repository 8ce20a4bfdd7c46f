// SPDX-License-Identifier: Apache-2.0
// Every word of the corpus against the hunspell dictionaries of the system. Without hunspell or a dictionary the test
// counts as skipped: ctest looks for [skipped] in its output.
#include <string>
#include <vector>

#include "data/grammar/drills.hpp"
#include "support/catch.hpp"

using namespace minimoe::grammar;

#ifdef MINIMOE_TEST_HUNSPELL
#include <filesystem>
#include <hunspell.hxx>

namespace {

const std::filesystem::path kDictionaries = "/usr/share/hunspell";

bool has_dictionary(const std::string& name) {
  const bool found = std::filesystem::exists(kDictionaries / (name + ".dic"));
  if (!found) WARN("[skipped] no dictionary " + name + " in " + kDictionaries.string());
  return found;
}

Hunspell open_dictionary(const std::string& name) {
  return Hunspell((kDictionaries / (name + ".aff")).c_str(), (kDictionaries / (name + ".dic")).c_str());
}

std::vector<std::string> words_of(Language language) {
  Grammar grammar;
  Vocabulary vocabulary;
  const auto add = language == Language::kEnglish ? add_english : add_spanish;
  add(grammar, vocabulary, kShown | kHeldOutVerb | kHeldOutCombination, 0);
  std::vector<std::string> words;
  for (const std::string& word : vocabulary.words()) {
    const bool is_mark = word == "___" || word == "¿" || static_cast<unsigned char>(word[0]) < 'A';
    if (!is_mark) words.push_back(word);
  }
  return words;
}

std::vector<std::string> refused(Hunspell& dictionary, const std::vector<std::string>& words) {
  std::vector<std::string> wrong;
  for (const std::string& word : words) {
    if (!dictionary.spell(word)) wrong.push_back(word);
  }
  return wrong;
}

}  // namespace

TEST_CASE("grammar vocabulary: hunspell accepts every English word", "[corpus]") {
  if (!has_dictionary("en_US")) return;
  Hunspell dictionary = open_dictionary("en_US");
  const std::vector<std::string> words = words_of(Language::kEnglish);
  CHECK(words.size() > 400);
  CHECK(refused(dictionary, words) == std::vector<std::string>{});
  const std::vector<std::string> wrong = {"goed", "studyed", "stoped", "flys", "writed", "childs"};
  CHECK(refused(dictionary, wrong) == wrong);
}

TEST_CASE("grammar vocabulary: hunspell accepts every Spanish word", "[corpus]") {
  if (!has_dictionary("es_ES")) return;
  Hunspell dictionary = open_dictionary("es_ES");
  const std::vector<std::string> words = words_of(Language::kSpanish);
  CHECK(words.size() > 1400);
  CHECK(refused(dictionary, words) == std::vector<std::string>{});
  const std::vector<std::string> wrong = {"buscé", "pagé", "empezé", "leió", "dormió", "tení", "camiónes"};
  CHECK(refused(dictionary, wrong) == wrong);
}

#else

TEST_CASE("grammar vocabulary: hunspell accepts every word", "[corpus]") { WARN("[skipped] built without hunspell"); }

#endif
