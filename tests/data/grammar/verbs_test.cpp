// SPDX-License-Identifier: Apache-2.0
// Verb forms against rows written by hand from reference grammars, not from the generator's rules.
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "data/grammar/english_verbs.hpp"
#include "data/grammar/spanish_nouns.hpp"
#include "data/grammar/spanish_verbs.hpp"
#include "support/catch.hpp"

using namespace minimoe::grammar;

namespace {

const EnglishVerb& english(const std::string& base) {
  for (const EnglishVerb& verb : english_verbs()) {
    if (base == verb.base) return verb;
  }
  throw std::runtime_error("no English verb " + base);
}

std::string row(const std::string& infinitive, Tense tense) {
  for (const SpanishVerb& verb : spanish_verbs()) {
    if (infinitive != verb.infinitive) continue;
    std::string words;
    for (std::size_t person = 0; person < kNumPersons; ++person) {
      if (person > 0) words += ' ';
      words += spanish_form(verb, tense, static_cast<Person>(person));
    }
    return words;
  }
  throw std::runtime_error("no Spanish verb " + infinitive);
}

}  // namespace

TEST_CASE("english verbs: third person, past and participle equal the principal parts of the textbook", "[corpus]") {
  struct Parts {
    const char *base, *third, *past, *participle;
  };
  const Parts rows[] = {{"have", "has", "had", "had"},
                        {"go", "goes", "went", "gone"},
                        {"do", "does", "did", "done"},
                        {"study", "studies", "studied", "studied"},
                        {"carry", "carries", "carried", "carried"},
                        {"cry", "cries", "cried", "cried"},
                        {"try", "tries", "tried", "tried"},
                        {"fly", "flies", "flew", "flown"},
                        {"play", "plays", "played", "played"},
                        {"enjoy", "enjoys", "enjoyed", "enjoyed"},
                        {"pay", "pays", "paid", "paid"},
                        {"buy", "buys", "bought", "bought"},
                        {"stop", "stops", "stopped", "stopped"},
                        {"plan", "plans", "planned", "planned"},
                        {"visit", "visits", "visited", "visited"},
                        {"open", "opens", "opened", "opened"},
                        {"listen", "listens", "listened", "listened"},
                        {"answer", "answers", "answered", "answered"},
                        {"watch", "watches", "watched", "watched"},
                        {"teach", "teaches", "taught", "taught"},
                        {"catch", "catches", "caught", "caught"},
                        {"wash", "washes", "washed", "washed"},
                        {"finish", "finishes", "finished", "finished"},
                        {"live", "lives", "lived", "lived"},
                        {"dance", "dances", "danced", "danced"},
                        {"use", "uses", "used", "used"},
                        {"choose", "chooses", "chose", "chosen"},
                        {"close", "closes", "closed", "closed"},
                        {"come", "comes", "came", "come"},
                        {"run", "runs", "ran", "run"},
                        {"read", "reads", "read", "read"},
                        {"put", "puts", "put", "put"},
                        {"cut", "cuts", "cut", "cut"},
                        {"write", "writes", "wrote", "written"},
                        {"forget", "forgets", "forgot", "forgotten"},
                        {"swim", "swims", "swam", "swum"},
                        {"drink", "drinks", "drank", "drunk"},
                        {"sing", "sings", "sang", "sung"},
                        {"bring", "brings", "brought", "brought"},
                        {"ride", "rides", "rode", "ridden"},
                        {"drive", "drives", "drove", "driven"},
                        {"wear", "wears", "wore", "worn"},
                        {"break", "breaks", "broke", "broken"},
                        {"draw", "draws", "drew", "drawn"},
                        {"know", "knows", "knew", "known"},
                        {"lose", "loses", "lost", "lost"},
                        {"build", "builds", "built", "built"},
                        {"leave", "leaves", "left", "left"},
                        {"meet", "meets", "met", "met"},
                        {"climb", "climbs", "climbed", "climbed"}};
  for (const Parts& parts : rows) {
    const EnglishVerb& verb = english(parts.base);
    CHECK(english_third_person(verb) == parts.third);
    CHECK(english_past(verb) == parts.past);
    CHECK(english_participle(verb) == parts.participle);
  }
}

TEST_CASE("english verbs: be has its own form for every person", "[corpus]") {
  const auto be = [](Tense tense) {
    std::string words;
    for (const Person person :
         {Person::kFirst, Person::kSecond, Person::kThird, Person::kFirstPlural, Person::kThirdPlural}) {
      words += english_form(english("be"), tense, person) + " ";
    }
    return words;
  };
  CHECK(be(Tense::kPresent) == "am are is are are ");
  CHECK(be(Tense::kPast) == "was were was were were ");
  CHECK(english_participle(english("be")) == "been");
}

TEST_CASE("spanish verbs: presents equal the textbook's, with stem and spelling changes", "[corpus]") {
  const std::pair<const char*, const char*> rows[] = {
      {"hablar", "hablo hablas habla hablamos habláis hablan"},
      {"comer", "como comes come comemos coméis comen"},
      {"vivir", "vivo vives vive vivimos vivís viven"},
      {"ser", "soy eres es somos sois son"},
      {"estar", "estoy estás está estamos estáis están"},
      {"ir", "voy vas va vamos vais van"},
      {"dar", "doy das da damos dais dan"},
      {"ver", "veo ves ve vemos veis ven"},
      {"tener", "tengo tienes tiene tenemos tenéis tienen"},
      {"venir", "vengo vienes viene venimos venís vienen"},
      {"decir", "digo dices dice decimos decís dicen"},
      {"hacer", "hago haces hace hacemos hacéis hacen"},
      {"poner", "pongo pones pone ponemos ponéis ponen"},
      {"salir", "salgo sales sale salimos salís salen"},
      {"traer", "traigo traes trae traemos traéis traen"},
      {"saber", "sé sabes sabe sabemos sabéis saben"},
      {"oír", "oigo oyes oye oímos oís oyen"},
      {"poder", "puedo puedes puede podemos podéis pueden"},
      {"querer", "quiero quieres quiere queremos queréis quieren"},
      {"jugar", "juego juegas juega jugamos jugáis juegan"},
      {"empezar", "empiezo empiezas empieza empezamos empezáis empiezan"},
      {"entender", "entiendo entiendes entiende entendemos entendéis entienden"},
      {"preferir", "prefiero prefieres prefiere preferimos preferís prefieren"},
      {"dormir", "duermo duermes duerme dormimos dormís duermen"},
      {"pedir", "pido pides pide pedimos pedís piden"},
      {"servir", "sirvo sirves sirve servimos servís sirven"},
      {"repetir", "repito repites repite repetimos repetís repiten"},
      {"encontrar", "encuentro encuentras encuentra encontramos encontráis encuentran"},
      {"volver", "vuelvo vuelves vuelve volvemos volvéis vuelven"},
      {"conocer", "conozco conoces conoce conocemos conocéis conocen"},
      {"conducir", "conduzco conduces conduce conducimos conducís conducen"},
      {"construir", "construyo construyes construye construimos construís construyen"},
      {"leer", "leo lees lee leemos leéis leen"},
  };
  for (const auto& [verb, words] : rows) CHECK(row(verb, Tense::kPresent) == words);
}

TEST_CASE("spanish verbs: preterites equal the textbook's, strong stems and spelling included", "[corpus]") {
  const std::pair<const char*, const char*> rows[] = {
      {"hablar", "hablé hablaste habló hablamos hablasteis hablaron"},
      {"comer", "comí comiste comió comimos comisteis comieron"},
      {"vivir", "viví viviste vivió vivimos vivisteis vivieron"},
      {"ser", "fui fuiste fue fuimos fuisteis fueron"},
      {"ir", "fui fuiste fue fuimos fuisteis fueron"},
      {"dar", "di diste dio dimos disteis dieron"},
      {"ver", "vi viste vio vimos visteis vieron"},
      {"tener", "tuve tuviste tuvo tuvimos tuvisteis tuvieron"},
      {"estar", "estuve estuviste estuvo estuvimos estuvisteis estuvieron"},
      {"hacer", "hice hiciste hizo hicimos hicisteis hicieron"},
      {"decir", "dije dijiste dijo dijimos dijisteis dijeron"},
      {"traer", "traje trajiste trajo trajimos trajisteis trajeron"},
      {"conducir", "conduje condujiste condujo condujimos condujisteis condujeron"},
      {"poder", "pude pudiste pudo pudimos pudisteis pudieron"},
      {"poner", "puse pusiste puso pusimos pusisteis pusieron"},
      {"querer", "quise quisiste quiso quisimos quisisteis quisieron"},
      {"saber", "supe supiste supo supimos supisteis supieron"},
      {"venir", "vine viniste vino vinimos vinisteis vinieron"},
      {"buscar", "busqué buscaste buscó buscamos buscasteis buscaron"},
      {"tocar", "toqué tocaste tocó tocamos tocasteis tocaron"},
      {"sacar", "saqué sacaste sacó sacamos sacasteis sacaron"},
      {"explicar", "expliqué explicaste explicó explicamos explicasteis explicaron"},
      {"pagar", "pagué pagaste pagó pagamos pagasteis pagaron"},
      {"llegar", "llegué llegaste llegó llegamos llegasteis llegaron"},
      {"jugar", "jugué jugaste jugó jugamos jugasteis jugaron"},
      {"empezar", "empecé empezaste empezó empezamos empezasteis empezaron"},
      {"cruzar", "crucé cruzaste cruzó cruzamos cruzasteis cruzaron"},
      {"leer", "leí leíste leyó leímos leísteis leyeron"},
      {"oír", "oí oíste oyó oímos oísteis oyeron"},
      {"construir", "construí construiste construyó construimos construisteis construyeron"},
      {"dormir", "dormí dormiste durmió dormimos dormisteis durmieron"},
      {"pedir", "pedí pediste pidió pedimos pedisteis pidieron"},
      {"servir", "serví serviste sirvió servimos servisteis sirvieron"},
      {"preferir", "preferí preferiste prefirió preferimos preferisteis prefirieron"},
      {"repetir", "repetí repetiste repitió repetimos repetisteis repitieron"},
      {"volver", "volví volviste volvió volvimos volvisteis volvieron"},
      {"perder", "perdí perdiste perdió perdimos perdisteis perdieron"},
      {"pensar", "pensé pensaste pensó pensamos pensasteis pensaron"},
  };
  for (const auto& [verb, words] : rows) CHECK(row(verb, Tense::kPast) == words);
}

TEST_CASE("spanish verbs: imperfects and futures equal the textbook's", "[corpus]") {
  const std::pair<const char*, const char*> imperfects[] = {
      {"hablar", "hablaba hablabas hablaba hablábamos hablabais hablaban"},
      {"comer", "comía comías comía comíamos comíais comían"},
      {"vivir", "vivía vivías vivía vivíamos vivíais vivían"},
      {"ser", "era eras era éramos erais eran"},
      {"ir", "iba ibas iba íbamos ibais iban"},
      {"ver", "veía veías veía veíamos veíais veían"},
      {"oír", "oía oías oía oíamos oíais oían"},
      {"tener", "tenía tenías tenía teníamos teníais tenían"},
      {"jugar", "jugaba jugabas jugaba jugábamos jugabais jugaban"},
      {"dar", "daba dabas daba dábamos dabais daban"},
      {"leer", "leía leías leía leíamos leíais leían"},
  };
  for (const auto& [verb, words] : imperfects) CHECK(row(verb, Tense::kImperfect) == words);
  const std::pair<const char*, const char*> futures[] = {
      {"hablar", "hablaré hablarás hablará hablaremos hablaréis hablarán"},
      {"comer", "comeré comerás comerá comeremos comeréis comerán"},
      {"ser", "seré serás será seremos seréis serán"},
      {"ir", "iré irás irá iremos iréis irán"},
      {"tener", "tendré tendrás tendrá tendremos tendréis tendrán"},
      {"venir", "vendré vendrás vendrá vendremos vendréis vendrán"},
      {"poner", "pondré pondrás pondrá pondremos pondréis pondrán"},
      {"salir", "saldré saldrás saldrá saldremos saldréis saldrán"},
      {"hacer", "haré harás hará haremos haréis harán"},
      {"decir", "diré dirás dirá diremos diréis dirán"},
      {"poder", "podré podrás podrá podremos podréis podrán"},
      {"querer", "querré querrás querrá querremos querréis querrán"},
      {"saber", "sabré sabrás sabrá sabremos sabréis sabrán"},
      {"oír", "oiré oirás oirá oiremos oiréis oirán"},
      {"traer", "traeré traerás traerá traeremos traeréis traerán"},
  };
  for (const auto& [verb, words] : futures) CHECK(row(verb, Tense::kFuture) == words);
}

TEST_CASE("verb tables: about 80 English and 60 Spanish verbs, none twice, held-out ones regular", "[corpus]") {
  CHECK(english_verbs().size() == 80);
  CHECK(spanish_verbs().size() == 60);
  CHECK(english_verbs(7).size() == 7);
  std::set<std::string> seen;
  for (const EnglishVerb& verb : english_verbs()) {
    CHECK(seen.insert(verb.base).second);
    if (verb.has('H')) CHECK(std::string(verb.past).empty());
  }
  for (const SpanishVerb& verb : spanish_verbs()) {
    CHECK(seen.insert(verb.infinitive).second);
    if (verb.has('H')) CHECK(std::string(verb.irregular) + verb.change == "");
  }
}

TEST_CASE("spanish adjectives: plurals keep sound and stress", "[corpus]") {
  CHECK(spanish_adjective_plural("rojo") == "rojos");
  CHECK(spanish_adjective_plural("azul") == "azules");
  CHECK(spanish_adjective_plural("feliz") == "felices");
  CHECK(spanish_adjective_plural("joven") == "jóvenes");
  CHECK(spanish_adjective_plural("grande") == "grandes");
}
