// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/grammar.hpp"

#include <algorithm>

#include "minimoe/core/error.hpp"

namespace minimoe::grammar {
namespace {

using Kind = Step::Kind;

bool is_draw(const Step& step) { return step.kind == Kind::kDraw || step.kind == Kind::kDrawGiven; }

}  // namespace

double Grammar::Options::probability(std::size_t i) const {
  const std::uint64_t weight = cumulative[i] - (i == 0 ? 0 : cumulative[i - 1]);
  return static_cast<double>(weight) / static_cast<double>(total());
}

Grammar::Grammar() : phrase_begin_{0} { add_phrase({}); }

std::uint32_t Grammar::add_phrase(std::span<const Piece> pieces) {
  std::string key;
  for (const Piece& piece : pieces) {
    key.push_back(static_cast<char>(piece.token & 0xff));
    key.push_back(static_cast<char>(piece.token >> 8));
    key.push_back(static_cast<char>(piece.token_class));
  }
  const auto [entry, is_new] = phrase_ids_.try_emplace(key, static_cast<std::uint32_t>(phrase_begin_.size() - 1));
  if (is_new) {
    pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
    phrase_begin_.push_back(static_cast<std::uint32_t>(pieces_.size()));
  }
  return entry->second;
}

std::uint32_t Grammar::add_distribution(std::span<const Weighted> options) {
  Options distribution;
  std::uint64_t total = 0;
  for (const auto& [value, weight] : options) {
    if (weight == 0) continue;
    total += weight;
    distribution.values.push_back(value);
    distribution.cumulative.push_back(static_cast<std::uint32_t>(total));
  }
  if (total == 0 || total > 0xffffffffu) {
    throw Error(ErrorCode::kInternal, concat("grammar: a distribution of total weight ", total));
  }
  distributions_.push_back(std::move(distribution));
  return static_cast<std::uint32_t>(distributions_.size() - 1);
}

std::uint32_t Grammar::add_table(std::vector<std::uint32_t> table) {
  tables_.push_back(std::move(table));
  return static_cast<std::uint32_t>(tables_.size() - 1);
}

void Grammar::add_template(Template entry) {
  const auto draws = std::count_if(entry.steps.begin(), entry.steps.end(), is_draw);
  const bool ends = !entry.steps.empty() && entry.steps.back().kind == Kind::kSay &&
                    !phrase(entry.steps.back().id).empty() &&
                    phrase(entry.steps.back().id).back().token == Vocabulary::kEnd;
  if (entry.weight == 0 || draws + 1 > static_cast<std::ptrdiff_t>(kMaxDraws) || !ends) {
    throw Error(ErrorCode::kInternal, concat("grammar: template ", templates_.size(), " (", entry.kind,
                                             ") has weight 0, too many draws or no sentence end"));
  }
  template_choice_.values.push_back(static_cast<std::uint32_t>(templates_.size()));
  const std::uint64_t weight_before = templates_.empty() ? 0 : template_choice_.total();
  template_choice_.cumulative.push_back(static_cast<std::uint32_t>(weight_before + entry.weight));
  templates_.push_back(std::move(entry));
}

std::span<const Piece> Grammar::phrase(std::uint32_t id) const {
  return {pieces_.data() + phrase_begin_[id], pieces_.data() + phrase_begin_[id + 1]};
}

std::uint32_t Grammar::distribution_of(const Step& step, const std::uint32_t* values) const {
  return step.kind == Kind::kDraw ? step.id : tables_[step.id][values[step.parent]];
}

std::uint32_t Grammar::phrase_of(const Step& step, const std::uint32_t* values) const {
  switch (step.kind) {
    case Kind::kSay:
      return step.id;
    case Kind::kSayValue:
      return values[step.variable];
    default:
      return tables_[step.id][values[step.variable]];
  }
}

std::size_t Grammar::sample(const RandomStream& stream, std::uint64_t index, std::vector<Piece>& pieces) const {
  pieces.clear();
  return sample_phrases(
      stream, index, [&](std::span<const Piece> phrase) { pieces.insert(pieces.end(), phrase.begin(), phrase.end()); });
}

void Grammar::enumerate(const std::function<void(const Derivation&)>& visit) const {
  std::vector<Piece> pieces;
  std::array<std::uint32_t, kMaxVariables> values{};
  const auto walk = [&](const auto& self, std::size_t template_index, std::size_t at, double probability) -> void {
    const std::vector<Step>& steps = templates_[template_index].steps;
    const std::size_t length = pieces.size();
    for (; at < steps.size(); ++at) {
      const Step& step = steps[at];
      if (is_draw(step)) {
        const Options& options = distributions_[distribution_of(step, values.data())];
        for (std::size_t i = 0; i < options.values.size(); ++i) {
          values[step.variable] = options.values[i];
          self(self, template_index, at + 1, probability * options.probability(i));
        }
        break;
      }
      const auto said = phrase(phrase_of(step, values.data()));
      pieces.insert(pieces.end(), said.begin(), said.end());
    }
    if (at == steps.size()) visit({template_index, pieces, probability});
    pieces.resize(length);
  };
  for (std::size_t i = 0; i < templates_.size(); ++i) walk(walk, i, 0, template_choice_.probability(i));
}

std::size_t Grammar::memory_bytes() const {
  std::size_t bytes = pieces_.capacity() * sizeof(Piece) + phrase_begin_.capacity() * sizeof(std::uint32_t);
  for (const auto& [key, id] : phrase_ids_) {
    bytes += sizeof(std::string) + (key.capacity() > 15 ? key.capacity() : 0) + 4 * sizeof(void*);
  }
  for (const Options& options : distributions_) {
    bytes += sizeof(options) + options.values.capacity() * sizeof(std::uint32_t) +
             options.cumulative.capacity() * sizeof(std::uint32_t);
  }
  for (const auto& table : tables_) {
    bytes += sizeof(std::vector<std::uint32_t>) + table.capacity() * sizeof(std::uint32_t);
  }
  for (const Template& entry : templates_) bytes += sizeof(entry) + entry.steps.capacity() * sizeof(Step);
  return bytes;
}

double Reader::advance(std::uint16_t token) {
  if (at_start_) {
    live_.clear();
    const auto& choice = grammar_->template_choice_;
    for (std::size_t i = 0; i < choice.values.size(); ++i) {
      live_.push_back({choice.probability(i), static_cast<std::uint16_t>(i), 0, 0, {}});
    }
  }
  next_.clear();
  for (Hypothesis& hypothesis : live_) match(hypothesis, token);
  double probability = 0;
  for (const Hypothesis& hypothesis : next_) probability += hypothesis.weight;
  for (Hypothesis& hypothesis : next_) hypothesis.weight /= probability;
  std::swap(live_, next_);
  at_start_ = token == Vocabulary::kEnd && probability > 0;
  return probability;
}

// Runs a hypothesis up to its next word and keeps it if that is `token`; it is scratch space for the branches.
void Reader::match(Hypothesis& hypothesis, std::uint16_t token) {
  const std::vector<Step>& steps = grammar_->templates_[hypothesis.template_index].steps;
  const Hypothesis before = hypothesis;
  for (; hypothesis.step < steps.size(); ++hypothesis.step, hypothesis.offset = 0) {
    const Step& step = steps[hypothesis.step];
    if (is_draw(step)) {
      const auto& options = grammar_->distributions_[grammar_->distribution_of(step, hypothesis.values.data())];
      const double weight = hypothesis.weight;
      ++hypothesis.step;
      for (std::size_t i = 0; i < options.values.size(); ++i) {
        hypothesis.values[step.variable] = options.values[i];
        hypothesis.weight = weight * options.probability(i);
        match(hypothesis, token);
      }
      break;
    }
    const auto said = grammar_->phrase(grammar_->phrase_of(step, hypothesis.values.data()));
    if (hypothesis.offset < said.size()) {
      if (said[hypothesis.offset].token == token) {
        next_.push_back(hypothesis);
        ++next_.back().offset;
      }
      break;
    }
  }
  hypothesis = before;
}

}  // namespace minimoe::grammar
