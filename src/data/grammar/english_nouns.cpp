// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/english_nouns.hpp"

namespace minimoe::grammar {
namespace {

constexpr EnglishNoun kNouns[] = {
    {"child", "children", 'P'},   {"woman", "women", 'P'},    {"man", "men", 'P'},
    {"girl", "girls", 'P'},       {"boy", "boys", 'P'},       {"teacher", "teachers", 'P'},
    {"student", "students", 'P'}, {"baby", "babies", 'P'},    {"dog", "dogs", 'A'},
    {"cat", "cats", 'A'},         {"horse", "horses", 'A'},   {"mouse", "mice", 'A'},
    {"wolf", "wolves", 'A'},      {"monkey", "monkeys", 'A'}, {"house", "houses", 'T'},
    {"car", "cars", 'T'},         {"book", "books", 'T'},     {"box", "boxes", 'T'},
    {"knife", "knives", 'T'},     {"city", "cities", 'T'},    {"bus", "buses", 'T'},
    {"apple", "apples", 'T'},     {"orange", "oranges", 'T'}, {"shirt", "shirts", 'T'},
    {"shoe", "shoes", 'T'},       {"dish", "dishes", 'T'},    {"umbrella", "umbrellas", 'T'},
    {"key", "keys", 'T'},
};

}  // namespace

std::span<const EnglishNoun> english_nouns() { return kNouns; }

const char* english_adjectives(char kind) {
  switch (kind) {
    case 'P':
      return "young old tired happy hungry angry tall";
    case 'A':
      return "young old tired hungry big small black";
    default:
      return "old new big small black white red expensive ugly clean dirty";
  }
}

}  // namespace minimoe::grammar
