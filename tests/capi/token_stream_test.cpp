// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <minimoe.hpp>
#include <thread>

#include "capi/small_run.hpp"
#include "support/catch.hpp"
#include "support/started_threads.hpp"

namespace c = minimoe::capi::v0;
using namespace minimoe_test;

namespace {

std::vector<std::int32_t> rest(c::TokenStream& stream) {
  std::vector<std::int32_t> tokens;
  while (const auto token = stream.next()) tokens.push_back(*token);
  return tokens;
}

c::Options threads(int count) { return c::Options().num_threads(count); }

std::string seeded(int seed, const char* more = "") {
  return "{\"max_new_tokens\": 40, \"top_p\": 0.95, \"seed\": " + std::to_string(seed) + more + "}";
}

const std::vector<std::int32_t> kPrompt = {1, 2, 3};

template <class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const c::Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("capi: a stream gives the tokens of generate, and the logits of the whole text", "[capi]") {
  for (const int num_threads : {1, 2}) {
    const c::Model model(kSmallRun, threads(num_threads));
    for (const char* when_full : {"slide", "stop"}) {
      const std::string options = seeded(3, (std::string(", \"when_full\": \"") + when_full + "\"").c_str());
      const std::vector<std::int32_t> expected = model.generate(kPrompt, options);
      c::TokenStream stream = model.stream(kPrompt, options);
      std::vector<std::int32_t> text = kPrompt;
      CHECK(stream.logits().empty());
      CHECK(stream.tokens().empty());
      while (const auto token = stream.next()) {
        const std::size_t length = text.size();
        if (length <= 8) {
          const std::vector<float> all = model.forward(text, length);
          const std::vector<float> last(all.end() - 13, all.end());
          REQUIRE(stream.logits() == last);
        }
        text.push_back(*token);
      }
      CHECK(std::vector<std::int32_t>(text.begin() + 3, text.end()) == expected);
      CHECK(stream.tokens() == expected);
      const bool slides = when_full == std::string("slide");
      CHECK(expected.size() == (slides ? 40 : 6));  // max_seq_len is 8: the token after the eighth is the last
      const std::string info = stream.info();
      CHECK(info.find(slides ? "\"num_tokens\":43,\"end\":\"max_new_tokens\""
                             : "\"num_tokens\":9,\"end\":\"max_seq_len\"") != std::string::npos);
      CHECK_FALSE(stream.next());
    }
  }
}

TEST_CASE("capi: streams go on side by side over one model, each as if it were alone", "[capi][threads]") {
  const c::Model model(kSmallRun, threads(2));
  std::vector<std::vector<std::int32_t>> expected(4), found(4);
  const auto run = [&model](int seed, std::vector<std::int32_t>& tokens) {
    c::TokenStream stream = model.stream(kPrompt, seeded(seed, ", \"when_full\": \"slide\""));
    tokens = rest(stream);
  };
  for (int i = 0; i < 4; ++i) run(i, expected[static_cast<std::size_t>(i)]);
  CHECK(expected[0] != expected[1]);
  std::vector<std::thread> all;
  for (int i = 0; i < 4; ++i) all.emplace_back([&, i] { run(i, found[static_cast<std::size_t>(i)]); });
  for (std::thread& thread : all) thread.join();
  CHECK(found == expected);
}

TEST_CASE("capi: streams share one packed copy of the weights of their time, and draw the same tokens", "[capi]") {
  c::Model model(kSmallRun, threads(2));
  const auto stream_of = [&](const char* more) { return model.stream(kPrompt, seeded(4, more)); };
  const auto packed_bytes = [](const c::TokenStream& stream) {
    const std::string info = stream.info(), key = "\"packed_weights_bytes\":";
    return std::stoull(info.substr(info.find(key) + key.size()));
  };
  c::TokenStream plain = stream_of(", \"pack_weights\": false"), unasked = stream_of("");
  CHECK(packed_bytes(plain) == 0);
  CHECK(packed_bytes(unasked) == 0);  // 40 tokens
  c::TokenStream packed = stream_of(", \"pack_weights\": true"), beside = stream_of(", \"pack_weights\": true");
  CHECK(packed_bytes(packed) > 0);
  CHECK(packed_bytes(packed) == packed_bytes(beside));
  CHECK(packed_bytes(model.stream(kPrompt, R"({"max_new_tokens": 64})")) == packed_bytes(packed));
  CHECK(packed_bytes(model.stream(kPrompt, R"({"max_new_tokens": 63})")) == 0);
  const std::vector<std::int32_t> expected = rest(plain);
  CHECK(rest(packed) == expected);
  CHECK(rest(beside) == expected);

  // `packed` and `beside` live on with the copy of the old weights; a new stream must not have it.
  const std::string name = "head.weight";
  std::vector<float> head = model.parameter(name);
  std::reverse(head.begin(), head.end());
  model.set_parameter(name, head);
  const std::string slide = ", \"when_full\": \"stop\", \"pack_weights\": ";
  const std::vector<std::int32_t> now = model.generate(kPrompt, seeded(4, (slide + "false").c_str()));
  CHECK(now != expected);
  c::TokenStream after = stream_of(", \"pack_weights\": true");
  CHECK(rest(after) == now);
  CHECK(model.generate(kPrompt, seeded(4, (slide + "true").c_str())) == now);
  CHECK_THAT(message_of([&] { stream_of(", \"pack_weights\": 1"); }), ContainsSubstring("pack_weights"));
}

TEST_CASE("capi: a stream says so when its model has changed underneath", "[capi]") {
  c::Model model(kSmallRun, threads(1));
  c::TokenStream stream = model.stream(kPrompt, seeded(1)), other = model.stream(kPrompt, seeded(1));
  REQUIRE(stream.next());
  const std::string name = "blocks.1.moe.router.weight";
  model.set_parameter(name, model.parameter(name));
  for (c::TokenStream* each : {&stream, &other}) {
    CHECK(message_of([&] { each->next(); }) ==
          "minimoe_token_stream_next: the model's parameters have changed since the stream was made (generation 1, now "
          "2); make another one");
  }
  c::TokenStream again = model.stream(kPrompt, seeded(1));
  CHECK(rest(again) == model.generate(kPrompt, seeded(1, ", \"when_full\": \"stop\"")));
}

TEST_CASE("capi: a stream that has ended says so whatever has happened to its model or its token", "[capi]") {
  c::Model model(kSmallRun, threads(1));
  c::TokenStream stream = model.stream(kPrompt, R"({"max_new_tokens": 1})");
  REQUIRE(stream.next());
  CHECK(stream.info().find("\"end\":\"max_new_tokens\"") != std::string::npos);
  const std::string name = "blocks.1.moe.router.weight";
  model.set_parameter(name, model.parameter(name));
  c::CancelToken token;
  token.fire();
  CHECK_FALSE(stream.next());
  CHECK_FALSE(stream.next(&token));
}

TEST_CASE("capi: a stream goes on when more cores have become available", "[capi][threads]") {
  cpu_set_t all, one;
  REQUIRE(sched_getaffinity(0, sizeof(all), &all) == 0);
  if (CPU_COUNT(&all) < 2) return;  // nothing could become available
  CPU_ZERO(&one);
  for (std::size_t i = 0; CPU_COUNT(&one) == 0; ++i) {
    if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
  }
  REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
  const c::Model model(kSmallRun, threads(0));
  c::TokenStream stream = model.stream(kPrompt, seeded(2));
  REQUIRE(sched_setaffinity(0, sizeof(all), &all) == 0);
  CHECK(rest(stream) == model.generate(kPrompt, seeded(2, ", \"when_full\": \"stop\"")));
}

TEST_CASE("capi: a stream outlives its model's handle, is cancelled without a loss, and goes on in a forked child",
          "[capi][fork]") {
  auto model = std::make_unique<c::Model>(kSmallRun, threads(2));
  const std::vector<std::int32_t> expected = model->generate(kPrompt, seeded(2, ", \"when_full\": \"stop\""));
  c::TokenStream stream = model->stream(kPrompt, seeded(2));
  model.reset();
  CHECK(stream.next() == expected[0]);
  c::CancelToken token;
  token.fire();
  CHECK(message_of([&] { stream.next(&token); }) == "minimoe_token_stream_next: cancelled");
  let_threads_start();
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    for (std::size_t i = 1; i < expected.size(); ++i) {
      if (stream.next() != expected[i]) _exit(1);
    }
    _exit(0);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(rest(stream) == std::vector<std::int32_t>(expected.begin() + 1, expected.end()));
}

TEST_CASE("capi: each wrong option of a stream is one message with key, value and range", "[capi]") {
  const c::Model model(kSmallRun, threads(1));
  const auto refusal = [&](const std::string& json) { return message_of([&] { model.stream(kPrompt, json); }); };
  const std::string where = "minimoe_token_stream_create: json: ";
  CHECK(refusal(R"({"temperature": -1})") == where + "temperature: -1, expected a number 0..1e+06");
  CHECK(refusal(R"({"top_k": 14})") == where + "top_k: 14, expected an integer 0..13");
  CHECK(refusal(R"({"top_p": 1.5})") == where + "top_p: 1.5, expected a number 0..1");
  CHECK(refusal(R"({"seed": -1})") == where + "seed: -1, expected an integer 0..18446744073709551615");
  CHECK(refusal(R"({"stop_token": 13})") == where + "stop_token: 13, expected an integer -1..12");
  CHECK(refusal(R"({"max_new_tokens": -1})") == where + "max_new_tokens: -1, expected an integer 0..16777216");
  CHECK(refusal(R"({"when_full": "shift"})") == where + R"(when_full: "shift", expected "slide" or "stop")");
  CHECK(refusal(R"({"top_kk": 1})") == where + "top_kk: unknown key; did you mean top_k?");
  CHECK(message_of([&] { model.stream({}, "{}"); }) ==
        "minimoe_token_stream_create: the prompt is empty; at least one token is needed");
  CHECK(message_of([&] { model.stream(std::vector<std::int32_t>{13}, "{}"); }) ==
        "minimoe_token_stream_create: token 0 of the prompt is 13, expected 0 <= id < 13 (vocab_size)");
  CHECK(message_of([&] { model.stream(std::vector<std::int32_t>(9, 1), "{}"); }) ==
        "minimoe_token_stream_create: the prompt has 9 tokens, allowed 1..8 (max_seq_len) when the context does not "
        "slide");
}
