// SPDX-License-Identifier: Apache-2.0
#include "data/file/conllu_text.hpp"

#include "data/file/conllu_reader.hpp"
#include "data/file/temporary_directory.hpp"
#include "minimoe/data/file_source.hpp"
#include "support/catch.hpp"

using minimoe::conllu_text;
using minimoe::ConlluText;
using minimoe::open_file_source;
using minimoe::Split;
using minimoe::test::TemporaryDirectory;

namespace {

std::string line(const std::string& id, const std::string& form, const std::string& upos = "_",
                 const std::string& misc = "_") {
  return id + "\t" + form + "\t_\t" + upos + "\t_\t_\t0\tdep\t_\t" + misc + "\n";
}

std::string treebank() {
  return line("1", "We", "PRON") + line("2-3", "don't", "_", "SpaceAfter=No") + line("2", "do", "AUX") +
         line("3", "n't", "PART") + line("4", "!", "PUNCT", "Lang=en|SpaceAfter=No") + "\n" + line("1-2", "del") +
         line("1", "de", "ADP") + line("2", "el", "DET") + line("3", "año", "NOUN") + "\n";
}

const char* class_name(std::uint8_t index) { return minimoe::conllu_class_names()[index].c_str(); }

}  // namespace

TEST_CASE("conllu_text: words stand as they are written, multiword tokens whole where their words are their parts",
          "[file]") {
  const ConlluText text = conllu_text(treebank(), "t.conllu");
  CHECK(text.text == "We don't!\nde el año\n");
  CHECK(text.sentence_ends == std::vector<std::size_t>{10, 21});
  std::string spans;
  std::size_t begin = 0;
  for (const ConlluText::Span& span : text.spans) {
    spans += text.text.substr(begin, span.end - begin) + "=" + class_name(span.word_class) + ",";
    begin = span.end;
  }
  CHECK(spans == "We=pron, do=aux,n't=part,!=punct,\n=sentence-end,de=adp, el=det, año=noun,\n=sentence-end,");
}

TEST_CASE("conllu_text: every part of a word has the word's class, whatever the vocabulary cuts", "[file]") {
  const ConlluText text = conllu_text(treebank(), "t.conllu");
  std::string classes;
  for (const std::uint8_t c :
       spread_classes(text, {"We", " ", "d", "on", "'t!", "\n", "de", " el a", "\xC3", "\xB1", "o", "\n"})) {
    classes += std::string(class_name(c)) + " ";
  }
  CHECK(classes == "pron aux aux aux part sentence-end adp det noun noun noun sentence-end ");
}

TEST_CASE("conllu_text: a treebank with a vocabulary is running text with classes", "[file]") {
  const TemporaryDirectory directory;
  std::string many;
  for (int i = 0; i < 20; ++i) many += treebank();
  const std::string path = directory.write("t.conllu", many);
  const auto trained = open_file_source(path, {.val_fraction = 0.25, .tokenizer = "bpe:280"});
  const auto source =
      open_file_source(path, {.val_fraction = 1, .tokenizer = directory.write("t.json", trained->tokenizer_json())});
  REQUIRE(source->num_eval_windows(Split::kVal, 20) > 2);
  CHECK(source->num_eval_windows(Split::kTrain, 1) == 0);
  CHECK(source->class_names() == minimoe::conllu_class_names());
  std::vector<std::int32_t> tokens(21);
  std::vector<std::uint8_t> classes(21);
  source->eval_window(Split::kVal, 0, tokens, classes);
  const std::string begin = source->decode(tokens);
  CHECK(begin.substr(0, 20) == "We don't!\nde el año");
  std::size_t at = 0;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const std::string part = source->decode(std::vector<std::int32_t>{tokens[t]});
    INFO(part);
    if (part == "\n") CHECK(class_name(classes[t]) == std::string("sentence-end"));
    if (at == 0) CHECK(class_name(classes[t]) == std::string("pron"));
    at += part.size();
  }
  CHECK_THROWS_WITH(open_file_source(path, {.val_fraction = 1}), Catch::Contains("leaves none to train on"));
  CHECK_THROWS(open_file_source(directory.write("t.bin", std::string(100, '\0')), {.tokenizer = "bpe:280"}));
}
