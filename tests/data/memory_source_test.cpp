// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/memory_source.hpp"

#include <cmath>
#include <numeric>

#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/counting_resource.hpp"

using minimoe::ErrorCode;
using minimoe::MemorySource;
using minimoe::Split;
using minimoe::test::CountingResource;
using minimoe::test::refusal_of;
using Tokens = std::vector<std::int32_t>;
using Narrow = std::vector<std::uint16_t>;
using Classes = std::vector<std::uint8_t>;

namespace {

constexpr std::span<const std::uint8_t> kNone;

Tokens counting(std::size_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

Tokens eval_window(const minimoe::TokenSource& source, Split split, std::uint64_t index, std::size_t size) {
  Tokens window(size);
  source.eval_window(split, index, window, {});
  return window;
}

Tokens train_window(const minimoe::TokenSource& source, std::uint64_t seed, std::uint64_t index) {
  Tokens window(5);
  source.train_window(seed, index, window, {});
  return window;
}

// Gives memory until `budget` is spent.
class Limited final : public std::pmr::memory_resource {
 public:
  int budget = 1 << 30;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (budget-- <= 0) throw std::bad_alloc();
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

TEST_CASE("memory_source: tokens appended in pieces, borrowed or read from a file give the same windows", "[data]") {
  const Tokens tokens = counting(1000);
  const Narrow narrow(tokens.begin(), tokens.end());
  std::string bytes;
  for (const auto token : tokens) bytes += {static_cast<char>(token & 255), static_cast<char>(token >> 8)};
  const minimoe::test::TemporaryDirectory directory;
  const auto file = minimoe::open_file_source(directory.write("t.bin", bytes), {.val_fraction = 0.25});

  MemorySource grown({.vocab_size = 1000, .val_fraction = 0.25});
  MemorySource wide({.vocab_size = 70000, .val_fraction = 0.25});
  for (std::size_t begin = 0; begin < 1000; begin += 100) {
    grown.append(std::span(tokens).subspan(begin, 100), kNone);
    wide.append(std::span(narrow).subspan(begin, 100), kNone);
  }
  const MemorySource borrowed({.vocab_size = 1000, .val_fraction = 0.25}, std::span<const std::int32_t>(tokens), kNone);
  const MemorySource borrowed_narrow({.vocab_size = 1000, .val_fraction = 0.25}, std::span<const std::uint16_t>(narrow),
                                     kNone);
  for (const minimoe::TokenSource* source :
       std::initializer_list<const minimoe::TokenSource*>{&grown, &wide, &borrowed, &borrowed_narrow}) {
    CHECK(source->num_eval_windows(Split::kVal, 4) == 50);
    for (std::uint64_t i = 0; i < 50; ++i) {
      CHECK(train_window(*source, 3, i) == train_window(*file, 3, i));
      CHECK(eval_window(*source, Split::kVal, i, 5) == eval_window(*file, Split::kVal, i, 5));
    }
    CHECK(source->sha256().empty());
    CHECK(source->name() == "memory");
  }
  CHECK(borrowed.memory_bytes() == 0);
}

TEST_CASE("memory_source: what was appended moves the border between training and validation", "[data]") {
  MemorySource source({.vocab_size = 100, .val_fraction = 0.5});
  const Tokens tokens = counting(20);
  source.append(std::span(tokens).first(10), kNone);
  CHECK(eval_window(source, Split::kVal, 0, 5) == Tokens{5, 6, 7, 8, 9});
  source.append(std::span(tokens).last(10), kNone);
  CHECK(eval_window(source, Split::kVal, 0, 5) == Tokens{10, 11, 12, 13, 14});
  CHECK(eval_window(source, Split::kTrain, 1, 5) == Tokens{5, 6, 7, 8, 9});
}

TEST_CASE("memory_source: a token keeps its class through appending and borrowing", "[data]") {
  const std::vector<std::string> names = {"even", "odd"};
  const Tokens tokens = counting(40);
  Classes classes(40);
  for (std::size_t i = 0; i < 40; ++i) classes[i] = i % 2;
  MemorySource grown({.vocab_size = 40, .val_fraction = 0, .class_names = names});
  grown.append(std::span(tokens).first(7), std::span(classes).first(7));
  grown.append(std::span(tokens).last(33), std::span(classes).last(33));
  const MemorySource borrowed({.vocab_size = 40, .val_fraction = 0, .class_names = names},
                              std::span<const std::int32_t>(tokens), classes);
  for (const MemorySource* source : {static_cast<const MemorySource*>(&grown), &borrowed}) {
    CHECK(source->class_names() == names);
    Tokens window(5);
    Classes window_classes(5);
    for (std::uint64_t i = 0; i < 20; ++i) {
      source->train_window(1, i, window, window_classes);
      for (std::size_t j = 0; j < 5; ++j) CHECK(window_classes[j] == window[j] % 2);
    }
  }
}

TEST_CASE("memory_source: without a validation share all tokens train, with one a window of it must exist", "[data]") {
  const Tokens tokens = counting(6);
  MemorySource all({.vocab_size = 6, .val_fraction = 0});
  all.append(tokens, kNone);
  CHECK(all.num_eval_windows(Split::kVal, 1) == 0);
  CHECK_NOTHROW(train_window(all, 1, 0));
  MemorySource some({.vocab_size = 6, .val_fraction = 0.1});
  some.append(tokens, kNone);
  CHECK(refusal_of([&] { train_window(some, 1, 0); }).says("memory: the validation part has 1 of 6", {"needs 5"}));
  const MemorySource empty({.vocab_size = 6});
  CHECK(refusal_of([&] { train_window(empty, 1, 0); }).says("memory: the training part has 0 of 0", {"needs 5"}));
}

TEST_CASE("memory_source: a refused append leaves the source as it was", "[data]") {
  MemorySource source({.vocab_size = 10, .val_fraction = 0, .class_names = {"a", "b"}});
  source.append(Tokens{1, 2, 3}, Classes{0, 1, 0});
  const auto refuse = [&](const Tokens& tokens, const Classes& classes, ErrorCode code, const char* part) {
    const auto refusal = refusal_of([&] { source.append(std::span<const std::int32_t>(tokens), classes); });
    INFO(refusal.message);
    CHECK(refusal.code == code);
    CHECK(refusal.says("memory_source: ", {part}));
  };
  refuse({4, 10}, {0, 0}, ErrorCode::kInvalidArgument, "token 1 (from 0) is 10, expected 0 to 9");
  refuse({4, 5, -1}, {0, 0, 0}, ErrorCode::kInvalidArgument, "token 2 (from 0) is -1");
  refuse({4, 5}, {0, 2}, ErrorCode::kInvalidArgument, "class 1 (from 0) is 2, expected 0 to 1");
  refuse({4, 5}, {0}, ErrorCode::kShape, "1 classes for 2 tokens, expected 2");
  refuse({4, 5}, {}, ErrorCode::kShape, "0 classes for 2 tokens");
  CHECK(source.num_eval_windows(Split::kTrain, 2) == 1);
  CHECK(source.num_eval_windows(Split::kTrain, 3) == 0);
  CHECK(eval_window(source, Split::kTrain, 0, 3) == Tokens{1, 2, 3});

  MemorySource plain({.vocab_size = 10});
  CHECK(refusal_of([&] { plain.append(Tokens{1}, Classes{0}); }).code == ErrorCode::kShape);
  const Tokens borrowed_tokens = {1, 2};
  MemorySource borrowed({.vocab_size = 10}, std::span<const std::int32_t>(borrowed_tokens), kNone);
  CHECK(refusal_of([&] { borrowed.append(Tokens{1}, kNone); }).code == ErrorCode::kUnsupported);
  CHECK(refusal_of([&] {
          MemorySource({.vocab_size = 2}, std::span<const std::int32_t>(borrowed_tokens), kNone);
        }).says("memory_source: token 1 (from 0) is 2, expected 0 to 1", {}));
}

TEST_CASE("memory_source: an append that memory refuses at any of its allocations changes nothing", "[data]") {
  Limited memory;
  MemorySource source({.vocab_size = 10, .val_fraction = 0, .class_names = {"a"}, .resource = &memory});
  source.append(Tokens{1, 2, 3}, Classes{0, 0, 0});
  const Tokens more(100, 4);
  const Classes classes(100, 0);
  for (int budget = 0; budget < 2; ++budget) {
    memory.budget = budget;
    CHECK_THROWS_AS(source.append(std::span<const std::int32_t>(more), classes), std::bad_alloc);
    CHECK(source.num_eval_windows(Split::kTrain, 2) == 1);
    CHECK(eval_window(source, Split::kTrain, 0, 3) == Tokens{1, 2, 3});
  }
  memory.budget = 1;  // the tokens' room was made in the second attempt
  CHECK_NOTHROW(source.append(std::span<const std::int32_t>(more), classes));
  CHECK(eval_window(source, Split::kTrain, 1, 3) == Tokens{4, 4, 4});
}

TEST_CASE("memory_source: appended tokens come from its resource, two bytes each when ids fit, and go back", "[data]") {
  CountingResource memory;
  {
    MemorySource narrow({.vocab_size = 65536, .resource = &memory});
    narrow.append(counting(1000), kNone);
    CHECK(memory.current() == 2000);
    CHECK(narrow.memory_bytes() == 2000);
    MemorySource wide({.vocab_size = 65537, .resource = &memory});
    wide.append(Tokens{65536}, kNone);
    CHECK(memory.current() == 2004);
    wide.append(Tokens{1}, kNone);
    CHECK(eval_window(wide, Split::kTrain, 0, 2) == Tokens{65536, 1});
  }
  CHECK(memory.current() == 0);
}

TEST_CASE("memory_source: text is ids in decimal", "[data]") {
  const MemorySource source({.vocab_size = 100000});
  CHECK(source.encode(" 7 99999\n0 ") == Tokens{7, 99999, 0});
  CHECK(source.decode(Tokens{7, 99999, 0}) == "7 99999 0");
  CHECK(refusal_of([&] { source.encode("7 100000"); }).says("token_source.encode: \"100000\"", {"0 to 99999"}));
  CHECK(refusal_of([&] { source.decode(Tokens{-1}); }).says("token_source.token_text: token is -1", {}));
}

TEST_CASE("memory_source: all options out of range are named at once", "[data]") {
  const auto refusal = refusal_of([] {
    MemorySource(
        {.vocab_size = 0, .val_fraction = std::nan(""), .name = "", .class_names = std::vector<std::string>(257)});
  });
  CHECK(refusal.code == ErrorCode::kInvalidArgument);
  for (const char* part : {"vocab_size is 0, allowed 1 to 2147483647", "val_fraction is nan", "name is empty",
                           "class_names has 257 names, allowed at most 256"}) {
    INFO(refusal.message);
    CHECK(refusal.message.find(part) != std::string::npos);
  }
}
