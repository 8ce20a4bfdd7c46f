// SPDX-License-Identifier: Apache-2.0
// Hidden: prints sentences and figures of the corpus for people. Run with [.print].
#include <chrono>
#include <iostream>

#include "minimoe/data/grammar_corpus.hpp"
#include "support/catch.hpp"

using namespace minimoe;

TEST_CASE("grammar corpus: prints sentences", "[.print]") {
  const auto corpus = make_grammar_corpus();
  for (const Split split : {Split::kTrain, Split::kVal, Split::kHeldOutVerbs, Split::kHeldOutCombinations}) {
    std::cout << "-- " << split_name(split) << '\n';
    for (std::uint64_t i = 0; i < (split == Split::kTrain ? 40u : 15u); ++i) {
      std::cout << corpus->decode(corpus->sentence(split, i).tokens);
    }
  }
}

TEST_CASE("grammar corpus: prints figures", "[.print]") {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point since) {
    return std::chrono::duration<double>(Clock::now() - since).count();
  };
  auto start = Clock::now();
  const auto corpus = make_grammar_corpus();
  std::cout << "construction " << seconds(start) << " s, " << corpus->memory_bytes() << " bytes, vocabulary "
            << corpus->vocab_size() << ", classes " << corpus->class_names().size() << '\n';
  start = Clock::now();
  std::cout << "sha256 " << corpus->sha256() << ' ' << seconds(start) << " s\n";
  for (const Split split : {Split::kTrain, Split::kVal, Split::kHeldOutVerbs, Split::kHeldOutCombinations}) {
    start = Clock::now();
    const double floor = *corpus->entropy_floor(split, 64, 200);
    std::cout << split_name(split) << " floor " << floor << " nats, " << seconds(start) << " s";
    double length = 0;
    for (std::uint64_t i = 0; i < 4000; ++i) length += static_cast<double>(corpus->sentence(split, i).tokens.size());
    std::cout << ", mean length " << length / 4000 << ", windows " << corpus->num_eval_windows(split, 64) << ", probes "
              << corpus->probes(split, 100000).size() << '\n';
  }
}
