// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/drill_writer.hpp"
#include "data/grammar/drills.hpp"
#include "data/grammar/spanish_nouns.hpp"
#include "data/grammar/spanish_verbs.hpp"

namespace minimoe::grammar {
namespace {

using enum TokenClass;
using Values = DrillWriter::Values;
using Weighted = DrillWriter::Weighted;
constexpr std::uint32_t kAbsent = DrillWriter::kAbsent;

constexpr const char* kTenseNames[kNumTenses] = {"presente", "pretérito", "imperfecto", "futuro", ""};
constexpr std::uint32_t kTenseWeights[kNumTenses] = {4, 4, 2, 2, 0};
constexpr TokenClass kTenseClasses[kNumTenses] = {kVerbPresent, kVerbPast, kVerbImperfect, kVerbFuture, kVerbPast};
constexpr std::uint32_t kPersonWeights[kNumPersons] = {4, 3, 5, 3, 2, 4};

struct Pronoun {
  const char* word;
  Person person;
};
constexpr Pronoun kPronouns[] = {
    {"yo", Person::kFirst},
    {"tú", Person::kSecond},
    {"él", Person::kThird},
    {"ella", Person::kThird},
    {"nosotros", Person::kFirstPlural},
    {"vosotros", Person::kSecondPlural},
    {"ellos", Person::kThirdPlural},
    {"ellas", Person::kThirdPlural},
};
// Who is asked, by who answers: "¿ comes tú ... ? sí , como ...".
constexpr Person kAsked[kNumPersons] = {Person::kSecond,       Person::kFirst,       Person::kThird,
                                        Person::kSecondPlural, Person::kFirstPlural, Person::kThirdPlural};

constexpr const char* kSingularSubjects = "el profesor;mi hermana;mi hermano;la niña;el niño;la mujer joven";
constexpr const char* kPluralSubjects = "los niños;mis padres;las profesoras;las niñas;mis amigas;los estudiantes";

// By [stative][tense].
constexpr const char* kTimes[2][kNumTenses] = {
    {"cada día;todos los días;hoy", "ayer;anoche;la semana pasada", "antes;en aquella época",
     "mañana;la próxima semana;pronto", ""},
    {"ahora;estos días", "el año pasado;la semana pasada", "antes;en aquella época", "pronto;el próximo año", ""}};

class Spanish {
 public:
  Spanish(Grammar& grammar, Vocabulary& vocabulary, unsigned targets, std::size_t max_verbs)
      : write_(grammar, vocabulary, Language::kSpanish),
        targets_(targets),
        uses_(spanish_cell_uses(max_verbs)),
        verbs_(spanish_verbs(max_verbs)) {
    add_words();
    add_cells();
    add_subjects();
    add_objects_and_times();
    add_forms();
    add_drills();
    if ((targets_ & kShown) != 0) {
      add_noun_drills();
      add_statements();
    }
  }

 private:
  bool has_use(const Cell& cell, unsigned mask) const { return (uses_[cell.index()] & mask) != 0; }
  const SpanishVerb& verb(const Cell& cell) const { return verbs_[cell.verb]; }
  std::string form(const Cell& cell) const { return spanish_form(verb(cell), cell.tense, cell.person); }
  // "hablamos": present or past? Drills without another sign of the tense leave such cells out.
  bool tells_tense(const Cell& cell) const {
    for (std::size_t t = 0; t < kNumTenses; ++t) {
      const Cell other = cell.with(static_cast<Tense>(t));
      if (other.tense != cell.tense && other.tense != Tense::kPerfect && form(other) == form(cell)) return false;
    }
    return true;
  }

  std::uint32_t say(const std::string& word, TokenClass token_class) {
    return write_.phrase({write_.piece(word, token_class)});
  }
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

  void add_words();
  void add_cells();
  void add_subjects();
  void add_objects_and_times();
  void add_forms();
  void add_drills();
  void add_noun_drills();
  void add_statements();

  DrillWriter write_;
  unsigned targets_;
  std::vector<CellUse> uses_;
  std::span<const SpanishVerb> verbs_;
  Values pronoun_of_;  ///< distribution of pronouns by person
};

void Spanish::add_words() {
  write_.tags(kDrillTag,
              "conjuga cambia niega afirma pregunta responde completa corrige elige plural singular artículo "
              "concuerda");
  write_.tags(kAdverb, "sí");
  write_.tags(kNegation, "no");
  write_.words(kDeterminer, "el la los las un una unos unas mi mis cada todos estos aquella dos este esta estas");
  write_.words(kPreposition, "en a al de del con para");
  write_.words(kAdverb, "ayer anoche hoy mañana pronto ahora antes");
  write_.words(kQuestionWord, "cuándo por qué");
  write_.words(kAdjective, "pasada pasado próxima próximo");
  write_.words(
      kNounSingular,
      "parte equipo grupo clase escuela jardín río bicicleta mercado parque trabajo tarta comida verdad secreto "
      "español inglés amigo manzana pan sopa naranja café agua mar pájaro película regalo respuesta fiesta "
      "tienda carta periódico taza caja pelota leche paraguas historia examen viaje camino cuenta museo "
      "pregunta problema puerta ventana música pescado radio autobús dinero cuento guitarra piano foto banco "
      "cuadro hermano hermana día semana año época");
  write_.words(kNounPlural,
               "mentiras manzanas montañas cartas pájaros ventanas fotos cuentos padres amigas estudiantes días");
  for (const SpanishNoun& noun : spanish_nouns()) {
    write_.words(kNounSingular, noun.singular);
    write_.words(kNounPlural, noun.plural);
  }
  for (const SpanishAdjective& adjective : spanish_adjectives()) {
    for (const std::string singular : {adjective.masculine, adjective.feminine}) {
      write_.words(kAdjective, singular);
      write_.words(kAdjective, spanish_adjective_plural(singular));
    }
  }
}

void Spanish::add_cells() {
  std::vector<std::uint32_t> weights(uses_.size());
  std::vector<bool> is_stative;
  std::vector<bool> is_target(uses_.size());
  for (const SpanishVerb& entry : verbs_) is_stative.push_back(entry.has('S'));
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    const Cell cell = Cell::at(i);
    weights[i] = verb_weight(cell.verb) * kTenseWeights[static_cast<std::size_t>(cell.tense)] *
                 kPersonWeights[static_cast<std::size_t>(cell.person)];
    is_target[i] = has_use(cell, targets_);
  }
  write_.set_cells(std::move(weights), std::move(is_stative), std::move(is_target));
}

void Spanish::add_subjects() {
  Weighted pronouns[kNumPersons];
  Weighted subjects[kNumPersons];
  Weighted topics[kNumPersons];
  Values words, tags;
  for (const Pronoun& pronoun : kPronouns) {
    const auto person = static_cast<std::size_t>(pronoun.person);
    pronouns[person].emplace_back(words.size(), 1);
    words.push_back(say(pronoun.word, kSubjectPronoun));
    tags.push_back(say(pronoun.word, kPersonTag));
    subjects[person].emplace_back(words.back(), 6);
    topics[person].emplace_back(words.back(), 6);
  }
  const auto add_nouns = [&](std::size_t person, const char* phrases) {
    for (const std::string& text : split_text(phrases, ';')) {
      subjects[person].emplace_back(write_.phrase(text), 1);
      topics[person].emplace_back(write_.phrase(text), 1);
    }
  };
  add_nouns(2, kSingularSubjects);
  add_nouns(5, kPluralSubjects);
  // The pronoun may be dropped where the ending tells the person.
  for (const std::size_t person : {1, 3, 4}) topics[person].emplace_back(Grammar::kNothing, 4);
  Values subject_of, topic_of;
  for (std::size_t person = 0; person < kNumPersons; ++person) {
    pronoun_of_.push_back(write_.distribution(pronouns[person]));
    subject_of.push_back(write_.distribution(subjects[person]));
    topic_of.push_back(write_.distribution(topics[person]));
  }
  const auto by_person = [&](const Values& values) {
    return by_group([&](const Cell& cell) { return values[static_cast<std::size_t>(cell.person)]; });
  };
  write_.variable("speaker", "group", by_person(pronoun_of_));
  write_.variable("subject", "group", by_person(subject_of));
  write_.variable("topic", "group", by_person(topic_of));
  write_.field("speaker", "speaker", words);
  write_.field("person", "speaker", tags);
  write_.field("subject", "subject");
  write_.field("topic", "topic");

  const auto pronoun_by_cell =
      by_cell([&](const Cell& cell) { return pronoun_of_[static_cast<std::size_t>(cell.person)]; });
  const Values plain =
      by_cell([&](const Cell& cell) { return say(form(cell), kTenseClasses[static_cast<std::size_t>(cell.tense)]); });
  // Another person of the same verb and tense that a training sentence may show and that tells the tense.
  write_.variable("other", "cell", by_cell([&](const Cell& cell) {
                    Weighted others;
                    for (std::size_t p = 0; p < kNumPersons; ++p) {
                      const Cell other = cell.with(static_cast<Person>(p));
                      if (other.person != cell.person && has_use(other, kShown) && tells_tense(other)) {
                        others.emplace_back(other.index(), 1);
                      }
                    }
                    return write_.distribution(others);
                  }));
  write_.variable("asked", "cell", by_cell([&](const Cell& cell) {
                    const Cell asked = cell.with(kAsked[static_cast<std::size_t>(cell.person)]);
                    if (!has_use(asked, kShown) || !tells_tense(asked)) return kAbsent;
                    return write_.distribution({{static_cast<std::uint32_t>(asked.index()), 1}});
                  }));
  for (const std::string name : {"other", "asked"}) {
    write_.variable(name + "_speaker", name, pronoun_by_cell);
    write_.field(name + "_speaker", name + "_speaker", words);
    write_.field(name + "_verb", name, plain);
  }
  write_.field("verb", "cell", plain);
  // Another tense of the same verb and person, as the sentence to change from.
  write_.variable("source", "cell", by_cell([&](const Cell& cell) {
                    Weighted sources;
                    for (std::size_t t = 0; t < kNumTenses; ++t) {
                      const Cell source = cell.with(static_cast<Tense>(t));
                      if (has_use(source, kShown) && form(source) != form(cell)) {
                        sources.emplace_back(source.index(), kTenseWeights[t]);
                      }
                    }
                    return write_.distribution(sources);
                  }));
  write_.field("source_verb", "source", plain);
}

void Spanish::add_objects_and_times() {
  Values objects;
  for (const SpanishVerb& entry : verbs_) objects.push_back(write_.choice(entry.complements));
  write_.variable("object", "cell", by_cell([&](const Cell& cell) { return objects[cell.verb]; }));
  write_.field("object", "object");
  write_.variable("time", "group", by_group([&](const Cell& cell) {
                    return write_.choice(kTimes[verb(cell).has('S') ? 1 : 0][static_cast<std::size_t>(cell.tense)]);
                  }));
  write_.field("time", "time");
  write_.field("tense", "group", by_group([&](const Cell& cell) {
                 return say(kTenseNames[static_cast<std::size_t>(cell.tense)], kTenseTag);
               }));
}

void Spanish::add_forms() {
  write_.field("inf", "cell", by_cell([&](const Cell& cell) { return say(verb(cell).infinitive, kVerbInfinitive); }));
  write_.variable("disagreeing", "cell", by_cell([&](const Cell& cell) {
                    Weighted wrong;
                    for (std::size_t p = 0; p < kNumPersons; ++p) {
                      const Cell other = cell.with(static_cast<Person>(p));
                      if (!has_use(other, kShown) || form(other) == form(cell)) continue;
                      wrong.emplace_back(say(form(other), kWrongForm), kPersonWeights[p]);
                    }
                    return write_.distribution(wrong);
                  }));
  write_.field("disagreeing", "disagreeing");
  // Not between the two pasts, and not the present for the future: time alone does not forbid these.
  write_.variable("mistimed", "cell", by_cell([&](const Cell& cell) {
                    if (cell.tense != Tense::kPast && cell.tense != Tense::kFuture) return kAbsent;
                    const Cell wrong = cell.with(cell.tense == Tense::kPast ? Tense::kFuture : Tense::kPast);
                    if (!has_use(wrong, kShown)) return kAbsent;
                    return write_.distribution({{say(form(wrong), kWrongForm), 1}});
                  }));
  write_.field("mistimed", "mistimed");
}

void Spanish::add_drills() {
  // "niega : nosotros limpiamos" would be a sentence of train, in the present, whatever tense was meant.
  const auto tells = [this](const Cell& cell) { return (targets_ & kShown) != 0 || tells_tense(cell); };
  write_.add("conjugation", 26, "conjuga : {inf} , {tense} , {person} -> {verb} .");
  write_.add("transformation", 16, "{tense} : {subject} {source_verb} {object} . -> {subject} {verb} {object} .");
  write_.add("transformation", 10,
             "cambia : {other_speaker} {other_verb} {object} , {person} -> {speaker} {verb} {object} .");
  write_.add("negation", 12, "niega : {subject} {verb} {object} . -> {subject} no {verb} {object} .", tells);
  write_.add("negation", 5, "afirma : {subject} no {verb} {object} . -> {subject} {verb} {object} .", tells);
  write_.add("question", 12, "pregunta : {subject} {verb} {object} . -> ¿ {verb} {subject} {object} ?", tells);
  write_.add("question", 5, "responde : ¿ {asked_verb} {asked_speaker} {object} ? sí -> sí , {verb} {object} .");
  write_.add("question", 5, "responde : ¿ {asked_verb} {asked_speaker} {object} ? no -> no , no {verb} {object} .");
  write_.add("cloze", 22, "completa : {time} {subject} ___ ( {inf} ) {object} . -> {verb}");
  write_.add("correction", 14,
             "corrige : {time} {subject} {disagreeing} {object} . -> {time} {subject} {verb} {object} .");
  write_.add("correction", 8, "corrige : {time} {subject} {mistimed} {object} . -> {time} {subject} {verb} {object} .");
  write_.add("agreement", 5, "elige : {subject} ( {verb} / {disagreeing} ) {object} . -> {verb}");
  write_.add("agreement", 5, "elige : {subject} ( {disagreeing} / {verb} ) {object} . -> {verb}");
}

void Spanish::add_noun_drills() {
  const auto nouns = spanish_nouns();
  const auto adjectives = spanish_adjectives();
  Weighted all, living;
  Values singulars, plurals, the_singular, the_plural, a_singular, some_plural, this_singular, these_plural;
  Values fitting;
  for (std::size_t n = 0; n < nouns.size(); ++n) {
    const SpanishNoun& noun = nouns[n];
    const auto by_gender = [&](const char* masculine, const char* feminine) {
      return write_.phrase(noun.is_feminine ? feminine : masculine);
    };
    all.emplace_back(n, 1);
    if (noun.kind == 'P' || noun.kind == 'A') living.emplace_back(n, 1);
    singulars.push_back(write_.phrase(noun.singular));
    plurals.push_back(write_.phrase(noun.plural));
    the_singular.push_back(by_gender("el", "la"));
    the_plural.push_back(by_gender("los", "las"));
    a_singular.push_back(by_gender("un", "una"));
    some_plural.push_back(by_gender("unos", "unas"));
    this_singular.push_back(by_gender("este", "esta"));
    these_plural.push_back(by_gender("estos", "estas"));
    Weighted options;
    for (std::size_t a = 0; a < adjectives.size(); ++a) {
      const bool fits = std::string_view(adjectives[a].kinds).find(noun.kind) != std::string_view::npos;
      options.emplace_back(2 * a + (noun.is_feminine ? 1 : 0), fits ? 1 : 0);
    }
    fitting.push_back(write_.distribution(options));
  }
  // An adjective's value is twice its number, plus one for the feminine.
  Values adjective_base, adjective_singular, adjective_plural, copulas;
  Values is_words, are_words;
  for (const SpanishAdjective& adjective : adjectives) {
    for (const std::string word : {adjective.masculine, adjective.feminine}) {
      adjective_base.push_back(write_.phrase(adjective.masculine));
      adjective_singular.push_back(write_.phrase(word));
      adjective_plural.push_back(write_.phrase(spanish_adjective_plural(word)));
      copulas.push_back(adjective.is_state ? write_.distribution({{2, 3}, {3, 2}})
                                           : write_.distribution({{0, 3}, {1, 2}}));
    }
  }
  write_.variable("noun", all);
  write_.variable("living", living);
  for (const auto& [name, values] : {std::pair<std::string, Values&>{"noun_sg", singulars},
                                     {"noun_pl", plurals},
                                     {"the_sg", the_singular},
                                     {"the_pl", the_plural},
                                     {"a_sg", a_singular},
                                     {"some_pl", some_plural},
                                     {"this_sg", this_singular},
                                     {"these_pl", these_plural}}) {
    write_.field(name, "noun", values);
    write_.field("living_" + name, "living", values);
  }
  write_.variable("adjective", "noun", fitting);
  write_.field("adj_base", "adjective", adjective_base);
  write_.field("adj_sg", "adjective", adjective_singular);
  write_.field("adj_pl", "adjective", adjective_plural);
  write_.variable("copula", "adjective", copulas);
  write_.field(
      "is", "copula",
      {say("es", kVerbPresent), say("era", kVerbImperfect), say("está", kVerbPresent), say("estaba", kVerbImperfect)});
  write_.field("are", "copula",
               {say("son", kVerbPresent), say("eran", kVerbImperfect), say("están", kVerbPresent),
                say("estaban", kVerbImperfect)});
  write_.field("verb_sg", "cell", by_cell([&](const Cell& cell) {
                 const Cell singular = cell.with(Person::kThird);
                 const bool fits =
                     cell.person == Person::kThirdPlural && has_use(singular, kShown) && verb(cell).has('A');
                 return fits ? say(form(singular), kTenseClasses[static_cast<std::size_t>(cell.tense)]) : kAbsent;
               }));

  write_.add("agreement", 7,
             "plural : {living_the_sg} {living_noun_sg} {verb_sg} {object} . -> {living_the_pl} {living_noun_pl} "
             "{verb} {object} .");
  write_.add("agreement", 5,
             "singular : {living_the_pl} {living_noun_pl} {verb} {object} . -> {living_the_sg} {living_noun_sg} "
             "{verb_sg} {object} .");
  write_.add("agreement", 4, "plural : {this_sg} {noun_sg} {is} {adj_sg} . -> {these_pl} {noun_pl} {are} {adj_pl} .");
  write_.add("agreement", 3, "singular : {these_pl} {noun_pl} {are} {adj_pl} . -> {this_sg} {noun_sg} {is} {adj_sg} .");
  write_.add("agreement", 3, "concuerda : {the_sg} {noun_sg} ( {adj_base} ) -> {the_sg} {noun_sg} {adj_sg} .");
  write_.add("agreement", 3, "concuerda : {the_pl} {noun_pl} ( {adj_base} ) -> {the_pl} {noun_pl} {adj_pl} .");
  write_.add("agreement", 3, "artículo : {noun_sg} -> {the_sg} {noun_sg} , {a_sg} {noun_sg} .");
  write_.add("agreement", 2, "artículo : {noun_pl} -> {the_pl} {noun_pl} , {some_pl} {noun_pl} .");
  write_.add("statement", 6, "{the_sg} {noun_sg} {is} {adj_sg} .");
  write_.add("statement", 6, "{the_pl} {noun_pl} {are} {adj_pl} .");
}

void Spanish::add_statements() {
  const auto fits_when = [this](const Cell& cell) {
    return (cell.tense == Tense::kPast || cell.tense == Tense::kFuture) && !verb(cell).has('S');
  };
  write_.add("statement", 12, "{topic} {verb} {object} .");
  write_.add("statement", 12, "{time} {topic} {verb} {object} .");
  write_.add("statement", 12, "{topic} {verb} {object} {time} .");
  write_.add("statement", 6, "{topic} no {verb} {object} .");
  write_.add("statement", 4, "¿ {verb} {subject} {object} ?");
  write_.add("statement", 3, "¿ por qué {verb} {subject} {object} ?");
  write_.add("statement", 3, "¿ cuándo {verb} {subject} {object} ?", fits_when);
}

}  // namespace

void add_spanish(Grammar& grammar, Vocabulary& vocabulary, unsigned targets, std::size_t max_verbs) {
  Spanish(grammar, vocabulary, targets, max_verbs);
}

}  // namespace minimoe::grammar
