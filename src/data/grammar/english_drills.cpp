// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/drill_writer.hpp"
#include "data/grammar/drills.hpp"
#include "data/grammar/english_forms.hpp"
#include "data/grammar/english_nouns.hpp"

namespace minimoe::grammar {
namespace {

using enum TokenClass;
using Values = DrillWriter::Values;
using Weighted = DrillWriter::Weighted;
constexpr std::uint32_t kAbsent = DrillWriter::kAbsent;

constexpr const char* kTenseNames[kNumTenses] = {"present", "past", "", "future", "perfect"};
constexpr std::uint32_t kTenseWeights[kNumTenses] = {4, 4, 0, 2, 2};
constexpr std::uint32_t kPersonWeights[kNumPersons] = {3, 3, 5, 3, 0, 4};

// Pronouns; what one says of itself when asked: "do you ... ? yes , I do".
struct Pronoun {
  const char* word;
  Person person;
  const char* reply;
  Person reply_person;
};
constexpr Pronoun kPronouns[] = {
    {"I", Person::kFirst, "you", Person::kSecond},        {"you", Person::kSecond, "I", Person::kFirst},
    {"he", Person::kThird, "he", Person::kThird},         {"she", Person::kThird, "she", Person::kThird},
    {"we", Person::kFirstPlural, "you", Person::kSecond}, {"they", Person::kThirdPlural, "they", Person::kThirdPlural},
};

constexpr const char* kSingularSubjects = "the teacher;my sister;my brother;the girl;the boy;the old man";
constexpr const char* kPluralSubjects = "the children;my parents;the students;the girls;the boys;the young women";

// By [stative][tense].
constexpr const char* kTimes[2][kNumTenses] = {
    {"every day;every morning;on Sundays", "yesterday;last week;last night", "", "tomorrow;next week;soon", ""},
    {"now;these days", "last year;last week", "", "next year;soon", ""}};

class English {
 public:
  English(Grammar& grammar, Vocabulary& vocabulary, unsigned targets, std::size_t max_verbs)
      : write_(grammar, vocabulary, Language::kEnglish),
        targets_(targets),
        uses_(english_cell_uses(max_verbs)),
        verbs_(english_verbs(max_verbs)) {
    add_words();
    add_cells();
    add_subjects();
    add_objects_and_times();
    add_forms();
    add_other_cells();
    add_drills();
    if ((targets_ & kShown) != 0) {
      add_noun_drills();
      add_statements();
    }
  }

 private:
  bool has_use(const Cell& cell, unsigned mask) const { return (uses_[cell.index()] & mask) != 0; }
  const EnglishVerb& verb(const Cell& cell) const { return verbs_[cell.verb]; }
  // "they put": present or past? Drills without another sign of the tense leave such cells out.
  bool tells_tense(const Cell& cell) const {
    if (cell.tense == Tense::kFuture || cell.tense == Tense::kPerfect) return true;
    return english_form(verb(cell), Tense::kPresent, cell.person) !=
           english_form(verb(cell), Tense::kPast, cell.person);
  }

  std::uint32_t say(const Words& words) {
    std::vector<Piece> pieces;
    for (const auto& [word, token_class] : words) pieces.push_back(write_.piece(word, token_class));
    return write_.phrase(pieces);
  }
  // A value for every cell that some split may show.
  template <class Make>
  Values by_cell(Make&& make) {
    Values values(uses_.size(), kAbsent);
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (uses_[i] != kUnused) values[i] = make(Cell::at(i));
    }
    return values;
  }
  template <class Make>
  Values by_group(Make&& make) {
    Values values(write_.num_groups(), kAbsent);
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      const std::size_t group = write_.group_index(Cell::at(i));
      if (uses_[i] != kUnused && values[group] == kAbsent) values[group] = make(Cell::at(i));
    }
    return values;
  }
  std::uint32_t one_of(const std::vector<Words>& phrases) {
    Weighted options;
    for (const Words& words : phrases) options.emplace_back(say(words), 1);
    return write_.distribution(options);
  }

  void add_words();
  void add_cells();
  void add_subjects();
  void add_objects_and_times();
  void add_forms();
  void add_other_cells();
  void add_drills();
  void add_noun_drills();
  void add_statements();

  DrillWriter write_;
  unsigned targets_;
  std::vector<CellUse> uses_;
  std::span<const EnglishVerb> verbs_;
};

void English::add_words() {
  write_.tags(kDrillTag, "conjugate parts change negate affirm ask answer fill fix pick plural singular article");
  write_.tags(kTenseTag, "present past future perfect");
  write_.words(kDeterminer, "a an the my this that these those every last next two");
  write_.words(kPreposition, "at in on to from with near for over");
  write_.words(kAdverb, "yesterday tomorrow soon now yes no fast well");
  write_.words(kNegation, "not");
  write_.words(kQuestionWord, "why when");
  write_.words(
      kNounSingular,
      "home garden school friend river market park homework work bread soup sea bird ship cake coffee breakfast "
      "plan photo train party answer truth music ice cream present money museum story secret letter newspaper "
      "English Spanish water milk doctor phone history exam shop song lake film game radio class fish ball "
      "door window prize race bridge cup chair police picture bill table hat trip bag question help computer "
      "mountain tree day morning week night year sister brother bike");
  write_.words(kNounPlural, "mountains letters songs flowers friends windows birds parents days Sundays trees");
  for (const EnglishNoun& noun : english_nouns()) {
    write_.words(kNounSingular, noun.singular);
    write_.words(kNounPlural, noun.plural);
    write_.words(kAdjective, english_adjectives(noun.kind));
  }
}

void English::add_cells() {
  std::vector<std::uint32_t> weights(uses_.size());
  std::vector<bool> is_stative;
  std::vector<bool> is_target(uses_.size());
  for (const EnglishVerb& entry : verbs_) is_stative.push_back(entry.has('S'));
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    const Cell cell = Cell::at(i);
    weights[i] = verb_weight(cell.verb) * kTenseWeights[static_cast<std::size_t>(cell.tense)] *
                 kPersonWeights[static_cast<std::size_t>(cell.person)];
    is_target[i] = has_use(cell, targets_);
  }
  write_.set_cells(std::move(weights), std::move(is_stative), std::move(is_target));
}

void English::add_subjects() {
  Weighted pronouns[kNumPersons];
  Weighted subjects[kNumPersons];
  Values words, tags, replies;
  for (const Pronoun& pronoun : kPronouns) {
    const auto person = static_cast<std::size_t>(pronoun.person);
    pronouns[person].emplace_back(words.size(), 1);
    words.push_back(say({{pronoun.word, kSubjectPronoun}}));
    tags.push_back(say({{pronoun.word, kPersonTag}}));
    replies.push_back(say({{pronoun.reply, kSubjectPronoun}}));
    subjects[person].emplace_back(words.back(), 6);
  }
  for (const std::string& text : split_text(kSingularSubjects, ';')) subjects[2].emplace_back(write_.phrase(text), 1);
  for (const std::string& text : split_text(kPluralSubjects, ';')) subjects[5].emplace_back(write_.phrase(text), 1);
  std::uint32_t pronoun_of[kNumPersons];
  std::uint32_t subject_of[kNumPersons];
  for (std::size_t person = 0; person < kNumPersons; ++person) {
    pronoun_of[person] = write_.distribution(pronouns[person]);
    subject_of[person] = write_.distribution(subjects[person]);
  }
  const auto person_of = [](const Cell& cell) { return static_cast<std::size_t>(cell.person); };
  write_.variable("speaker", "group", by_group([&](const Cell& cell) { return pronoun_of[person_of(cell)]; }));
  write_.variable("subject", "group", by_group([&](const Cell& cell) { return subject_of[person_of(cell)]; }));
  write_.variable("other", "cell", by_cell([&](const Cell& cell) {
                    // Cells of another person that a training sentence may show beside this one.
                    Weighted others;
                    for (std::size_t p = 0; p < kNumPersons; ++p) {
                      const Cell other = cell.with(static_cast<Person>(p));
                      if (p != person_of(cell) && has_use(other, kShown) && tells_tense(other))
                        others.emplace_back(other.index(), 1);
                    }
                    return write_.distribution(others);
                  }));
  write_.variable("other_speaker", "other", by_cell([&](const Cell& cell) { return pronoun_of[person_of(cell)]; }));
  write_.field("speaker", "speaker", words);
  write_.field("person", "speaker", tags);
  write_.field("reply", "speaker", replies);
  write_.field("other_speaker", "other_speaker", words);
  write_.field("subject", "subject");
}

void English::add_objects_and_times() {
  Values objects;
  for (const EnglishVerb& entry : verbs_) objects.push_back(write_.choice(entry.complements));
  write_.variable("object", "cell", by_cell([&](const Cell& cell) { return objects[cell.verb]; }));
  write_.field("object", "object");
  write_.variable("time", "group", by_group([&](const Cell& cell) {
                    return write_.choice(kTimes[verb(cell).has('S') ? 1 : 0][static_cast<std::size_t>(cell.tense)]);
                  }));
  write_.field("time", "time");
  write_.field("tense", "group", by_group([&](const Cell& cell) {
                 return say({{kTenseNames[static_cast<std::size_t>(cell.tense)], kTenseTag}});
               }));
}

void English::add_forms() {
  const auto form = [&](const std::string& name, Words (*make)(const EnglishVerb&, Tense, Person)) {
    write_.field(name, "cell", by_cell([&](const Cell& c) { return say(make(verb(c), c.tense, c.person)); }));
  };
  form("verb", english_plain);
  form("negative", english_negative);
  form("aux", english_question_auxiliary);
  form("rest", english_question_rest);
  write_.field("inf", "cell", by_cell([&](const Cell& c) { return say({{verb(c).base, kVerbInfinitive}}); }));

  const auto wrong = [&](const std::string& name, std::vector<Words> (*make)(const EnglishVerb&, Tense, Person)) {
    write_.variable(name, "cell", by_cell([&](const Cell& c) { return one_of(make(verb(c), c.tense, c.person)); }));
    write_.field(name, name);
  };
  wrong("disagreeing", english_disagreements);
  wrong("wrong_negative", english_wrong_negatives);
  wrong("wrong_rest", english_wrong_rests);

  // "yes , she does": the auxiliary of the one who answers.
  write_.field("reply_aux", "cell", by_cell([&](const Cell& c) {
                 for (const Pronoun& pronoun : kPronouns) {
                   if (pronoun.person != c.person) continue;
                   return say(english_question_auxiliary(verb(c), c.tense, pronoun.reply_person));
                 }
                 return kAbsent;
               }));
  write_.field("have", "cell", by_cell([&](const Cell& c) {
                 if (c.tense != Tense::kPerfect) return kAbsent;
                 return say(english_question_auxiliary(verb(c), c.tense, c.person));
               }));
}

void English::add_other_cells() {
  // Another tense of the same verb and person, as the sentence to change from or as a mistake beside a word of time.
  write_.variable("source", "cell", by_cell([&](const Cell& cell) {
                    Weighted sources;
                    for (std::size_t t = 0; t < kNumTenses; ++t) {
                      const Cell source = cell.with(static_cast<Tense>(t));
                      const bool differs = english_plain(verb(cell), source.tense, cell.person)[0].first !=
                                           english_plain(verb(cell), cell.tense, cell.person)[0].first;
                      if (has_use(source, kShown) && differs) sources.emplace_back(source.index(), kTenseWeights[t]);
                    }
                    return write_.distribution(sources);
                  }));
  write_.variable("mistimed", "cell", by_cell([&](const Cell& cell) {
                    // Not the present for the future: "tomorrow she leaves" is English.
                    if (cell.tense != Tense::kPast && cell.tense != Tense::kFuture) return kAbsent;
                    const Tense wrong = cell.tense == Tense::kPast ? Tense::kPresent : Tense::kPast;
                    if (!has_use(cell.with(wrong), kShown) || !tells_tense(cell.with(wrong))) return kAbsent;
                    return one_of({{{english_form(verb(cell), wrong, cell.person), kWrongForm}}});
                  }));
  write_.field("mistimed", "mistimed");
  const Values plain =
      by_cell([&](const Cell& cell) { return say(english_plain(verb(cell), cell.tense, cell.person)); });
  write_.field("source_verb", "source", plain);
  write_.field("other_verb", "other", plain);
}

void English::add_drills() {
  const auto tells = [this](const Cell& cell) { return tells_tense(cell); };
  const auto asks_tense = [](const Cell& cell) { return cell.tense != Tense::kPerfect; };
  write_.add("conjugation", 20, "conjugate : to {inf} , {tense} , {person} -> {speaker} {verb} .");
  write_.add("transformation", 16, "{tense} : {subject} {source_verb} {object} . -> {subject} {verb} {object} .");
  write_.add("transformation", 10,
             "change : {other_speaker} {other_verb} {object} , {person} -> {speaker} {verb} {object} .");
  write_.add("negation", 14, "negate : {subject} {verb} {object} . -> {subject} {negative} {object} .", tells);
  write_.add("negation", 7, "affirm : {subject} {negative} {object} . -> {subject} {verb} {object} .");
  write_.add("question", 14, "ask : {subject} {verb} {object} . -> {aux} {subject} {rest} {object} ?", tells);
  write_.add("cloze", 16, "fill : {time} {subject} ___ ( {inf} ) {object} . -> {verb}", asks_tense);
  write_.add("cloze", 5, "fill : {subject} {have} ___ ( {inf} ) {object} . -> {rest}");
  write_.add("correction", 10, "fix : {subject} {disagreeing} {object} . -> {subject} {verb} {object} .");
  write_.add("correction", 8, "fix : {time} {subject} {mistimed} {object} . -> {time} {subject} {verb} {object} .");
  write_.add("correction", 5, "fix : {subject} {wrong_negative} {object} . -> {subject} {negative} {object} .");
  write_.add("correction", 4, "fix : {aux} {subject} {wrong_rest} {object} ? -> {aux} {subject} {rest} {object} ?");
  write_.add("agreement", 5, "pick : {subject} ( {verb} / {disagreeing} ) {object} . -> {verb}", asks_tense);
  write_.add("agreement", 5, "pick : {subject} ( {disagreeing} / {verb} ) {object} . -> {verb}", asks_tense);

  // Principal parts show the past of a verb for every person at once.
  Weighted lemmas;
  Values infinitives, bases, pasts, participles;
  const bool wants_shown = (targets_ & kShown) != 0;
  const bool wants_held_out = (targets_ & kHeldOutVerb) != 0;
  for (std::size_t v = 0; v < verbs_.size(); ++v) {
    const EnglishVerb& entry = verbs_[v];
    const bool wanted = entry.has('H') ? wants_held_out : wants_shown;
    if (std::string_view(entry.base) != "be") lemmas.emplace_back(v, wanted ? verb_weight(v) : 0);
    infinitives.push_back(say({{entry.base, kVerbInfinitive}}));
    bases.push_back(say({{entry.base, kVerbPresent}}));
    pasts.push_back(say({{english_past(entry), kVerbPast}}));
    participles.push_back(say({{english_participle(entry), kVerbParticiple}}));
  }
  write_.variable("lemma", lemmas);
  write_.field("lemma_inf", "lemma", infinitives);
  write_.field("lemma_base", "lemma", bases);
  write_.field("lemma_past", "lemma", pasts);
  write_.field("lemma_participle", "lemma", participles);
  write_.add("conjugation", 5, "parts : to {lemma_inf} -> {lemma_base} , {lemma_past} , {lemma_participle} .");
}

void English::add_noun_drills() {
  const auto nouns = english_nouns();
  Weighted living, things, all;
  Values singulars, plurals, singular_adjectives, all_adjectives, articles_of_noun, adjective_words, articles;
  for (std::size_t n = 0; n < nouns.size(); ++n) {
    (nouns[n].kind == 'T' ? things : living).emplace_back(n, 1);
    all.emplace_back(n, 1);
    singulars.push_back(write_.phrase(nouns[n].singular));
    plurals.push_back(write_.phrase(nouns[n].plural));
    Weighted adjectives;
    for (const std::string& word : split_text(english_adjectives(nouns[n].kind), ' ')) {
      adjectives.emplace_back(write_.phrase(word), 1);
    }
    all_adjectives.push_back(write_.distribution(adjectives));
  }
  write_.variable("living", living);
  write_.field("living_sg", "living", singulars);
  write_.field("living_pl", "living", plurals);
  write_.variable("noun", all);
  write_.field("noun_sg", "noun", singulars);
  write_.field("noun_pl", "noun", plurals);
  write_.variable("adjective", "noun", all_adjectives);
  write_.field("adjective", "adjective");
  write_.variable("copula", {{0, 3}, {1, 2}});
  write_.field("is", "copula", {say({{"is", kVerbPresent}}), say({{"was", kVerbPast}})});
  write_.field("are", "copula", {say({{"are", kVerbPresent}}), say({{"were", kVerbPast}})});
  write_.variable("near", {{0, 1}, {1, 1}});
  write_.field("this", "near", {write_.phrase("this"), write_.phrase("that")});
  write_.field("these", "near", {write_.phrase("these"), write_.phrase("those")});

  // Adjectives again, with the article that they take.
  const std::string vowels = "aeiou";
  Weighted described;
  Values described_words, described_articles, things_of_adjective;
  for (const std::string& word : split_text(english_adjectives('T'), ' ')) {
    described.emplace_back(described_words.size(), 1);
    described_words.push_back(write_.phrase(word));
    described_articles.push_back(write_.phrase(vowels.find(word[0]) == std::string::npos ? "a" : "an"));
    things_of_adjective.push_back(write_.distribution(things));
  }
  Values noun_articles;
  for (const EnglishNoun& noun : nouns) {
    noun_articles.push_back(write_.phrase(vowels.find(noun.singular[0]) == std::string::npos ? "a" : "an"));
  }
  write_.variable("described", described);
  write_.field("described", "described", described_words);
  write_.field("described_a", "described", described_articles);
  write_.variable("thing", "described", things_of_adjective);
  write_.field("thing_sg", "thing", singulars);
  write_.field("thing_pl", "thing", plurals);
  write_.field("noun_a", "noun", noun_articles);

  const Values singular_verbs = by_cell([&](const Cell& cell) {
    const Cell singular = cell.with(Person::kThird);
    const bool fits = cell.person == Person::kThirdPlural && has_use(singular, kShown) && verb(cell).has('A') &&
                      cell.tense != Tense::kPerfect && tells_tense(cell);
    return fits ? say(english_plain(verb(cell), cell.tense, Person::kThird)) : kAbsent;
  });
  write_.field("verb_sg", "cell", singular_verbs);

  write_.add("agreement", 7, "plural : the {living_sg} {verb_sg} {object} . -> the {living_pl} {verb} {object} .");
  write_.add("agreement", 5, "singular : the {living_pl} {verb} {object} . -> the {living_sg} {verb_sg} {object} .");
  write_.add("agreement", 5, "plural : {this} {noun_sg} {is} {adjective} . -> {these} {noun_pl} {are} {adjective} .");
  write_.add("agreement", 4, "singular : {these} {noun_pl} {are} {adjective} . -> {this} {noun_sg} {is} {adjective} .");
  write_.add("agreement", 4, "article : ___ {described} {thing_sg} -> {described_a} {described} {thing_sg}");
  write_.add("agreement", 3, "article : ___ {noun_sg} -> {noun_a} {noun_sg}");
  write_.add("statement", 5, "the {noun_sg} {is} {adjective} .");
  write_.add("statement", 5, "the {noun_pl} {are} {adjective} .");
  write_.add("statement", 3, "{this} {is} {described_a} {described} {thing_sg} .");
  write_.add("statement", 3, "{these} {are} {described} {thing_pl} .");
}

void English::add_statements() {
  const auto fits_when = [this](const Cell& cell) {
    return (cell.tense == Tense::kPast || cell.tense == Tense::kFuture) && !verb(cell).has('S');
  };
  write_.add("statement", 12, "{subject} {verb} {object} .");
  write_.add("statement", 12, "{time} {subject} {verb} {object} .");
  write_.add("statement", 12, "{subject} {verb} {object} {time} .");
  write_.add("statement", 6, "{subject} {negative} {object} .");
  write_.add("statement", 4, "{aux} {subject} {rest} {object} ?");
  write_.add("statement", 3, "why {aux} {subject} {rest} {object} ?");
  write_.add("statement", 3, "when {aux} {subject} {rest} {object} ?", fits_when);
  write_.add("question", 5, "answer : {aux} {speaker} {rest} {object} ? yes -> yes , {reply} {reply_aux} .");
  write_.add("question", 5, "answer : {aux} {speaker} {rest} {object} ? no -> no , {reply} {reply_aux} not .");
}

}  // namespace

void add_english(Grammar& grammar, Vocabulary& vocabulary, unsigned targets, std::size_t max_verbs) {
  English(grammar, vocabulary, targets, max_verbs);
}

}  // namespace minimoe::grammar
