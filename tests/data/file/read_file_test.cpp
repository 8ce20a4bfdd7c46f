// SPDX-License-Identifier: Apache-2.0
#include "data/file/read_file.hpp"

#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "minimoe/core/random.hpp"
#include "support/catch.hpp"

using minimoe::ErrorCode;
using minimoe::read_file;
using minimoe::test::gzip;
using minimoe::test::refusal_of;
using minimoe::test::TemporaryDirectory;

namespace {

// Compressible and longer than any buffer of the reader.
std::string long_text() {
  std::string text;
  const minimoe::RandomStream stream(1, "words");
  for (std::uint64_t i = 0; i < 400000; ++i) text += static_cast<char>('a' + stream.below(i, 7));
  return text + text + text;
}

}  // namespace

TEST_CASE("read_file: the content is the file's, held in one allocation of its size", "[file]") {
  const TemporaryDirectory directory;
  const auto content = read_file(directory.write("a.txt", std::string_view("a\0b\r\n", 5)));
  CHECK(content.view() == std::string_view("a\0b\r\n", 5));
  CHECK(content.capacity == 5);
}

TEST_CASE("read_file: sha256 is of the bytes on disk, so a .gz and its text differ", "[file]") {
  const TemporaryDirectory directory;
  // FIPS 180-2, appendix B.1.
  const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  CHECK(read_file(directory.write("abc", "abc")).sha256 == abc);
  const std::string compressed = gzip("abc");
  const auto content = read_file(directory.write("abc.gz", compressed));
  CHECK(content.view() == "abc");
  CHECK(content.sha256 == read_file(directory.write("raw", compressed)).sha256);
}

TEST_CASE("read_file: .gz files decompress whole, also long ones, several members and a size stated wrong", "[file]") {
  const TemporaryDirectory directory;
  const std::string text = long_text();
  const std::string compressed = gzip(text);
  const auto one = read_file(directory.write("one.gz", compressed));
  CHECK(one.view() == text);
  CHECK(one.capacity == text.size() + 1);
  CHECK(read_file(directory.write("two.gz", compressed + gzip("tail"))).view() == text + "tail");
  CHECK(read_file(directory.write("empty-last.gz", gzip("head") + gzip(""))).view() == "head");
}

TEST_CASE("read_file: damaged .gz files are refused", "[file]") {
  const TemporaryDirectory directory;
  const std::string compressed = gzip(long_text());
  for (const std::size_t kept : {std::size_t{1}, std::size_t{9}, std::size_t{30}, compressed.size() / 2,
                                 compressed.size() - 8, compressed.size() - 1}) {
    const auto path = directory.write("cut.gz", compressed.substr(0, kept));
    const auto refusal = refusal_of([&] { read_file(path); });
    INFO(kept << ": " << refusal.message);
    CHECK(refusal.code == ErrorCode::kCorruptFile);
    CHECK(refusal.says(path + ": gzip data ends early", {"truncated"}));
  }
  std::string flipped = compressed;
  flipped[flipped.size() - 5] ^= 1;  // in the checksum
  const auto path = directory.write("flipped.gz", flipped);
  CHECK(refusal_of([&] { read_file(path); }).says(path + ": gzip data is damaged", {"incorrect data check"}));
  const auto plain = directory.write("plain.gz", "plain text under a wrong name");
  CHECK(refusal_of([&] { read_file(plain); }).says(plain + ": gzip data is damaged", {"header"}));
  const auto trailing = directory.write("trailing.gz", gzip("abc") + "garbage");
  CHECK(refusal_of([&] { read_file(trailing); }).says(trailing + ": gzip data is damaged", {}));
}

TEST_CASE("read_file: what is no readable file is refused by name", "[file]") {
  const TemporaryDirectory directory;
  const auto missing = refusal_of([&] { read_file(directory.path("missing.txt")); });
  CHECK(missing.code == ErrorCode::kIo);
  CHECK(missing.says(directory.path("missing.txt"), {"no such file"}));
  const auto below_file = directory.write("file", "x") + "/below";
  CHECK(refusal_of([&] { read_file(below_file); }).code == ErrorCode::kIo);
  const auto folder = refusal_of([&] { read_file(directory.path("")); });
  CHECK(folder.code == ErrorCode::kIo);
  CHECK(folder.says(directory.path(""), {"is a directory"}));
  CHECK(refusal_of([] { read_file("/dev/null"); }).says("/dev/null: ", {"regular file"}));
  const auto empty = refusal_of([&] { read_file(directory.write("empty.txt", "")); });
  CHECK(empty.code == ErrorCode::kCorruptFile);
  CHECK(empty.says(directory.path("empty.txt"), {"is empty"}));
  CHECK(refusal_of([&] {
          read_file(directory.write("empty.gz", gzip("")));
        }).says(directory.path("empty.gz"), {"is empty"}));
}
