// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/drill_writer.hpp"

#include <algorithm>

#include "minimoe/core/error.hpp"

namespace minimoe::grammar {

std::vector<std::string> split_text(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

DrillWriter::DrillWriter(Grammar& grammar, Vocabulary& vocabulary, Language language)
    : grammar_(grammar), vocabulary_(vocabulary), language_(language) {
  tags(TokenClass::kPunctuation, ". , ? ¿ : ( ) /");
  tags(TokenClass::kMark, "-> ___");
}

void DrillWriter::words(TokenClass token_class, std::string_view list) {
  for (std::string& word : split_text(list, ' ')) words_.emplace(std::move(word), token_class);
}

void DrillWriter::tags(TokenClass token_class, std::string_view list) {
  for (std::string& word : split_text(list, ' ')) tags_.emplace(std::move(word), token_class);
}

TokenClass DrillWriter::class_of(std::string_view word, bool in_drill) const {
  const std::string key(word);
  if (in_drill) {
    if (const auto tag = tags_.find(key); tag != tags_.end()) return tag->second;
  }
  const auto known = words_.find(key);
  if (known == words_.end()) throw Error(ErrorCode::kInternal, concat("grammar: the word \"", word, "\" has no class"));
  return known->second;
}

Piece DrillWriter::piece(std::string_view word, TokenClass token_class) {
  return {vocabulary_.add(word, language_), token_class};
}

std::uint32_t DrillWriter::phrase(std::string_view text) {
  std::vector<Piece> pieces;
  for (const std::string& word : split_text(text, ' ')) {
    const std::size_t bar = word.find('|');
    if (bar == std::string::npos) {
      pieces.push_back(piece(word, class_of(word, false)));
      continue;
    }
    const char mark = word[bar + 1];
    pieces.push_back(piece(word.substr(0, bar), mark == 'r'   ? TokenClass::kAdverb
                                                : mark == 'N' ? TokenClass::kNounSingular
                                                : mark == 'P' ? TokenClass::kNounPlural
                                                              : TokenClass::kVerbInfinitive));
  }
  return phrase(pieces);
}

std::uint32_t DrillWriter::choice(std::string_view phrases) {
  Weighted options;
  for (const std::string& text : split_text(phrases, ';')) options.emplace_back(phrase(text), 1);
  return distribution(options);
}

std::uint32_t DrillWriter::distribution(const Weighted& options) {
  const bool is_empty = std::all_of(options.begin(), options.end(), [](const auto& o) { return o.second == 0; });
  return is_empty ? kAbsent : grammar_.add_distribution(options);
}

void DrillWriter::set_cells(std::vector<std::uint32_t> weights, std::vector<bool> is_stative_verb,
                            std::vector<bool> is_target) {
  cell_weights_ = std::move(weights);
  is_stative_verb_ = std::move(is_stative_verb);
  is_target_ = std::move(is_target);
}

void DrillWriter::variable(const std::string& name, const Weighted& options) {
  variables_[name] = {"", {distribution(options)}, 0};
}

void DrillWriter::variable(const std::string& name, const std::string& parent, Values distribution_of_parent) {
  const std::uint32_t table_id = grammar_.add_table(distribution_of_parent);
  variables_[name] = {parent, std::move(distribution_of_parent), table_id};
}

void DrillWriter::field(const std::string& name, const std::string& variable, Values phrases) {
  const std::uint32_t table_id = grammar_.add_table(phrases);
  fields_[name] = {variable, std::move(phrases), table_id};
}

void DrillWriter::field(const std::string& name, const std::string& variable) { fields_[name] = {variable, {}, 0}; }

std::size_t DrillWriter::group_index(const Cell& cell) const {
  return ((is_stative_verb_[cell.verb] ? 1 : 0) * kNumTenses + static_cast<std::size_t>(cell.tense)) * kNumPersons +
         static_cast<std::size_t>(cell.person);
}

/// Steps of the template in the making and where its variables live.
struct DrillWriter::Plan {
  std::vector<Step> steps;
  std::unordered_map<std::string, std::uint8_t> slots;
  std::vector<std::string> variables;  ///< all that the fields need, without cell and group
  std::uint32_t groups = kAbsent;      ///< distribution of the groups
  std::uint32_t cell_table = 0;        ///< distribution of the cells by group
};

bool DrillWriter::has_all(const Cell& cell, const std::vector<std::string>& variables,
                          const std::vector<std::string>& fields) const {
  const auto lacks = [&](const std::string& parent, const Values& table) {
    if (parent == "cell") return table[cell.index()] == kAbsent;
    if (parent == "group") return table[group_index(cell)] == kAbsent;
    return false;
  };
  for (const std::string& name : variables) {
    const Variable& entry = variables_.at(name);
    if (lacks(entry.parent, entry.table)) return false;
  }
  for (const std::string& name : fields) {
    const Field& entry = fields_.at(name);
    if (!entry.table.empty() && lacks(entry.variable, entry.table)) return false;
  }
  return true;
}

bool DrillWriter::draw_cells(const std::vector<std::string>& fields, const CellFilter& filter, Plan& plan) {
  std::vector<Weighted> cells_of_group(num_groups());
  Weighted groups(num_groups(), {0, 0});
  for (std::size_t i = 0; i < is_target_.size(); ++i) {
    const Cell cell = Cell::at(i);
    if (!is_target_[i] || (filter && !filter(cell)) || !has_all(cell, plan.variables, fields)) continue;
    const std::size_t group = group_index(cell);
    cells_of_group[group].emplace_back(i, cell_weights_[i]);
    groups[group] = {static_cast<std::uint32_t>(group), groups[group].second + cell_weights_[i]};
  }
  Values cell_table(num_groups(), kAbsent);
  for (std::size_t group = 0; group < num_groups(); ++group) cell_table[group] = distribution(cells_of_group[group]);
  plan.groups = distribution(groups);
  plan.cell_table = grammar_.add_table(std::move(cell_table));
  return plan.groups != kAbsent;
}

void DrillWriter::bind(const std::string& variable, Plan& plan) const {
  if (plan.slots.contains(variable)) return;
  Step step{Step::Kind::kDraw, 0, 0, plan.groups};
  if (variable == "cell") {
    bind("group", plan);
    step = {Step::Kind::kDrawGiven, 0, plan.slots.at("group"), plan.cell_table};
  } else if (variable != "group") {
    const Variable& entry = variables_.at(variable);
    step.id = entry.table[0];
    if (!entry.parent.empty()) {
      bind(entry.parent, plan);
      step = {Step::Kind::kDrawGiven, 0, plan.slots.at(entry.parent), entry.table_id};
    }
  }
  if (plan.slots.size() == Grammar::kMaxVariables) throw Error(ErrorCode::kInternal, "grammar: too many variables");
  step.variable = static_cast<std::uint8_t>(plan.slots.size());
  plan.slots.emplace(variable, step.variable);
  plan.steps.push_back(step);
}

void DrillWriter::add(const std::string& kind, std::uint32_t weight, std::string_view text, const CellFilter& filter) {
  Plan plan;
  std::vector<std::string> fields;
  bool needs_cells = false;
  for (const std::string& word : split_text(text, ' ')) {
    if (word.front() != '{') continue;
    fields.push_back(word.substr(1, word.size() - 2));
    std::string name = fields_.at(fields.back()).variable;
    while (!name.empty() && name != "cell" && name != "group") {
      if (variables_.at(name).parent.empty() && variables_.at(name).table[0] == kAbsent) return;
      plan.variables.push_back(name);
      name = variables_.at(name).parent;
    }
    needs_cells = needs_cells || !name.empty();
  }
  if (needs_cells && !draw_cells(fields, filter, plan)) return;
  std::size_t next_field = 0;
  std::vector<Piece> literal;
  const auto say_literal = [&] {
    if (!literal.empty()) plan.steps.push_back({Step::Kind::kSay, 0, 0, phrase(literal)});
    literal.clear();
  };
  for (const std::string& word : split_text(text, ' ')) {
    if (word.front() != '{') {
      literal.push_back(piece(word, class_of(word, true)));
      continue;
    }
    say_literal();
    const Field& field = fields_.at(fields[next_field++]);
    bind(field.variable, plan);
    const std::uint8_t slot = plan.slots.at(field.variable);
    plan.steps.push_back(field.table.empty() ? Step{Step::Kind::kSayValue, slot, 0, 0}
                                             : Step{Step::Kind::kSayMapped, slot, 0, field.table_id});
  }
  literal.push_back({Vocabulary::kEnd, TokenClass::kEnd});
  say_literal();
  grammar_.add_template({kind, weight, text.find("->") != std::string_view::npos, std::move(plan.steps)});
}

}  // namespace minimoe::grammar
