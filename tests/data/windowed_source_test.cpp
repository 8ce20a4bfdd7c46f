// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/windowed_source.hpp"

#include <numeric>

#include "data/file/refusal.hpp"
#include "minimoe/core/random.hpp"
#include "support/catch.hpp"

using minimoe::Split;
using minimoe::test::refusal_of;
using Tokens = std::vector<std::int32_t>;

namespace {

// Token i is i, its class i mod 7.
class Counting final : public minimoe::WindowedSource {
 public:
  Counting(std::size_t num_tokens, std::size_t num_train)
      : WindowedSource({"some/where/counting.txt", "abc"}, num_tokens, num_train) {}
  std::size_t vocab_size() const override { return 1000; }
  std::string token_text(std::int32_t token) const override { return std::to_string(token); }
  Tokens encode(const std::string&) const override { return {}; }
  std::size_t memory_bytes() const override { return 0; }

 private:
  void copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const override {
    std::iota(tokens.begin(), tokens.end(), static_cast<std::int32_t>(begin));
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<std::uint8_t>((begin + i) % 7);
  }
};

}  // namespace

TEST_CASE("windowed_source: evaluation windows follow each other without overlap through their part", "[file]") {
  const Counting source(100, 70);
  REQUIRE(source.num_eval_windows(Split::kVal, 3) == 7);  // 30 tokens, 4 a window
  REQUIRE(source.num_eval_windows(Split::kTrain, 3) == 17);
  Tokens window(4);
  std::vector<std::uint8_t> classes(4);
  for (std::uint64_t i = 0; i < 7; ++i) {
    source.eval_window(Split::kVal, i, window, classes);
    CHECK(window.front() == 70 + 4 * static_cast<int>(i));
    CHECK(classes.back() == (window.front() + 3) % 7);
  }
  source.eval_window(Split::kTrain, 16, window, {});
  CHECK(window == Tokens{64, 65, 66, 67});
  CHECK(source.num_eval_windows(Split::kHeldOutVerbs, 3) == 0);
  CHECK(source.num_eval_windows(Split::kHeldOutCombinations, 3) == 0);
  CHECK_FALSE(source.entropy_floor(Split::kVal, 3, 1).has_value());
  CHECK(source.probes(Split::kVal, 10).empty());
  CHECK(source.name() == "counting.txt");
  CHECK(source.decode(Tokens{3, 12}) == "3 12");
}

TEST_CASE("windowed_source: training windows start at every token that leaves room, and at no other", "[file]") {
  const Counting source(100, 10);
  std::vector<int> starts(100);
  Tokens window(4);
  for (std::uint64_t i = 0; i < 700; ++i) {
    source.train_window(5, i, window, {});
    ++starts[static_cast<std::size_t>(window.front())];
  }
  // Starts 0 to 6 (6 + 4 = 10), each about 100 times; 6 standard deviations are 56.
  for (std::size_t start = 0; start < 100; ++start) {
    INFO(start);
    if (start <= 6) {
      CHECK(std::abs(starts[start] - 100) < 56);
    } else {
      CHECK(starts[start] == 0);
    }
  }
}

TEST_CASE("windowed_source: a training window depends on seed and index alone", "[file]") {
  const Counting source(100000, 90000);
  Tokens a(8), b(8);
  std::vector<std::uint8_t> classes(8);
  source.train_window(7, 41, a, classes);
  CHECK(classes[0] == a[0] % 7);
  CHECK(a[0] == static_cast<std::int32_t>(minimoe::RandomStream(7, "data.train").below(41, 90000 - 7)));
  source.train_window(7, 42, b, {});
  CHECK(a != b);
  source.train_window(8, 41, b, {});
  CHECK(a != b);
  source.train_window(7, 41, b, {});
  CHECK(a == b);
}

TEST_CASE("windowed_source: a part shorter than one window is refused with both sizes", "[file]") {
  Tokens window(11), fits(10);
  const Counting short_val(100, 90);
  CHECK(short_val.num_eval_windows(Split::kVal, 10) == 0);
  CHECK_NOTHROW(short_val.train_window(1, 0, fits, {}));
  const auto val = refusal_of([&] { short_val.train_window(1, 0, window, {}); });
  CHECK(val.code == minimoe::ErrorCode::kInvalidArgument);
  CHECK(val.says("some/where/counting.txt: the validation part has 10 of", {"needs 11", "seq_len 10"}));
  const Counting short_train(100, 10);
  CHECK_NOTHROW(short_train.train_window(1, 0, fits, {}));
  CHECK(refusal_of([&] {
          short_train.train_window(1, 0, window, {});
        }).says("some/where/counting.txt: the training part has 10 of", {"needs 11"}));
  CHECK(refusal_of([&] {
          short_val.eval_window(Split::kVal, 1, fits, {});
        }).says("token_source.eval_window: index is 1, expected below 1", {}));
  CHECK(refusal_of([&] {
          short_val.eval_window(Split::kHeldOutVerbs, 0, fits, {});
        }).says("token_source.eval_window: index is 0, expected below 0", {}));
}

TEST_CASE("windowed_source: spans of the wrong size are refused", "[file]") {
  const Counting source(100, 50);
  Tokens window(4), one(1);
  std::vector<std::uint8_t> three(3);
  CHECK(refusal_of([&] { source.train_window(1, 0, one, {}); }).says("token_source.train_window: tokens has 1 ", {}));
  CHECK(refusal_of([&] {
          source.train_window(1, 0, window, three);
        }).says("token_source.train_window: classes has 3 ", {"4"}));
  CHECK(refusal_of([&] {
          source.eval_window(Split::kVal, 0, window, three);
        }).says("token_source.eval_window: classes", {}));
  CHECK_FALSE(refusal_of([&] { source.num_eval_windows(Split::kVal, 0); }).message.empty());
  CHECK(source.num_eval_windows(Split::kVal, static_cast<std::size_t>(-1)) == 0);
}
