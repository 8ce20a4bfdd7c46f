// SPDX-License-Identifier: Apache-2.0
// A dataset of the C interface, and short ways to ask it.
#pragma once

#include <minimoe.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace minimoe_test {

using Ids = std::vector<std::int32_t>;
using Classes = std::vector<std::uint8_t>;

// An owner of a dataset, and what the last call said.
struct Dataset {
  minimoe_dataset* handle = nullptr;
  minimoe_error error{};

  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  ~Dataset() { minimoe_dataset_free(handle); }

  minimoe_status create(const std::string& text) {
    return minimoe_dataset_create(text.data(), text.size(), nullptr, &handle, &error);
  }
  minimoe_status open(const std::string& text, const minimoe_options* options = nullptr) {
    return minimoe_dataset_open(text.data(), text.size(), options, &handle, &error);
  }
  minimoe_status append(const Ids& tokens, const Classes& classes = {}) {
    return minimoe_dataset_append_i32(handle, tokens.data(), tokens.size(), classes.data(), classes.size(), &error);
  }
  std::string message() const { return error.message; }

  struct Window {
    Ids ids;
    Classes labels;
    bool operator==(const Window&) const = default;
  };
  // The window, or none with `error` set.
  Window window(const char* split, std::uint64_t seed, std::uint64_t index, std::size_t seq_len) {
    Window w{Ids(seq_len + 1), Classes(seq_len + 1)};
    std::size_t num_ids = 0, num_labels = 0;
    const minimoe_status status =
        minimoe_dataset_window(handle, split, seed, index, seq_len, w.ids.data(), w.ids.size(), &num_ids,
                               w.labels.data(), w.labels.size(), &num_labels, &error);
    if (status != MINIMOE_OK) return {};
    w.ids.resize(num_ids);
    w.labels.resize(num_labels);
    return w;
  }
  Ids encode(const std::string& text) {
    Ids ids(text.size() + 1);
    std::size_t count = 0;
    REQUIRE(minimoe_dataset_encode(handle, text.data(), text.size(), ids.data(), ids.size(), &count, &error) == 0);
    ids.resize(count);
    return ids;
  }
  std::uint64_t num_windows(const char* split, std::size_t seq_len) {
    std::uint64_t count = 99;
    REQUIRE(minimoe_dataset_num_windows(handle, split, seq_len, &count, &error) == MINIMOE_OK);
    return count;
  }
};

// Asks for the size of a text, then for the text.
template <class Call>
std::string text_of(const Call& call) {
  std::size_t needed = 0;
  REQUIRE(call(nullptr, 0, &needed) == MINIMOE_E_BUFFER_TOO_SMALL);
  std::string text(needed, '?');
  std::size_t written = 0;
  REQUIRE(call(text.data(), text.size(), &written) == MINIMOE_OK);
  REQUIRE(written == needed);
  REQUIRE(text.back() == '\0');
  text.pop_back();
  return text;
}

inline nlohmann::json info(const Dataset& d) {
  return nlohmann::json::parse(
      text_of([&](char* buf, size_t cap, size_t* n) { return minimoe_dataset_info(d.handle, buf, cap, n, nullptr); }));
}

inline std::string decode(const Dataset& d, const Ids& ids) {
  return text_of([&](char* buf, size_t cap, size_t* n) {
    return minimoe_dataset_decode(d.handle, ids.data(), ids.size(), buf, cap, n, nullptr);
  });
}

inline std::string tokenizer(const Dataset& d) {
  return text_of(
      [&](char* buf, size_t cap, size_t* n) { return minimoe_dataset_tokenizer(d.handle, buf, cap, n, nullptr); });
}

inline constexpr const char* kGrammar = R"({"data": {"num_eval_sentences": 50}})";

inline Ids counting(std::size_t count) {
  Ids ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int32_t>(i);
  return ids;
}

}  // namespace minimoe_test
