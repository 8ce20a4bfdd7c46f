// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/english_verbs.hpp"

#include <algorithm>

namespace minimoe::grammar {
namespace {

constexpr EnglishVerb kVerbs[] = {
    {"be", "was", "been", "SA", "at home;in the garden;at school;with a friend;near the river"},
    {"have", "had", "", "S", "a car;a dog;an old house;two cats;a new bike"},
    {"go", "went", "gone", "A", "to school;to the market;home|r;to the park"},
    {"do", "did", "done", "", "the homework;the dishes;the work"},
    {"eat", "ate", "eaten", "A", "an apple;bread;apples;the soup;an orange"},
    {"see", "saw", "seen", "A", "the sea;a bird;the mountains;a big ship"},
    {"make", "made", "", "", "a cake;coffee;breakfast;a plan"},
    {"take", "took", "taken", "", "the bus;a photo;the train"},
    {"come", "came", "come", "A", "home|r;to the party;from the market"},
    {"know", "knew", "known", "S", "the answer;the truth;the city"},
    {"like", "", "", "S", "music;apples;the sea;cats"},
    {"want", "", "", "S", "a new car;an ice cream;the red shirt"},
    {"walk", "", "", "AH", "to school;in the park;home|r;near the river"},
    {"work", "", "", "", "in a shop;at home;in the city"},
    {"play", "", "", "A", "in the park;in the garden;with a ball"},
    {"live", "", "", "SA", "in the city;near the sea;in an old house"},
    {"learn", "", "", "H", "English;a song;history"},
    {"give", "gave", "given", "", "a present to a friend;an apple to the horse;money to the museum"},
    {"find", "found", "", "", "the keys;an umbrella;the answer"},
    {"tell", "told", "", "", "a story;the truth;a secret"},
    {"write", "wrote", "written", "", "a letter;a book;letters"},
    {"read", "read", "", "", "a book;the newspaper;books"},
    {"speak", "spoke", "spoken", "", "English;Spanish;with a friend"},
    {"drink", "drank", "drunk", "A", "water;milk;from the river"},
    {"love", "", "", "S", "music;the sea;horses"},
    {"cook", "", "", "H", "the soup;at home;fish|P"},
    {"need", "", "", "S", "money;an umbrella;a new bike"},
    {"talk", "", "", "", "with a friend;to the doctor;on the phone"},
    {"study", "", "", "", "history;at home;for the exam"},
    {"help", "", "", "", "a friend;the doctor;in the shop"},
    {"buy", "bought", "", "", "a shirt;shoes;bread;an umbrella"},
    {"sleep", "slept", "", "A", "in the garden;at home;well|r"},
    {"run", "ran", "run", "A", "in the park;to the river;fast|r"},
    {"sing", "sang", "sung", "A", "a song;songs;in the garden"},
    {"swim", "swam", "swum", "A", "in the lake;in the sea;in the river"},
    {"watch", "", "", "A", "the birds;a film;the game"},
    {"listen", "", "", "A", "to the music;to the radio;to a song"},
    {"visit", "", "", "H", "the museum;a friend;the city"},
    {"drive", "drove", "driven", "", "a car;a bus;to the city"},
    {"ride", "rode", "ridden", "", "a horse;a bike;horses"},
    {"teach", "taught", "", "", "history;English;the class"},
    {"bring", "brought", "", "", "flowers;an umbrella;the books"},
    {"catch", "caught", "", "A", "a fish;the ball;fish|P"},
    {"clean", "", "", "H", "the house;the table;the windows"},
    {"meet", "met", "", "", "a friend;the doctor;friends"},
    {"wash", "", "", "", "the dishes;the car;a shirt"},
    {"open", "", "", "", "the door;the window;an old box"},
    {"close", "", "", "", "the door;the window;the box"},
    {"leave", "left", "", "", "the house;the party;the city"},
    {"lose", "lost", "", "", "the keys;the game;money"},
    {"win", "won", "", "", "the game;a prize;the race"},
    {"sell", "sold", "", "", "the house;cars;apples"},
    {"build", "built", "", "", "a house;a bridge;an old ship"},
    {"break", "broke", "broken", "", "the window;a cup;the chair"},
    {"choose", "chose", "chosen", "", "a book;a shirt;the red shoes"},
    {"finish", "", "", "", "the homework;the book;the work"},
    {"stop", "", "", "DA", "at the bridge;near the house;at the door"},
    {"call", "", "", "", "the doctor;a friend;the police"},
    {"draw", "drew", "drawn", "", "a horse;a picture;an apple"},
    {"fly", "flew", "flown", "", "to the city;home|r;over the sea"},
    {"forget", "forgot", "forgotten", "", "the keys;the answer;an umbrella"},
    {"hear", "heard", "", "A", "the music;a bird;a song"},
    {"pay", "paid", "", "", "the bill;for the book;in the shop"},
    {"put", "put", "", "", "the book on the table;the cup on the table;the keys in the box"},
    {"cut", "cut", "", "", "the bread;the cake;an apple"},
    {"send", "sent", "", "", "a letter;a present;flowers"},
    {"wear", "wore", "worn", "", "a hat;the red shirt;old shoes"},
    {"plan", "", "", "D", "a party;the work;a trip"},
    {"carry", "", "", "H", "a bag;the books;an old chair"},
    {"cry", "", "", "", "at the party;at home;at school"},
    {"try", "", "", "", "the soup;an orange;the cake"},
    {"dance", "", "", "H", "at the party;with a friend;in the park"},
    {"ask", "", "", "", "a question;for help|N;for water"},
    {"answer", "", "", "", "the question;the phone;the letter"},
    {"use", "", "", "", "the phone;a knife;the computer"},
    {"wait", "", "", "A", "at the door;for the bus;near the bridge"},
    {"paint", "", "", "H", "a picture;the door;the house"},
    {"laugh", "", "", "H", "at the party;at school;in the park"},
    {"enjoy", "", "", "", "the party;the film;the trip"},
    {"climb", "", "", "AH", "the mountain;a tree;trees"},
};

bool is_vowel(char c) { return std::string_view("aeiou").find(c) != std::string_view::npos; }

bool ends_in_consonant_y(std::string_view word) {
  return word.size() > 1 && word.back() == 'y' && !is_vowel(word[word.size() - 2]);
}

}  // namespace

std::span<const EnglishVerb> english_verbs(std::size_t max_verbs) {
  const std::span<const EnglishVerb> all = kVerbs;
  return max_verbs == 0 ? all : all.first(std::min(max_verbs, all.size()));
}

std::string english_third_person(const EnglishVerb& verb) {
  const std::string base = verb.base;
  if (base == "be") return "is";
  if (base == "have") return "has";
  if (ends_in_consonant_y(base)) return base.substr(0, base.size() - 1) + "ies";
  for (const std::string_view ending : {"s", "x", "z", "o", "ch", "sh"}) {
    if (base.ends_with(ending)) return base + "es";
  }
  return base + "s";
}

std::string english_past(const EnglishVerb& verb) {
  const std::string base = verb.base;
  if (*verb.past != '\0') return verb.past;
  if (ends_in_consonant_y(base)) return base.substr(0, base.size() - 1) + "ied";
  if (base.back() == 'e') return base + "d";
  return base + (verb.has('D') ? std::string(1, base.back()) : "") + "ed";
}

std::string english_participle(const EnglishVerb& verb) {
  return *verb.participle != '\0' ? verb.participle : english_past(verb);
}

std::string english_form(const EnglishVerb& verb, Tense tense, Person person) {
  const bool is_be = std::string_view(verb.base) == "be";
  if (tense == Tense::kPast) {
    return is_be && person != Person::kFirst && person != Person::kThird ? "were" : english_past(verb);
  }
  if (person == Person::kThird) return english_third_person(verb);
  if (is_be) return person == Person::kFirst ? "am" : "are";
  return verb.base;
}

}  // namespace minimoe::grammar
