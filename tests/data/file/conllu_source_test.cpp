// SPDX-License-Identifier: Apache-2.0
#include "data/file/conllu_source.hpp"

#include "data/file/conllu_reader.hpp"
#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "support/catch.hpp"

using minimoe::ConlluReader;
using minimoe::ErrorCode;
using minimoe::open_file_source;
using minimoe::Split;
using minimoe::test::gzip;
using minimoe::test::refusal_of_opening;
using minimoe::test::TemporaryDirectory;
using Tokens = std::vector<std::int32_t>;

namespace {

std::string word(const std::string& id, const std::string& form, const std::string& upos = "NOUN",
                 const std::string& feats = "_", const std::string& deprel = "dep") {
  return id + "\t" + form + "\t_\t" + upos + "\t_\t" + feats + "\t0\t" + deprel + "\t_\t_\n";
}

std::string sentence(const std::vector<std::string>& forms) {
  std::string text = "# text = any\n";
  for (std::size_t i = 0; i < forms.size(); ++i) text += word(std::to_string(i + 1), forms[i]);
  return text + "\n";
}

std::string class_of(const std::string& upos, const std::string& feats, const std::string& deprel = "dep") {
  const std::string text = word("1", "w", upos, feats, deprel), path = "c.conllu";
  ConlluReader reader(text, path);
  REQUIRE(reader.next() == ConlluReader::Item::kWord);
  return minimoe::conllu_class_names()[reader.word_class()];
}

std::string forms_of(const std::string& text) {
  const std::string path = "c.conllu";
  ConlluReader reader(text, path);
  std::string all;
  for (auto item = reader.next(); item != ConlluReader::Item::kEnd; item = reader.next()) {
    all += item == ConlluReader::Item::kWord ? std::string(reader.form()) + " " : ". ";
  }
  return all;
}

}  // namespace

TEST_CASE("conllu_reader: ranges, empty nodes and comments are passed over", "[file]") {
  const std::string text = "# newdoc\n" + word("0.1", "hidden") + word("1-2", "del") + word("1", "de") +
                           word("2", "el") + word("2.1", "gone") + word("2.2", "gone") + word("3", "a b") +
                           "\n\n# c\n" + word("1", "_");
  CHECK(forms_of(text) == "de el a b . _ . ");
  std::string with_cr;
  for (const char c : text) with_cr += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(forms_of(with_cr) == "de el a b . _ . ");
  CHECK(forms_of("# only a comment\n\n").empty());
}

TEST_CASE("conllu_reader: classes come from UPOS, FEATS and the relation", "[file]") {
  CHECK(class_of("NOUN", "_") == "noun");
  CHECK(class_of("_", "_") == "x");
  CHECK(class_of("VERB", "VerbForm=Inf") == "verb-infinitive");
  CHECK(class_of("AUX", "Voice=Act|VerbForm=Inf") == "verb-infinitive");
  CHECK(class_of("NOUN", "VerbForm=Inf") == "noun");
  CHECK(class_of("VERB", "Mood=Ind|Tense=Past|VerbForm=Fin") == "verb-past");
  CHECK(class_of("AUX", "Tense=Past|VerbForm=Part") == "verb-past");
  CHECK(class_of("ADJ", "Tense=Past") == "adj");
  CHECK(class_of("VERB", "Tense=Pres|VerbForm=Fin") == "verb");
  CHECK(class_of("VERB", "Tense=Pastoral|VerbForm=Info") == "verb");
  CHECK(class_of("AUX", "Tense=Imp") == "aux");
  CHECK(class_of("PRON", "Case=Nom|PronType=Prs", "conj") == "subject-pronoun");
  CHECK(class_of("PRON", "PronType=Prs", "nsubj") == "subject-pronoun");
  CHECK(class_of("PRON", "PronType=Prs", "nsubj:pass") == "subject-pronoun");
  CHECK(class_of("PRON", "Case=Acc|PronType=Prs", "obj") == "pron");
  CHECK(class_of("PRON", "PronType=Rel", "nsubj") == "pron");
  CHECK(class_of("DET", "PronType=Prs", "nsubj") == "det");
  for (const char* upos : {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
                           "PUNCT", "SCONJ", "SYM", "VERB", "X"}) {
    std::string lower = upos;
    for (char& c : lower) c = static_cast<char>(c + 32);
    CHECK(class_of(upos, "_") == lower);
  }
  const auto& names = minimoe::conllu_class_names();
  CHECK(names.size() == 21);
  CHECK(std::is_sorted(names.begin(), names.end()));
}

TEST_CASE("conllu_source: the vocabulary is the training part's most frequent words, ties in byte order", "[file]") {
  const TemporaryDirectory directory;
  // Training: b 3, a 2, Zz 2, c 1, d 1. Validation: e 4, a 1.
  const std::string text = sentence({"b", "a", "Zz"}) + sentence({"Zz", "b", "d", "<eos>"}) +
                           sentence({"a", "b", "c"}) + sentence({"e", "e", "e", "e", "a"});
  const auto path = directory.write("t.conllu", text);
  const auto vocabulary = [&](std::size_t max_vocab) {
    const auto source = open_file_source(path, {.val_fraction = 0.25, .max_vocab = max_vocab});
    std::string all;
    for (std::size_t i = 0; i < source->vocab_size(); ++i) all += source->token_text(static_cast<int>(i)) + " ";
    return all;
  };
  CHECK(vocabulary(2048) == "<unk> <eos> b Zz a c d ");
  CHECK(vocabulary(6) == "<unk> <eos> b Zz a c ");
  CHECK(vocabulary(3) == "<unk> <eos> b ");

  const auto source = open_file_source(path, {.val_fraction = 0.25, .max_vocab = 5});
  Tokens train(13), val(6);
  std::vector<std::uint8_t> classes(13);
  source->eval_window(Split::kTrain, 0, train, classes);
  // <eos> as a word of the treebank is an unknown word, not the end of a sentence.
  CHECK(source->decode(train) == "b a Zz <eos> Zz b <unk> <unk> <eos> a b <unk> <eos>");
  CHECK(source->class_names()[classes[0]] == "noun");
  CHECK(source->class_names()[classes[3]] == "sentence-end");
  source->eval_window(Split::kVal, 0, val, {});
  CHECK(source->decode(val) == "<unk> <unk> <unk> <unk> a <eos>");
  CHECK(source->encode("  a b\tnever <eos>\n") == Tokens{4, 2, 0, 1});
  CHECK(source->memory_bytes() >= 19 * 3);
}

TEST_CASE("conllu_source: a .gz treebank is the treebank", "[file]") {
  const TemporaryDirectory directory;
  const std::string text = sentence({"uno", "dos"}) + sentence({"tres", "dos"});
  const auto plain = open_file_source(directory.write("t.conllu", text));
  const auto packed = open_file_source(directory.write("t.conllu.gz", gzip(text)));
  Tokens a(3), b(3);
  for (const auto split : {Split::kTrain, Split::kVal}) {
    plain->eval_window(split, 0, a, {});
    packed->eval_window(split, 0, b, {});
    CHECK(a == b);
  }
  CHECK(packed->vocab_size() == plain->vocab_size());
  CHECK(packed->sha256() != plain->sha256());
}

TEST_CASE("conllu_source: a malformed line is refused with its number and what it should be", "[file]") {
  const TemporaryDirectory directory;
  const auto refusal = [&](const std::string& line_4) {
    return refusal_of_opening(
        directory.write("b.conllu", "# one\n" + word("1", "a") + word("2", "b") + line_4 + "\n\n"));
  };
  const std::string start = directory.path("b.conllu:4: ");
  const auto line = [](const std::string& id, const std::string& form = "c", const std::string& upos = "NOUN") {
    std::string text = word(id, form, upos);
    text.pop_back();
    return text;
  };
  CHECK(refusal("3\tc\t_\tNOUN\t_\t_\t0\tdep\t_").says(start, {"9 columns", "10"}));
  CHECK(refusal(line("3") + "\t_").says(start, {"11 columns", "10"}));
  CHECK(refusal("3 c _ NOUN _ _ 0 dep _ _").says(start, {"1 columns", "tabs"}));
  CHECK(refusal(line("3", "")).says(start, {"column 2 (FORM) is empty"}));
  CHECK(refusal(line("3", "c", "")).says(start, {"column 4 (UPOS) is empty"}));
  CHECK(refusal(line("3", "c", "NOMEN")).says(start, {"UPOS is NOMEN", "universal tags"}));
  for (const char* id : {"4", "2", "x", "3x", "-3", "3-", "3-2", "2-3", "3-x", "3.1", "2.0", "2.", "2.x", "1.1",
                         "3-4-5", "99999999999999999999"}) {
    const auto found = refusal(line(id));
    INFO(found.message);
    CHECK(found.code == ErrorCode::kCorruptFile);
    CHECK(found.says(start, {("ID is " + std::string(id) + ", expected 3").c_str()}));
  }
  const auto wild = refusal(line("3", "c", std::string(5000, 'A') + "\x1b"));
  CHECK(wild.says(start, {"AAA..."}));
  CHECK(wild.message.size() < start.size() + 200);
  CHECK(refusal(line("3", "c\xFF")).says(start, {"0xff", "UTF-8"}));
  CHECK(refusal(line("3", std::string("c\0", 2))).says(start, {"NUL"}));
}

TEST_CASE("conllu_source: both parts have a sentence, and a treebank of fewer than two is refused", "[file]") {
  const TemporaryDirectory directory;
  const auto one = refusal_of_opening(directory.write("one.conllu", sentence({"a"})));
  CHECK(one.code == ErrorCode::kCorruptFile);
  CHECK(one.says(directory.path("one.conllu: "), {"1 sentence", "2"}));
  CHECK(refusal_of_opening(directory.write("none.conllu", "# c\n\n"))
            .says(directory.path("none.conllu: "), {"0 sentences"}));
  const auto source =
      open_file_source(directory.write("two.conllu", sentence({"a"}) + sentence({"b"})), {.val_fraction = 0.01});
  CHECK(source->num_eval_windows(Split::kTrain, 1) == 1);
  CHECK(source->num_eval_windows(Split::kVal, 1) == 1);
}
