// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/spanish_verbs.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace minimoe::grammar {
namespace {

constexpr SpanishVerb kVerbs[] = {
    {"ser", "",
     "present=soy eres es somos sois son;past=fui fuiste fue fuimos fuisteis fueron;"
     "imperfect=era eras era éramos erais eran",
     "S", "parte del equipo;parte del grupo;parte de la clase"},
    {"estar", "", "present=estoy estás está estamos estáis están;past_stem=estuv", "SA",
     "en casa;en la escuela;en el jardín;cerca|r del río"},
    {"tener", "e>ie", "yo=tengo;past_stem=tuv;future_stem=tendr", "S",
     "un coche;dos gatos;una casa vieja;un perro;una bicicleta nueva"},
    {"ir", "",
     "present=voy vas va vamos vais van;past=fui fuiste fue fuimos fuisteis fueron;"
     "imperfect=iba ibas iba íbamos ibais iban",
     "A", "a la escuela;al mercado;al parque;a casa"},
    {"hacer", "", "yo=hago;past=hice hiciste hizo hicimos hicisteis hicieron;future_stem=har", "",
     "el trabajo;una tarta;la comida"},
    {"decir", "e>i", "yo=digo;past_stem=dij;future_stem=dir", "", "la verdad;un secreto;mentiras"},
    {"hablar", "", "", "", "español;inglés;con un amigo"},
    {"comer", "", "", "A", "una manzana;pan;manzanas;la sopa;una naranja"},
    {"poder", "o>ue", "past_stem=pud;future_stem=podr", "SA", "nadar|i;correr|i;dormir|i"},
    {"querer", "e>ie", "past_stem=quis;future_stem=querr", "S", "un café;una casa nueva;agua"},
    {"ver", "",
     "present=veo ves ve vemos veis ven;past=vi viste vio vimos visteis vieron;"
     "imperfect=veía veías veía veíamos veíais veían",
     "A", "el mar;un pájaro;las montañas;una película"},
    {"dar", "", "present=doy das da damos dais dan;past=di diste dio dimos disteis dieron", "",
     "un regalo a un amigo;agua al caballo;una clase"},
    {"saber", "", "yo=sé;past_stem=sup;future_stem=sabr", "S", "la respuesta;la verdad;la canción"},
    {"venir", "e>ie", "yo=vengo;past_stem=vin;future_stem=vendr", "A", "a casa;a la fiesta;del mercado"},
    {"vivir", "", "", "SA", "en la ciudad;cerca|r del mar;en una casa vieja"},
    {"visitar", "", "", "H", "el museo;la ciudad;a un amigo"},
    {"trabajar", "", "", "", "en una tienda;en casa;en la ciudad"},
    {"escribir", "", "", "", "una carta;un libro;cartas"},
    {"leer", "", "", "", "un libro;el periódico;libros"},
    {"cantar", "", "", "H", "una canción;canciones;en la fiesta"},
    {"dormir", "o>ue", "", "A", "en el jardín;en casa;bien|r"},
    {"salir", "", "yo=salgo;future_stem=saldr", "A", "de casa;de la escuela;al jardín"},
    {"poner", "", "yo=pongo;past_stem=pus;future_stem=pondr", "",
     "el libro en la mesa;la taza en la mesa;las llaves en la caja"},
    {"jugar", "u>ue", "", "A", "en el parque;en el jardín;con una pelota"},
    {"beber", "", "", "A", "agua;leche;del río"},
    {"recibir", "", "", "H", "una carta;un regalo;flores"},
    {"comprar", "", "", "", "una camisa;zapatos;pan;un paraguas"},
    {"estudiar", "", "", "", "historia;en casa;para el examen"},
    {"llegar", "", "", "A", "a casa;al puente;tarde|r"},
    {"buscar", "", "", "A", "las llaves;agua;una casa nueva"},
    {"limpiar", "", "", "H", "la casa;la mesa;las ventanas"},
    {"pensar", "e>ie", "", "", "en el mar;en la comida;en un viaje"},
    {"conocer", "", "yo=conozco", "S", "la ciudad;el camino;la canción"},
    {"pedir", "e>i", "", "", "un café;agua;la cuenta"},
    {"volver", "o>ue", "", "A", "a casa;del parque;tarde|r"},
    {"empezar", "e>ie", "", "", "el trabajo;el libro;la clase"},
    {"encontrar", "o>ue", "", "", "las llaves;un paraguas;la respuesta"},
    {"aprender", "", "", "", "inglés;una canción;historia"},
    {"entender", "e>ie", "", "S", "la pregunta;la historia;el problema"},
    {"cerrar", "e>ie", "", "", "la puerta;la ventana;la caja"},
    {"traer", "", "yo=traigo;past_stem=traj", "", "flores;un paraguas;los libros"},
    {"oír", "",
     "present=oigo oyes oye oímos oís oyen;past=oí oíste oyó oímos oísteis oyeron;"
     "imperfect=oía oías oía oíamos oíais oían;future_stem=oir",
     "A", "la música;un pájaro;una canción"},
    {"bailar", "", "", "H", "en la fiesta;con un amigo;bien|r"},
    {"cocinar", "", "", "H", "la sopa;en casa;pescado"},
    {"mirar", "", "", "A", "los pájaros;el mar;una película"},
    {"escuchar", "", "", "A", "la música;la radio;una canción"},
    {"vender", "", "", "", "la casa;coches;manzanas"},
    {"pagar", "", "", "", "la cuenta;el café;en la tienda"},
    {"perder", "e>ie", "", "", "las llaves;el autobús;dinero"},
    {"contar", "o>ue", "", "", "un cuento;la verdad;cuentos"},
    {"preferir", "e>ie", "", "S", "el café;el mar;la camisa roja"},
    {"tocar", "", "", "", "la guitarra;el piano;la puerta"},
    {"servir", "e>i", "", "", "la comida;el café;la sopa"},
    {"conducir", "", "yo=conduzco;past_stem=conduj", "", "un coche;un autobús;bien|r"},
    {"construir", "", "", "", "una casa;un puente;casas"},
    {"cruzar", "", "", "A", "el puente;la calle;el río"},
    {"sacar", "", "", "", "una foto;fotos;dinero del banco"},
    {"repetir", "e>i", "", "", "la pregunta;la canción;el examen"},
    {"explicar", "", "", "", "el problema;la respuesta;la historia"},
    {"pintar", "", "", "H", "un cuadro;la puerta;la casa"},
};

using Row = std::array<const char*, kNumPersons>;

// By conjugation: -ar, -er, -ir.
constexpr Row kPresent[3] = {
    {"o", "as", "a", "amos", "áis", "an"}, {"o", "es", "e", "emos", "éis", "en"}, {"o", "es", "e", "imos", "ís", "en"}};
constexpr Row kPast[2] = {{"é", "aste", "ó", "amos", "asteis", "aron"}, {"í", "iste", "ió", "imos", "isteis", "ieron"}};
constexpr Row kPastAfterStrongVowel = {"í", "íste", "yó", "ímos", "ísteis", "yeron"};
constexpr Row kPastAfterU = {"í", "iste", "yó", "imos", "isteis", "yeron"};
constexpr Row kStrongPast = {"e", "iste", "o", "imos", "isteis", "ieron"};
constexpr Row kImperfect[2] = {{"aba", "abas", "aba", "ábamos", "abais", "aban"},
                               {"ía", "ías", "ía", "íamos", "íais", "ían"}};
constexpr Row kFuture = {"é", "ás", "á", "emos", "éis", "án"};

std::string irregular(const SpanishVerb& verb, std::string_view key) {
  std::string_view entries = verb.irregular;
  while (!entries.empty()) {
    const std::size_t end = std::min(entries.find(';'), entries.size());
    const std::string_view entry = entries.substr(0, end);
    if (entry.starts_with(key) && entry.substr(key.size()).starts_with('=')) {
      return std::string(entry.substr(key.size() + 1));
    }
    entries.remove_prefix(std::min(end + 1, entries.size()));
  }
  return "";
}

std::string word_of_row(const std::string& row, std::size_t index) {
  std::istringstream words(row);
  words.exceptions(std::ios::badbit);  // else a failed allocation would look like the end
  std::string word;
  for (std::size_t i = 0; i <= index; ++i) words >> word;
  return word;
}

// The last `from` in the stem becomes `to`: pens -> piens, dorm -> durm.
std::string change_vowel(std::string stem, char from, std::string_view to) {
  return stem.replace(stem.rfind(from), 1, to);
}

// Keeps the sound of a stem in -ar before e: busc-é -> busqué, pag-é -> pagué, empez-é -> empecé.
std::string join_before_e(std::string stem, const std::string& ending) {
  const char last = stem.back();
  if (last == 'c') stem.replace(stem.size() - 1, 1, "qu");
  if (last == 'g') stem.replace(stem.size() - 1, 1, "gu");
  if (last == 'z') stem.replace(stem.size() - 1, 1, "c");
  return stem + ending;
}

std::string present(const SpanishVerb& verb, const std::string& stem, std::size_t conjugation, std::size_t person) {
  if (person == 0 && !irregular(verb, "yo").empty()) return irregular(verb, "yo");
  const bool is_stressed = person < 3 || person == 5;
  const std::string_view change = verb.change;
  const std::string ending = kPresent[conjugation][person];
  if (is_stressed && !change.empty()) return change_vowel(stem, change[0], change.substr(2)) + ending;
  if (is_stressed && stem.back() == 'u' && conjugation == 2) return stem + "y" + ending;
  return stem + ending;
}

std::string past(const SpanishVerb& verb, const std::string& stem, std::size_t conjugation, std::size_t person) {
  const std::string strong = irregular(verb, "past_stem");
  if (!strong.empty()) {
    if (person == 5 && strong.back() == 'j') return strong + "eron";
    return strong + kStrongPast[person];
  }
  if (conjugation == 0) {
    return person == 0 ? join_before_e(stem, kPast[0][0]) : stem + kPast[0][person];
  }
  if (stem.back() == 'u') return stem + kPastAfterU[person];
  if (stem.back() == 'e' || stem.back() == 'a') return stem + kPastAfterStrongVowel[person];
  const std::string_view change = verb.change;
  if (conjugation == 2 && !change.empty() && (person == 2 || person == 5)) {
    return change_vowel(stem, change[0], change[0] == 'e' ? "i" : "u") + kPast[1][person];
  }
  return stem + kPast[1][person];
}

}  // namespace

std::span<const SpanishVerb> spanish_verbs(std::size_t max_verbs) {
  const std::span<const SpanishVerb> all = kVerbs;
  return max_verbs == 0 ? all : all.first(std::min(max_verbs, all.size()));
}

std::string spanish_form(const SpanishVerb& verb, Tense tense, Person person) {
  const std::string infinitive = verb.infinitive;
  const std::size_t i = static_cast<std::size_t>(person);
  constexpr const char* kRows[] = {"present", "past", "imperfect"};
  if (tense != Tense::kFuture) {
    const std::string row = irregular(verb, kRows[static_cast<std::size_t>(tense)]);
    if (!row.empty()) return word_of_row(row, i);
  }
  const std::string stem = infinitive.substr(0, infinitive.size() - 2);
  const std::size_t conjugation = infinitive.ends_with("ar") ? 0 : infinitive.ends_with("er") ? 1 : 2;
  switch (tense) {
    case Tense::kPresent:
      return present(verb, stem, conjugation, i);
    case Tense::kPast:
      return past(verb, stem, conjugation, i);
    case Tense::kImperfect:
      return stem + kImperfect[conjugation == 0 ? 0 : 1][i];
    default: {
      const std::string future_stem = irregular(verb, "future_stem");
      return (future_stem.empty() ? infinitive : future_stem) + kFuture[i];
    }
  }
}

}  // namespace minimoe::grammar
