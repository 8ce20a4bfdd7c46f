// SPDX-License-Identifier: Apache-2.0
#include "analysis/specialisation_verdict.hpp"

#include "analysis/number_text.hpp"

namespace minimoe {
namespace {

constexpr double kLeastNmi = 0.01;        // many tokens make a harmless association significant
constexpr double kLittleExplained = 0.1;  // of the choice
constexpr double kMuchExplained = 0.5;
constexpr double kLeastBeyondWord = 0.05;
constexpr double kLeastLost = 0.2;         // of the NMI, when experts are shuffled within words
constexpr double kClassToldByWord = 0.02;  // of the class's entropy

double upper(const ControlValues& control) { return control.mean + 2 * control.std; }

// What beside the p-value makes an association.
bool stands_out(const LayerSpecialisation& layer) {
  return layer.nmi_low > layer.shuffled_labels.max && layer.nmi >= kLeastNmi;
}

bool above_routers(const LayerSpecialisation& layer) {
  return layer.random_router.num_draws == 0 || layer.nmi_low > upper(layer.random_router);
}

bool beyond_word(const LayerSpecialisation& layer) {
  return layer.nmi_low > upper(layer.within_word_shuffle) &&
         (layer.within_word_shuffle.mean < (1 - kLeastLost) * layer.nmi || layer.class_beyond_word >= kLeastBeyondWord);
}

bool sorted_words(const LayerSpecialisation& layer) {
  return layer.class_given_word < kClassToldByWord && layer.nmi_low > upper(layer.random_table);
}

Conclusion conclude(const LayerSpecialisation& layer, bool associated) {
  if (!associated && layer.word_explains < kLittleExplained) return Conclusion::kNone;
  if (associated && above_routers(layer) && (beyond_word(layer) || sorted_words(layer))) return Conclusion::kClass;
  if (layer.word_explains >= kMuchExplained) return Conclusion::kWordForm;
  return above_routers(layer) ? Conclusion::kWordForm : Conclusion::kRandomLike;
}

// Too few permutations leave open what hangs on their p-value, and only that.
Conclusion conclude(const LayerSpecialisation& layer) {
  const Conclusion found = conclude(layer, stands_out(layer) && layer.p_value <= kSignificance);
  if (layer.is_decidable() || conclude(layer, stands_out(layer)) == found) return found;
  return Conclusion::kUndecided;
}

std::string routers_text(const LayerSpecialisation& layer) {
  if (layer.random_router.num_draws == 0) return "no random router was tried";
  return concat("random routers on the same body give ", fixed_text(layer.random_router.mean, 3), " +- ",
                fixed_text(layer.random_router.std, 3));
}

std::string sentence(const LayerSpecialisation& layer, const std::string& group) {
  const std::string nmi = concat("NMI(expert, ", group, ") ", fixed_text(layer.nmi, 3), " [",
                                 fixed_text(layer.nmi_low, 3), ", ", fixed_text(layer.nmi_high, 3), "]");
  const std::string shuffled = concat("shuffled labels give ", fixed_text(layer.shuffled_labels.mean, 3), " (p ",
                                      fixed_text(layer.p_value, 3), ")");
  const std::string word = concat("word form explains ", percent_text(layer.word_explains), " of the choice and ",
                                  group, " adds ", percent_text(layer.class_beyond_word));
  const std::string within = concat(fixed_text(layer.within_word_shuffle.mean, 3),
                                    " is left when experts are shuffled among the occurrences of a word");
  switch (layer.conclusion) {
    case Conclusion::kClass:
      return beyond_word(layer)
                 ? concat("experts divide by ", group, " beyond the word form: ", nmi, ", of which ", within, "; ",
                          routers_text(layer), "; ", word, ".")
                 : concat("experts divide by ", group, ": ", nmi, "; random word tables give ",
                          fixed_text(layer.random_table.mean, 3), " +- ", fixed_text(layer.random_table.std, 3), ", ",
                          routers_text(layer), ". The word form tells the ", group,
                          " here, so the experts sort word forms by ", group, ".");
    case Conclusion::kWordForm:
      return concat("experts divide by word form: ", word, " beyond it; ", nmi, ", but ", within, ", and ",
                    routers_text(layer), ".");
    case Conclusion::kRandomLike:
      return concat("experts relate to ", group, " no more than a router that knows nothing: ", nmi, ", and ",
                    routers_text(layer), "; ", word, " beyond it.");
    case Conclusion::kNone:
      if (layer.top_k == layer.num_experts) return "every token uses every expert, so there is nothing to divide.";
      return concat("no division by ", group, " or word form shows: ", nmi, ", ", shuffled, "; word form explains ",
                    percent_text(layer.word_explains), " of the choice.");
    case Conclusion::kUndecided:
      return concat("whether experts divide by ", group, " is left open: ", layer.shuffled_labels.num_draws,
                    " permutations cannot give a p below ", fixed_text(layer.least_p_value(), 4), ", and ",
                    kSignificance, " is asked for (num_permutations 99 or more); ", nmi, ", ", shuffled, "; ", word,
                    " beyond it.");
  }
  return "";
}

}  // namespace

const char* conclusion_name(Conclusion conclusion) {
  switch (conclusion) {
    case Conclusion::kClass:
      return "class";
    case Conclusion::kWordForm:
      return "word-form";
    case Conclusion::kRandomLike:
      return "random-like";
    case Conclusion::kUndecided:
      return "undecided";
    case Conclusion::kNone:
      break;
  }
  return "none";
}

void judge_specialisation(LayerSpecialisation& layer, bool frequencies) {
  layer.conclusion = conclude(layer);
  layer.text = sentence(layer, frequencies ? "frequency" : "class");
}

}  // namespace minimoe
