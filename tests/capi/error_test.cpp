// SPDX-License-Identifier: Apache-2.0
// What a caller reads in minimoe_error.
#include <minimoe.h>

#include <cstring>
#include <string>

#include "data/file/utf8.hpp"
#include "minimoe/core/exec.hpp"
#include "support/catch.hpp"

namespace {

// The message of an attempt to load a file that is not there.
std::string message_for(const std::string& path) {
  minimoe_model* model = nullptr;
  minimoe_error error;
  std::memset(&error, 'x', sizeof(error));
  CHECK(minimoe_model_load(path.c_str(), nullptr, &model, &error) == MINIMOE_E_IO);
  REQUIRE(std::memchr(error.message, '\0', sizeof(error.message)) != nullptr);
  return error.message;
}

}  // namespace

TEST_CASE("capi: a long path does not crowd the reason out of a message", "[capi]") {
  const std::string name(255, 'd'), reason = ": cannot open: ";
  for (const std::size_t depth : {2, 3, 4, 5, 40, 200}) {
    std::string path = "/first";
    for (std::size_t i = 0; i < depth; ++i) path += "/" + name;
    path += "/last";
    const std::string message = message_for(path);
    INFO(message);
    CHECK(message.substr(0, 7) == "/first/");
    CHECK(message.find("/last" + reason) != std::string::npos);
    CHECK(message.find("(errno ") != std::string::npos);
    CHECK((message.find(" ... ") != std::string::npos) == (depth > 3));
  }
}

TEST_CASE("capi: a message that is shortened is UTF-8", "[capi]") {
  for (const char* character : {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
    for (std::size_t shift = 0; shift < 4; ++shift) {
      std::string path = "/" + std::string(shift, 's');
      for (int i = 0; i < 1000; ++i) path += character;
      const std::string message = message_for(path);
      INFO(message);
      CHECK(minimoe::replace_ill_formed(message) == message);
      CHECK(message.find('?') == std::string::npos);
      CHECK(message.size() > 1010);
    }
  }
  const std::string message = message_for("/" + std::string(1500, '\xa9'));  // no beginning of any character
  CHECK(message.substr(0, 3) == "/??");
  CHECK(message.find("?: cannot open: ") != std::string::npos);
}

TEST_CASE("capi: an unknown instruction set or backend is answered with those that there are", "[capi]") {
  const auto message_of = [](std::int32_t minimoe_options::*field) {
    minimoe_options options;
    CHECK(minimoe_options_init(&options, sizeof(options), nullptr) == MINIMOE_OK);
    options.*field = 99;
    minimoe_model* model = nullptr;
    minimoe_error error;
    CHECK(minimoe_model_create(R"({"model": {"vocab_size": 2}})", 28, &options, &model, &error) ==
          MINIMOE_E_INVALID_ARGUMENT);
    return std::string(error.message);
  };
  const std::string sets = message_of(&minimoe_options::instruction_set);
  INFO(sets);
  CHECK(sets.find("instruction_set is 99") != std::string::npos);
  CHECK(sets.find("auto (0)") != std::string::npos);
  for (const minimoe::InstructionSet set : minimoe::available_instruction_sets()) {
    CHECK(sets.find(std::string(", ") + minimoe::instruction_set_name(set) + " (") != std::string::npos);
  }
  const std::string backends = message_of(&minimoe_options::matmul_backend);
  INFO(backends);
  CHECK(backends.find("matmul_backend is 99") != std::string::npos);
  CHECK(backends.find("native (0)") != std::string::npos);
}
