// SPDX-License-Identifier: Apache-2.0
#include "capi/dataset_owner.hpp"
#include "data/file/temporary_directory.hpp"

using json = nlohmann::json;
using namespace minimoe_test;

TEST_CASE("capi dataset: a window too large for either buffer sets both counts and writes neither", "[capi]") {
  Dataset d, plain;
  REQUIRE(d.create(R"({"vocab_size": 100, "val_fraction": 0.5, "class_names": ["a"]})") == MINIMOE_OK);
  REQUIRE(d.append(counting(100), Classes(100, 0)) == MINIMOE_OK);
  REQUIRE(plain.create(R"({"vocab_size": 100, "val_fraction": 0.5})") == MINIMOE_OK);
  REQUIRE(plain.append(counting(100)) == MINIMOE_OK);
  for (const char* split : {"train", "val"}) {
    for (const auto& [ids_cap, labels_cap] : std::vector<std::pair<std::size_t, std::size_t>>{{4, 5}, {5, 4}, {0, 0}}) {
      Ids ids(5, -7);
      Classes labels(5, 77);
      std::size_t num_ids = 0, num_labels = 0;
      CHECK(minimoe_dataset_window(d.handle, split, 1, 2, 4, ids.data(), ids_cap, &num_ids, labels.data(), labels_cap,
                                   &num_labels, &d.error) == MINIMOE_E_BUFFER_TOO_SMALL);
      CHECK(num_ids == 5);
      CHECK(num_labels == 5);
      CHECK(ids == Ids(5, -7));
      CHECK(labels == Classes(5, 77));
    }
    Ids ids(5);
    std::size_t num_labels = 9;
    CHECK(minimoe_dataset_window(plain.handle, split, 1, 2, 4, ids.data(), 5, nullptr, nullptr, 0, &num_labels,
                                 &d.error) == MINIMOE_OK);
    CHECK(num_labels == 0);
    CHECK(d.window(split, 1, 2, 4).ids == ids);
  }
  Ids shared(10);
  CHECK(minimoe_dataset_window(d.handle, "val", 1, 2, 4, shared.data(), 5, nullptr,
                               reinterpret_cast<std::uint8_t*>(shared.data()), 5, nullptr,
                               &d.error) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(shared == Ids(10));
}

TEST_CASE("capi dataset: windows that do not exist are refused with what does", "[capi]") {
  Dataset d;
  REQUIRE(d.create(R"({"vocab_size": 100})") == MINIMOE_OK);
  d.window("train", 0, 0, 4);
  CHECK(d.error.code == MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(d.message(), ContainsSubstring("memory: the training part has 0 of 0 tokens, a window needs 5"));
  REQUIRE(d.append(counting(100)) == MINIMOE_OK);
  CHECK(d.num_windows("train", 4) == 0);
  CHECK(d.num_windows("val", 4) == 2);
  CHECK(d.num_windows("val", 1 << 20) == 0);
  CHECK(d.num_windows("held-out-verbs", 4) == 0);
  d.window("val", 0, 2, 4);
  CHECK_THAT(d.message(), ContainsSubstring("index is 2, but val of memory has 2 windows of seq_len 4"));
  d.window("test", 0, 0, 4);
  CHECK_THAT(d.message(), ContainsSubstring("minimoe_dataset_window: split \"test\" is unknown, expected train, val, "
                                            "held-out-verbs or held-out-combinations"));
  std::uint64_t count = 7;
  for (const std::size_t bad : {std::size_t{0}, (std::size_t{1} << 20) + 1, static_cast<std::size_t>(-1)}) {
    CHECK(minimoe_dataset_num_windows(d.handle, "val", bad, &count, &d.error) == MINIMOE_E_INVALID_ARGUMENT);
    CHECK_THAT(d.message(), ContainsSubstring("expected 1..1048576"));
    CHECK(minimoe_dataset_window(d.handle, "train", 0, 0, bad, nullptr, 0, nullptr, nullptr, 0, nullptr, &d.error) ==
          MINIMOE_E_INVALID_ARGUMENT);
  }
  CHECK(minimoe_dataset_num_windows(d.handle, "test", 4, &count, &d.error) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(minimoe_dataset_num_windows(d.handle, nullptr, 4, &count, &d.error) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(minimoe_dataset_num_windows(d.handle, "val", 4, nullptr, &d.error) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(count == 7);
}

TEST_CASE("capi dataset: a configuration is fitted to the data's vocabulary, or refused", "[capi]") {
  Dataset d;
  REQUIRE(d.create(R"({"vocab_size": 300})") == MINIMOE_OK);
  const auto fit = [&](const std::string& text, char* buf, size_t cap, size_t* needed) {
    return minimoe_dataset_fit_config(d.handle, text.data(), text.size(), buf, cap, needed, &d.error);
  };
  const std::string lab = R"({"train": {"seq_len": 64}})";
  char unwritten[8] = "as it w";
  CHECK(fit(lab, unwritten, 8, nullptr) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(d.message(), ContainsSubstring("the training part has 0 of 0 tokens, a window needs 65"));
  CHECK(std::string(unwritten) == "as it w");
  REQUIRE(d.append(Ids(1000, 299)) == MINIMOE_OK);
  const auto fitted = [&](const std::string& text) {
    return json::parse(text_of([&](char* buf, size_t cap, size_t* n) { return fit(text, buf, cap, n); }));
  };
  CHECK(fitted(lab)["model"]["vocab_size"] == 300);
  CHECK(fitted(lab)["train"]["seq_len"] == 64);
  CHECK(fitted(R"({"model": {"vocab_size": 512}})")["model"]["vocab_size"] == 512);
  CHECK(fit(R"({"model": {"vocab_size": 299}})", unwritten, 8, nullptr) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(d.message(), ContainsSubstring("model.vocab_size: 299, but memory has token ids up to 299"));
  CHECK(fit(R"({"train": {"seq_len": 901}, "model": {"max_seq_len": 1024}})", unwritten, 8, nullptr) ==
        MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(d.message(), ContainsSubstring("has 900 of 1000 tokens, a window needs 902"));
  CHECK(std::string(unwritten) == "as it w");
}

TEST_CASE("capi dataset: decoded text is UTF-8 whatever the tokens are", "[capi]") {
  const minimoe::test::TemporaryDirectory directory;
  Dataset d;
  const json config = {{"data", {{"corpus", directory.write("a.txt", "año")}}}};
  REQUIRE(d.open(config.dump()) == MINIMOE_OK);
  CHECK(d.encode("año") == Ids{'a', 0xC3, 0xB1, 'o'});
  CHECK(decode(d, {'a', 0xC3, 0xB1, 'o'}) == "año");
  CHECK(decode(d, {0xC3, 'o', 0xB1, 0}) == "\xEF\xBF\xBDo\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(decode(d, {0xE2, 0x82}) == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(decode(d, {}).empty());
  const Ids bad = {'a', 256};
  CHECK(minimoe_dataset_decode(d.handle, bad.data(), 2, nullptr, 0, nullptr, &d.error) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(d.message(), ContainsSubstring("token is 256"));
  CHECK(info(d)["name"] == "a.txt");
  CHECK(info(d)["sha256"].get<std::string>().size() == 64);
}

TEST_CASE("capi dataset: the grammar corpus gives its sentences and its entropy floor, a list of tokens neither",
          "[capi]") {
  Dataset grammar, memory;
  REQUIRE(grammar.open(kGrammar) == MINIMOE_OK);
  CHECK(info(grammar)["splits"] == json{"val", "held-out-verbs", "held-out-combinations"});
  const auto sentence = [&](const Dataset& d, const char* split, std::uint64_t index) {
    return json::parse(text_of([&](char* buf, size_t cap, size_t* n) {
      return minimoe_dataset_sentence(d.handle, split, 1, index, buf, cap, n, nullptr);
    }));
  };
  // A training window begins with the sentence of its number times 2^20.
  const json first = sentence(grammar, "train", 0);
  const Ids tokens = first["tokens"].get<Ids>();
  REQUIRE(tokens.size() > 1);
  const Dataset::Window window = grammar.window("train", 1, 0, tokens.size() - 1);
  CHECK(window.ids == tokens);
  CHECK(window.labels == first["classes"].get<Classes>());
  CHECK(grammar.encode(decode(grammar, tokens)) == tokens);
  CHECK_FALSE(first["kind"].get<std::string>().empty());
  CHECK(minimoe_dataset_sentence(grammar.handle, "val", 0, 50, nullptr, 0, nullptr, &grammar.error) ==
        MINIMOE_E_INVALID_ARGUMENT);

  const std::uint64_t count = grammar.num_windows("val", 8);
  double all = -1, counted = -2, one = -3;
  CHECK(minimoe_dataset_entropy_floor(grammar.handle, "val", 8, 0, &all, &grammar.error) == MINIMOE_OK);
  CHECK(minimoe_dataset_entropy_floor(grammar.handle, "val", 8, count, &counted, &grammar.error) == MINIMOE_OK);
  CHECK(minimoe_dataset_entropy_floor(grammar.handle, "val", 8, 1, &one, &grammar.error) == MINIMOE_OK);
  CHECK(all == counted);
  CHECK(all != one);
  CHECK(all > 0);
  double untouched = 5;
  CHECK(minimoe_dataset_entropy_floor(grammar.handle, "val", 8, count + 1, &untouched, &grammar.error) ==
        MINIMOE_E_INVALID_ARGUMENT);
  for (const std::uint64_t bad : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    CHECK(minimoe_dataset_entropy_floor(grammar.handle, "train", 8, bad, &untouched, &grammar.error) ==
          MINIMOE_E_INVALID_ARGUMENT);
  }
  REQUIRE(memory.create(R"({"vocab_size": 5})") == MINIMOE_OK);
  CHECK(minimoe_dataset_entropy_floor(memory.handle, "val", 8, 0, &untouched, &memory.error) == MINIMOE_E_UNSUPPORTED);
  CHECK(minimoe_dataset_sentence(memory.handle, "val", 0, 0, nullptr, 0, nullptr, &memory.error) ==
        MINIMOE_E_UNSUPPORTED);
  CHECK(untouched == 5);
}
