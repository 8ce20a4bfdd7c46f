// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/file_source.hpp"

#include <cmath>

#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "support/catch.hpp"

using minimoe::ErrorCode;
using minimoe::FileFormat;
using minimoe::open_file_source;
using minimoe::Split;
using minimoe::test::gzip;
using minimoe::test::refusal_of_opening;
using minimoe::test::TemporaryDirectory;

TEST_CASE("file_source: the format follows the name unless it is forced", "[file]") {
  const TemporaryDirectory directory;
  const std::string tree = "1\ta\t_\tNOUN\t_\t_\t0\tdep\t_\t_\n\n1\tb\t_\tNOUN\t_\t_\t0\tdep\t_\t_\n\n";
  const auto vocab_size = [&](const std::string& name, const std::string& bytes,
                              FileFormat format = FileFormat::kAuto) {
    return open_file_source(directory.write(name, bytes), {.format = format})->vocab_size();
  };
  CHECK(vocab_size("a.conllu", tree) == 3);
  CHECK(vocab_size("a.conllu.gz", gzip(tree)) == 3);
  CHECK(vocab_size("a.txt", tree) == 256);
  CHECK(vocab_size("a.txt.gz", gzip(tree)) == 256);
  CHECK(vocab_size("a", tree) == 256);
  CHECK(vocab_size("bin", tree) == 256);
  CHECK(vocab_size("a.bin", "\2\1") == 259);
  CHECK(vocab_size("a.bin.gz", gzip("\2\1")) == 259);
  CHECK(vocab_size("a.txt", tree, FileFormat::kConllu) == 3);
  CHECK(vocab_size("a.conllu", tree, FileFormat::kText) == 256);
  CHECK(vocab_size("a.txt", "\2\1", FileFormat::kTokens) == 259);
}

TEST_CASE("file_source: val_fraction of the tokens, rounded, stands at the end for validation", "[file]") {
  const TemporaryDirectory directory;
  const auto path = directory.write("a.txt", std::string(1000, 'a'));
  for (const auto& [fraction, val] : {std::pair(0.1, 100u), {0.5, 500u}, {0.0126, 13u}, {0.0124, 12u}}) {
    const auto source = open_file_source(path, {.val_fraction = fraction});
    // Windows of two tokens.
    CHECK(source->num_eval_windows(Split::kVal, 1) == val / 2);
    CHECK(source->num_eval_windows(Split::kTrain, 1) == (1000 - val) / 2);
  }
}

TEST_CASE("file_source: all options out of range are named at once, before the file is looked at", "[file]") {
  for (const double bad : {0.0, -0.1, 1.01, std::nan(""), HUGE_VAL}) {
    const auto refusal = refusal_of_opening("missing.txt", {.val_fraction = bad});
    INFO(refusal.message);
    CHECK(refusal.code == ErrorCode::kInvalidArgument);
    CHECK(refusal.says("file_source: val_fraction is ", {"allowed above 0 up to 1"}));
  }
  for (const std::size_t bad : {0, 2, 65537}) {
    CHECK(refusal_of_opening("missing.txt", {.max_vocab = bad})
              .says("file_source: max_vocab is " + std::to_string(bad), {"3 to 65536"}));
  }
  const auto all = refusal_of_opening("missing.txt", {.val_fraction = 2, .max_vocab = 1, .vocab_size = 2000000});
  CHECK(all.says("file_source: ", {"val_fraction is 2", "max_vocab is 1", "vocab_size is 2000000"}));
  CHECK(refusal_of_opening("missing.txt", {.val_fraction = 0.5, .max_vocab = 65536, .vocab_size = 1048576}).code ==
        ErrorCode::kIo);
}
