// SPDX-License-Identifier: Apache-2.0
// The words of a CoNLL-U treebank, one after another, each with its class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minimoe {

/// The classes of CoNLL-U tokens, the same list for every file, in alphabetical order: the 17 universal parts of speech
/// in lower case, and
///   verb-infinitive   VERB or AUX with VerbForm=Inf
///   verb-past         VERB or AUX with Tense=Past, finite or participle
///   subject-pronoun   PRON with PronType=Prs and either Case=Nom or the relation nsubj (or a subtype of it)
///   sentence-end      the token that ends a sentence
/// A part of speech `_` is x.
const std::vector<std::string>& conllu_class_names();

/// Walks over text that is UTF-8. Comments, multiword ranges (3-4) and empty nodes (5.1) are passed over; lines may end
/// in CR LF; the last sentence may lack its blank line.
/// @see The CoNLL-U format, version 2, of Universal Dependencies.
class ConlluReader {
 public:
  enum class Item { kWord, kSentenceEnd, kEnd };

  /// Both must outlive the reader.
  ConlluReader(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  /// @throws Error(kCorruptFile) `path:line: ...` at a line that is not CoNLL-U.
  Item next();
  /// Of the word that next() found: its form, and its class as an index into conllu_class_names().
  std::string_view form() const { return form_; }
  std::uint8_t word_class() const { return word_class_; }
  bool space_after() const { return space_after_; }  ///< unless MISC has SpaceAfter=No
  /// The multiword token that began last in this sentence; last is 0 before the first.
  struct Range {
    std::size_t first = 0, last = 0;  ///< numbers of its words
    std::string_view form;
    bool space_after = true;
  };
  const Range& range() const { return range_; }

 private:
  bool read_line(std::string_view line);
  template <class... Args>
  [[noreturn]] void refuse(const Args&... what) const;

  std::string_view text_;
  const std::string& path_;
  std::size_t offset_ = 0;
  std::size_t line_number_ = 0;
  std::size_t num_words_ = 0;  // of the sentence so far
  std::string_view form_;
  std::uint8_t word_class_ = 0;
  bool space_after_ = true;
  Range range_;
};

}  // namespace minimoe
