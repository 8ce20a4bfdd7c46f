// SPDX-License-Identifier: Apache-2.0
// Turns drills written as text, "fill : {time} {subject} ___ ( {inf} ) {object} . -> {verb}", into grammar templates.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/grammar/cell.hpp"
#include "data/grammar/grammar.hpp"
#include "data/grammar/vocabulary.hpp"

namespace minimoe::grammar {

/// A field in braces says something about a variable; the writer draws the variable, after those it depends on, before
/// the first field that needs it. Two variables come with it: "cell" (verb, tense, person; see Cell::index) and, drawn
/// before it so that readers need not consider every verb at once, "group" (stative or not, tense, person).
class DrillWriter {
 public:
  static constexpr std::uint32_t kAbsent = 0xffffffffu;  ///< table entry of a value that has no phrase or distribution
  using Values = std::vector<std::uint32_t>;
  using Weighted = std::vector<Grammar::Weighted>;
  using CellFilter = std::function<bool(const Cell&)>;

  DrillWriter(Grammar& grammar, Vocabulary& vocabulary, Language language);

  /// Words that phrase() may use, separated by blanks, and their class.
  void words(TokenClass token_class, std::string_view list);
  /// Words with a class of their own in drill texts only: "plural" and "present" are tags there.
  void tags(TokenClass token_class, std::string_view list);

  Piece piece(std::string_view word, TokenClass token_class);
  /// Number of a phrase of known words; "well|r" chooses the class: r adverb, N and P nouns (singular, plural),
  /// i infinitive. @throws Error(kInternal) naming an unknown word.
  std::uint32_t phrase(std::string_view text);
  std::uint32_t phrase(const std::vector<Piece>& pieces) { return grammar_.add_phrase(pieces); }
  /// Numbers of phrases separated by ; of equal weight.
  std::uint32_t choice(std::string_view phrases);
  /// kAbsent when there is nothing to choose from.
  std::uint32_t distribution(const Weighted& options);

  /// The cells of templates to come: a weight for each, and those that a template may be about.
  void set_cells(std::vector<std::uint32_t> weights, std::vector<bool> is_stative_verb, std::vector<bool> is_target);
  /// A variable that depends on nothing.
  void variable(const std::string& name, const Weighted& options);
  /// A variable whose distribution depends on an earlier one.
  void variable(const std::string& name, const std::string& parent, Values distribution_of_parent);
  /// `phrases` by value of the variable.
  void field(const std::string& name, const std::string& variable, Values phrases);
  /// The variable's value is the phrase.
  void field(const std::string& name, const std::string& variable);

  /// Adds a template with the cells that pass the filter and have all that its fields and variables need; nothing when
  /// no cell is left. Texts with -> are probes.
  void add(const std::string& kind, std::uint32_t weight, std::string_view text, const CellFilter& filter = nullptr);

  std::size_t group_index(const Cell& cell) const;
  std::size_t num_groups() const { return 2 * kNumTenses * kNumPersons; }

 private:
  struct Variable {
    std::string parent;
    Values table;  ///< distribution by value of the parent; without parent: the distribution itself
    std::uint32_t table_id = 0;
  };
  struct Field {
    std::string variable;
    Values table;  ///< phrase by value; empty: the value itself
    std::uint32_t table_id = 0;
  };
  struct Plan;
  TokenClass class_of(std::string_view word, bool in_drill) const;
  bool has_all(const Cell& cell, const std::vector<std::string>& variables,
               const std::vector<std::string>& fields) const;
  bool draw_cells(const std::vector<std::string>& fields, const CellFilter& filter, Plan& plan);
  void bind(const std::string& variable, Plan& plan) const;

  Grammar& grammar_;
  Vocabulary& vocabulary_;
  Language language_;
  std::unordered_map<std::string, TokenClass> words_;
  std::unordered_map<std::string, TokenClass> tags_;
  std::vector<std::uint32_t> cell_weights_;
  std::vector<bool> is_stative_verb_;
  std::vector<bool> is_target_;
  std::unordered_map<std::string, Variable> variables_;
  std::unordered_map<std::string, Field> fields_;
};

/// Parts of a text between separators, without empty ones.
std::vector<std::string> split_text(std::string_view text, char separator);

}  // namespace minimoe::grammar
