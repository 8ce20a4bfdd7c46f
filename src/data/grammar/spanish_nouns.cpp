// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/spanish_nouns.hpp"

#include <string_view>

namespace minimoe::grammar {
namespace {

constexpr SpanishNoun kNouns[] = {
    {"niño", "niños", false, 'P'},          {"niña", "niñas", true, 'P'},       {"profesor", "profesores", false, 'P'},
    {"profesora", "profesoras", true, 'P'}, {"hombre", "hombres", false, 'P'},  {"mujer", "mujeres", true, 'P'},
    {"gato", "gatos", false, 'A'},          {"gata", "gatas", true, 'A'},       {"perro", "perros", false, 'A'},
    {"caballo", "caballos", false, 'A'},    {"pez", "peces", false, 'A'},       {"oveja", "ovejas", true, 'A'},
    {"casa", "casas", true, 'T'},           {"coche", "coches", false, 'T'},    {"libro", "libros", false, 'T'},
    {"mesa", "mesas", true, 'T'},           {"flor", "flores", true, 'T'},      {"llave", "llaves", true, 'T'},
    {"mapa", "mapas", false, 'T'},          {"camión", "camiones", false, 'T'}, {"canción", "canciones", true, 'I'},
    {"puente", "puentes", false, 'T'},      {"calle", "calles", true, 'I'},     {"luz", "luces", true, 'T'},
    {"camisa", "camisas", true, 'T'},       {"zapato", "zapatos", false, 'T'},  {"ciudad", "ciudades", true, 'I'},
    {"tren", "trenes", false, 'T'},
};

constexpr SpanishAdjective kAdjectives[] = {
    {"pequeño", "pequeña", "PAT", false}, {"viejo", "vieja", "PATI", false},   {"joven", "joven", "PA", false},
    {"alto", "alta", "P", false},         {"fuerte", "fuerte", "PA", false},   {"simpático", "simpática", "P", false},
    {"negro", "negra", "AT", false},      {"blanco", "blanca", "AT", false},   {"rojo", "roja", "T", false},
    {"azul", "azul", "T", false},         {"nuevo", "nueva", "TI", false},     {"grande", "grande", "AT", false},
    {"feo", "fea", "TI", false},          {"feliz", "feliz", "P", false},      {"cansado", "cansada", "PA", true},
    {"enfermo", "enferma", "PA", true},   {"contento", "contenta", "P", true},
};

}  // namespace

std::span<const SpanishNoun> spanish_nouns() { return kNouns; }
std::span<const SpanishAdjective> spanish_adjectives() { return kAdjectives; }

std::string spanish_adjective_plural(const std::string& singular) {
  if (singular == "joven") return "jóvenes";
  if (std::string_view("aeo").find(singular.back()) != std::string_view::npos) return singular + "s";
  if (singular.back() == 'z') return singular.substr(0, singular.size() - 1) + "ces";
  return singular + "es";
}

}  // namespace minimoe::grammar
