// SPDX-License-Identifier: Apache-2.0
// Words of the grammar corpus and their classes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace minimoe::grammar {

/// What a word is where it stands; the same word may be of two classes ("hablamos": present or past).
enum class TokenClass : std::uint8_t {
  kEnd,
  kPunctuation,
  kMark,  ///< -> before an answer, ___ for a gap
  kDrillTag,
  kTenseTag,
  kPersonTag,
  kVerbInfinitive,
  kVerbPresent,
  kVerbPast,
  kVerbImperfect,
  kVerbFuture,
  kVerbParticiple,
  kWrongForm,  ///< a verb form that a drill offers as an error
  kAuxiliary,
  kSubjectPronoun,
  kDeterminer,
  kNounSingular,
  kNounPlural,
  kAdjective,
  kAdverb,
  kPreposition,
  kNegation,
  kQuestionWord,
};

/// Names by enumerator: "end", "punctuation", "mark", "drill-tag", ...
const std::vector<std::string>& token_class_names();

enum class Language : std::uint8_t { kEnglish = 1, kSpanish = 2 };

/// A word in its place.
struct Piece {
  std::uint16_t token = 0;
  TokenClass token_class = TokenClass::kEnd;
  friend bool operator==(const Piece&, const Piece&) = default;
};

/// Numbers words in order of first use; token 0 ends a sentence and reads as a line feed.
class Vocabulary {
 public:
  static constexpr std::uint16_t kEnd = 0;

  Vocabulary();

  std::uint16_t add(std::string_view word, Language language);
  /// Token of a word, or -1.
  std::int32_t find(std::string_view word) const;
  const std::vector<std::string>& words() const { return words_; }
  /// Whether the word is used in sentences of that language.
  bool used_in(std::uint16_t token, Language language) const;
  std::size_t memory_bytes() const;

 private:
  std::vector<std::string> words_;
  std::vector<std::uint8_t> languages_;
  std::unordered_map<std::string, std::uint16_t> tokens_;
};

}  // namespace minimoe::grammar
