// SPDX-License-Identifier: Apache-2.0
#include "data/file/conllu_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kNumColumns = 10;
using Columns = std::array<std::string_view, kNumColumns>;
enum Column { kId, kForm, kLemma, kUpos, kXpos, kFeats, kHead, kDeprel, kDeps, kMisc };
constexpr std::array<const char*, kNumColumns> kColumnNames = {"ID",    "FORM", "LEMMA",  "UPOS", "XPOS",
                                                               "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"};

constexpr std::array<std::string_view, 17> kUposTags = {"ADJ",   "ADP",   "ADV", "AUX",  "CCONJ", "DET",
                                                        "INTJ",  "NOUN",  "NUM", "PART", "PRON",  "PROPN",
                                                        "PUNCT", "SCONJ", "SYM", "VERB", "X"};

std::uint8_t class_index(std::string_view name) {
  const auto& names = conllu_class_names();
  return static_cast<std::uint8_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

std::size_t split_columns(std::string_view line, Columns& columns) {
  std::size_t count = 0;
  for (std::size_t begin = 0; begin <= line.size(); ++count) {
    const std::size_t end = std::min(line.find('\t', begin), line.size());
    if (count < kNumColumns) columns[count] = line.substr(begin, end - begin);
    begin = end + 1;
  }
  return count;
}

std::optional<std::size_t> number(std::string_view digits) {
  std::size_t value = 0;
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || rest != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// `item` is a whole `Feature=Value` of FEATS or MISC.
bool has_feature(std::string_view feats, std::string_view item) {
  while (!feats.empty()) {
    const std::size_t end = std::min(feats.find('|'), feats.size());
    if (feats.substr(0, end) == item) return true;
    feats.remove_prefix(std::min(end + 1, feats.size()));
  }
  return false;
}

// A value for a message of one line, whatever stands in the file.
std::string shown(std::string_view value) {
  constexpr std::size_t kLongest = 40;
  std::string text(value.substr(0, kLongest));
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; }, '?');
  return value.size() > kLongest ? text + "..." : text;
}

std::uint8_t classify(const Columns& columns) {
  static const std::uint8_t kInfinitive = class_index("verb-infinitive"), kPast = class_index("verb-past"),
                            kSubjectPronoun = class_index("subject-pronoun"), kX = class_index("x");
  // UPOS tag i is the class of the same name in lower case.
  static const auto kUposClasses = [] {
    std::array<std::uint8_t, kUposTags.size()> classes = {};
    for (std::size_t i = 0; i < kUposTags.size(); ++i) {
      std::string name(kUposTags[i]);
      for (char& c : name) c = static_cast<char>(c - 'A' + 'a');
      classes[i] = class_index(name);
    }
    return classes;
  }();
  const std::string_view upos = columns[kUpos], feats = columns[kFeats], deprel = columns[kDeprel];
  if (upos == "_") return kX;
  if (upos == "VERB" || upos == "AUX") {
    if (has_feature(feats, "VerbForm=Inf")) return kInfinitive;
    if (has_feature(feats, "Tense=Past")) return kPast;
  }
  if (upos == "PRON" && has_feature(feats, "PronType=Prs") &&
      (has_feature(feats, "Case=Nom") || deprel == "nsubj" || deprel.starts_with("nsubj:"))) {
    return kSubjectPronoun;
  }
  return kUposClasses[static_cast<std::size_t>(std::find(kUposTags.begin(), kUposTags.end(), upos) -
                                               kUposTags.begin())];
}

}  // namespace

const std::vector<std::string>& conllu_class_names() {
  static const std::vector<std::string> kNames = {"adj",
                                                  "adp",
                                                  "adv",
                                                  "aux",
                                                  "cconj",
                                                  "det",
                                                  "intj",
                                                  "noun",
                                                  "num",
                                                  "part",
                                                  "pron",
                                                  "propn",
                                                  "punct",
                                                  "sconj",
                                                  "sentence-end",
                                                  "subject-pronoun",
                                                  "sym",
                                                  "verb",
                                                  "verb-infinitive",
                                                  "verb-past",
                                                  "x"};
  return kNames;
}

template <class... Args>
void ConlluReader::refuse(const Args&... what) const {
  throw Error(ErrorCode::kCorruptFile, concat(path_, ":", line_number_, ": ", what...));
}

ConlluReader::Item ConlluReader::next() {
  while (offset_ < text_.size()) {
    const std::size_t end = std::min(text_.find('\n', offset_), text_.size());
    std::string_view line = text_.substr(offset_, end - offset_);
    offset_ = end + 1;
    ++line_number_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      if (num_words_ == 0) continue;
      num_words_ = 0;
      range_ = {};
      return Item::kSentenceEnd;
    }
    if (line.front() != '#' && read_line(line)) return Item::kWord;
  }
  if (num_words_ == 0) return Item::kEnd;
  num_words_ = 0;
  return Item::kSentenceEnd;
}

// False when the line is a multiword range or an empty node.
bool ConlluReader::read_line(std::string_view line) {
  Columns columns;
  const std::size_t count = split_columns(line, columns);
  if (count != kNumColumns) {
    refuse("the line has ", count, " columns, expected ", kNumColumns, " separated by tabs (or a # comment)");
  }
  for (std::size_t i = 0; i < kNumColumns; ++i) {
    if (columns[i].empty()) refuse("column ", i + 1, " (", kColumnNames[i], ") is empty, expected a value or _");
  }
  const std::string_view id = columns[kId];
  const std::size_t mark = id.find_first_of("-.");
  const std::optional<std::size_t> first = number(id.substr(0, mark));
  const std::size_t next_id = num_words_ + 1;
  if (mark != std::string_view::npos) {
    const bool range = id[mark] == '-';
    const std::optional<std::size_t> second = number(id.substr(mark + 1));
    if (range && first == next_id && second && *second >= *first) {
      range_ = {*first, *second, columns[kForm], !has_feature(columns[kMisc], "SpaceAfter=No")};
      return false;
    }
    if (!range && first == num_words_ && second && *second >= 1) return false;
  }
  if (mark != std::string_view::npos || first != next_id) {
    refuse("ID is ", shown(id), ", expected ", next_id, ", a range ", next_id, "-N or an empty node ", num_words_,
           ".N");
  }
  if (columns[kUpos] != "_" && std::find(kUposTags.begin(), kUposTags.end(), columns[kUpos]) == kUposTags.end()) {
    refuse("UPOS is ", shown(columns[kUpos]), ", expected _ or one of the 17 universal tags (ADJ ADP ADV ... VERB X)");
  }
  num_words_ = next_id;
  form_ = columns[kForm];
  word_class_ = classify(columns);
  space_after_ = !has_feature(columns[kMisc], "SpaceAfter=No");
  return true;
}

}  // namespace minimoe
