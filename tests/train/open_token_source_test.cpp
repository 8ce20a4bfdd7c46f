// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/run_config.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace minimoe;

TEST_CASE("open_token_source: each format and option reaches the source that it names", "[run_config]") {
  const minimoe_test::TemporaryDirectory directory;
  const std::string path = directory.file("tokens.bin");
  std::string bytes;
  for (int i = 0; i < 400; ++i) bytes += "ab";
  minimoe_test::write_file(path, bytes);

  DataConfig data;
  data.corpus = path;
  CHECK(open_token_source(data)->vocab_size() == 0x6261 + 1);  // auto, by name: uint16 tokens, largest id + 1
  const std::uint64_t windows = open_token_source(data)->num_eval_windows(Split::kVal, 9);
  CHECK(windows > 0);
  data.val_fraction = 0.5;
  CHECK(open_token_source(data)->num_eval_windows(Split::kVal, 9) > windows);
  data.format = "text";
  CHECK(open_token_source(data)->vocab_size() == 256);

  const std::string conllu = directory.file("words.conllu");
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text += concat("1\tword", i, "\tword\tNOUN\t_\t_\t0\troot\t_\t_\n2\tagain\tagain\tADV\t_\t_\t1\tdep\t_\t_\n\n");
  }
  minimoe_test::write_file(conllu, text);
  data = DataConfig{};
  data.corpus = conllu;
  const std::size_t whole = open_token_source(data)->vocab_size();
  data.max_vocab = 10;
  CHECK(open_token_source(data)->vocab_size() == 10);
  CHECK(whole > 10);
}

TEST_CASE("open_token_source: the grammar corpus speaks the languages that are asked for", "[run_config]") {
  DataConfig data;
  data.num_eval_sentences = 50;
  const std::size_t both = open_token_source(data)->vocab_size();
  data.languages = {"en"};
  const std::size_t english = open_token_source(data)->vocab_size();
  data.languages = {"es"};
  const std::size_t spanish = open_token_source(data)->vocab_size();
  CHECK(english < both);
  CHECK(spanish < both);
  CHECK(open_token_source(data)->name() == "grammar");
}

TEST_CASE("open_token_source: a bad configuration is refused before anything is opened", "[run_config]") {
  DataConfig data;
  data.corpus = "/no/such/file";
  data.val_fraction = 1.5;
  data.format = "binary";
  std::string message;
  try {
    open_token_source(data);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    message = error.what();
  }
  CHECK(message.find("data.format: \"binary\"") != std::string::npos);
  CHECK(message.find("data.val_fraction: 1.5") != std::string::npos);
  data = DataConfig{};
  data.corpus = "/no/such/file";
  try {
    open_token_source(data);
    FAIL("opened");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kIo);
  }
}
