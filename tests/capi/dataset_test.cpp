// SPDX-License-Identifier: Apache-2.0
#include "dataset.hpp"

#include "capi/dataset_owner.hpp"
#include "data/file/temporary_directory.hpp"

using json = nlohmann::json;
using namespace minimoe_test;

TEST_CASE("capi dataset: JSON of a dataset in memory is refused with path, value and range", "[capi]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{}", "vocab_size: left out, expected an integer 1..2147483647"},
      {"", "vocab_size: left out"},
      {R"({"vocab_size": 0})", "vocab_size: 0, expected an integer 1..2147483647"},
      {R"({"vocab_size": 2147483648})", "vocab_size: 2147483648, expected"},
      {R"({"vocab_size": -1})", "vocab_size: -1, expected"},
      {R"({"vocab_size": "5"})", "vocab_size: \"5\" (a string), expected an integer"},
      {R"({"vocab_size": 5, "val_fraction": 0.6})", "val_fraction: 0.6, expected a number 0..0.5"},
      {R"({"vocab_size": 5, "val_fraction": 1e999})", "json: line 1"},
      {R"({"vocab_size": 5, "name": ""})", "name is empty"},
      {R"({"vocab_size": 5, "class_names": "a"})", "class_names: \"a\" (a string), expected a list of at most 256"},
      {R"({"vocab_size": 5, "class_names": [1]})", "class_names: a list, expected a list of at most 256 texts"},
      {R"({"vocab_size": 5, "vocab_size": 6})", "vocab_size: stands there twice"},
      {R"({"vocabsize": 5, "vocab_size": 5})", "vocabsize: unknown key; did you mean vocab_size?"},
      {R"({"alphabet": 5, "vocab_size": 5})", "alphabet: unknown key, expected vocab_size, "},
      {R"([5])", "json is a list, expected an object"},
      {R"({"vocab_size": 5)", "json: line 1, column"},
      {"{\"vocab_size\": 5, \"name\": \"\xff\"}", "json: line 1, column"},
  };
  for (const auto& [text, part] : cases) {
    Dataset d;
    CHECK(d.create(text) == MINIMOE_E_INVALID_ARGUMENT);
    CHECK(d.handle == nullptr);
    CHECK_THAT(d.message(), ContainsSubstring("minimoe_dataset_create") || ContainsSubstring("memory_source"));
    CHECK_THAT(d.message(), ContainsSubstring(part));
  }
  Dataset large;
  CHECK(large.create(std::string((1 << 20) + 1, ' ')) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(large.message(), ContainsSubstring("1048577 bytes"));
  CHECK(minimoe_dataset_create("{}", 2, nullptr, nullptr, &large.error) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(large.message(), ContainsSubstring("out is NULL"));
}

TEST_CASE("capi dataset: text with a vocabulary of its own speaks it and hands it out", "[capi]") {
  const minimoe::test::TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "she sells sea shells ";
  const std::string path = directory.write("a.txt", text);
  Dataset bytes, trained, read;
  REQUIRE(bytes.open(json{{"data", {{"corpus", path}}}}.dump()) == MINIMOE_OK);
  REQUIRE(trained.open(json{{"data", {{"corpus", path}, {"tokenizer", "bpe:262"}}}}.dump()) == MINIMOE_OK);
  CHECK(info(trained).at("vocab_size") == 262);
  const std::string told = tokenizer(trained);
  CHECK(json::parse(told).at("model").at("merges").size() == 6);
  CHECK(json::parse(tokenizer(bytes)).at("model").at("merges").empty());
  CHECK(trained.encode("she sells").size() < bytes.encode("she sells").size());
  const std::string file = directory.write("t.json", told);
  REQUIRE(read.open(json{{"data", {{"corpus", path}, {"tokenizer", file}}}}.dump()) == MINIMOE_OK);
  CHECK(read.encode("she shells") == trained.encode("she shells"));
  CHECK(tokenizer(read) == told);
  for (const char* bad : {"bpe:12", "bpe:", "bpe:65537"}) {
    Dataset refused;
    CHECK(refused.open(json{{"data", {{"corpus", path}, {"tokenizer", bad}}}}.dump()) == MINIMOE_E_INVALID_ARGUMENT);
    CHECK_THAT(refused.message(), ContainsSubstring("data.tokenizer: \"" + std::string(bad) + "\", allowed auto"));
  }
}

TEST_CASE("capi dataset: info tells what a dataset in memory is", "[capi]") {
  Dataset d;
  REQUIRE(d.create(R"({"vocab_size": 70000, "name": "año \u0001", "class_names": ["a", "b"]})") == MINIMOE_OK);
  CHECK(info(d) == json{{"name", "año \u0001"},
                        {"sha256", ""},
                        {"vocab_size", 70000},
                        {"class_names", {"a", "b"}},
                        {"memory_bytes", 0},
                        {"splits", json::array()}});
  REQUIRE(d.append(Ids(100, 69999), Classes(100, 1)) == MINIMOE_OK);
  CHECK(info(d)["memory_bytes"] == 500);
  CHECK(info(d)["splits"] == json{"val"});
}

TEST_CASE("capi dataset: appending is all or nothing, and every refusal has its code", "[capi]") {
  Dataset d;
  REQUIRE(d.create(R"({"vocab_size": 10, "val_fraction": 0.5, "class_names": ["a", "b"]})") == MINIMOE_OK);
  REQUIRE(d.append({1, 2, 3, 4}, {0, 1, 0, 1}) == MINIMOE_OK);
  const auto unchanged = [&] { return d.window("val", 0, 0, 1) == Dataset::Window{{3, 4}, {0, 1}}; };
  REQUIRE(unchanged());
  CHECK(d.append({5, 10}, {0, 0}) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(d.message(), ContainsSubstring("token 1 (from 0) is 10, expected 0 to 9"));
  CHECK(d.append({5, 6}, {0, 2}) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(d.append({5, 6}) == MINIMOE_E_SHAPE);
  CHECK(minimoe_dataset_append_i32(d.handle, nullptr, 2, nullptr, 0, &d.error) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK_THAT(d.message(), ContainsSubstring("minimoe_dataset_append_i32: tokens is NULL"));
  CHECK(unchanged());
  CHECK(d.append({}) == MINIMOE_OK);
  CHECK(unchanged());
  {
    const minimoe::capi::Call reader("a test", *d.handle, false);
    CHECK(d.append({5}, {0}) == MINIMOE_E_BUSY);
    CHECK(unchanged());  // readers run side by side
  }
  {
    const minimoe::capi::Call writer("a test", *d.handle, true);
    std::uint64_t count = 7;
    CHECK(minimoe_dataset_num_windows(d.handle, "val", 1, &count, &d.error) == MINIMOE_E_BUSY);
    CHECK(count == 7);
  }
  const std::uint16_t narrow[] = {5, 6, 7, 8};
  const std::uint8_t classes[] = {1, 1, 1, 1};
  CHECK(minimoe_dataset_append_u16(d.handle, narrow, 4, classes, 4, &d.error) == MINIMOE_OK);
  CHECK(d.window("val", 0, 1, 1) == Dataset::Window{{7, 8}, {1, 1}});

  Dataset opened;
  REQUIRE(opened.open(kGrammar) == MINIMOE_OK);
  CHECK(opened.append({1}) == MINIMOE_E_UNSUPPORTED);
}

TEST_CASE("capi dataset: borrowed data is released once, at the last free, and never after a refusal", "[capi]") {
  const std::string text = R"({"vocab_size": 50, "val_fraction": 0.2})";
  const Ids tokens = counting(50);
  const std::vector<std::uint16_t> narrow(tokens.begin(), tokens.end());
  int released = 0;
  const minimoe_release_fn release = [](void* count) { ++*static_cast<int*>(count); };
  minimoe_error error{};
  {
    minimoe_dataset* refused = nullptr;
    const std::string small = R"({"vocab_size": 49})";
    CHECK(minimoe_dataset_borrow_i32(small.data(), small.size(), tokens.data(), 50, nullptr, 0, release, &released,
                                     &refused, &error) == MINIMOE_E_INVALID_ARGUMENT);
    CHECK(refused == nullptr);
    CHECK(minimoe_dataset_borrow_i32(text.data(), text.size(), tokens.data(), 50, nullptr, 0, release, &released,
                                     nullptr, &error) == MINIMOE_E_INVALID_ARGUMENT);
    CHECK(released == 0);
  }
  Dataset d, other;
  REQUIRE(minimoe_dataset_borrow_i32(text.data(), text.size(), tokens.data(), 50, nullptr, 0, release, &released,
                                     &d.handle, &error) == MINIMOE_OK);
  REQUIRE(minimoe_dataset_borrow_u16(text.data(), text.size(), narrow.data(), 50, nullptr, 0, nullptr, nullptr,
                                     &other.handle, &error) == MINIMOE_OK);
  CHECK(d.window("train", 3, 5, 7).ids.size() == 8);
  CHECK(d.window("train", 3, 5, 7) == other.window("train", 3, 5, 7));
  CHECK(d.window("val", 0, 0, 4).ids == Ids{40, 41, 42, 43, 44});
  CHECK(d.append({1}) == MINIMOE_E_UNSUPPORTED);
  REQUIRE(minimoe_dataset_retain(d.handle, &error) == MINIMOE_OK);
  minimoe_dataset_free(d.handle);
  CHECK(released == 0);
  CHECK(d.window("val", 0, 1, 4).ids == Ids{45, 46, 47, 48, 49});
  minimoe_dataset_free(d.handle);
  d.handle = nullptr;
  CHECK(released == 1);
}

TEST_CASE("capi dataset: a file's bytes come from the caller's allocator and all go back", "[capi]") {
  struct Account {
    std::size_t current = 0, peak = 0;
  } account;
  minimoe_options options;
  REQUIRE(minimoe_options_init(&options, sizeof options, nullptr) == MINIMOE_OK);
  options.allocate = [](void* user_data, size_t size, size_t alignment) -> void* {
    auto& a = *static_cast<Account*>(user_data);
    a.peak = std::max(a.peak, a.current += size);
    return ::operator new(size, std::align_val_t(alignment));
  };
  options.deallocate = [](void* user_data, void* memory, size_t size, size_t alignment) {
    static_cast<Account*>(user_data)->current -= size;
    ::operator delete(memory, std::align_val_t(alignment));
  };
  options.allocator_user_data = &account;
  const minimoe::test::TemporaryDirectory directory;
  const std::string tree = "1\ta\t_\tNOUN\t_\t_\t0\tdep\t_\t_\n\n1\tb\t_\tNOUN\t_\t_\t0\tdep\t_\t_\n\n";
  for (const auto& [path, kept] : std::vector<std::pair<std::string, std::size_t>>{
           {directory.write("a.txt", std::string(1000, 'a')), 1000},
           {directory.write("a.txt.gz", minimoe::test::gzip(std::string(1000, 'a'))), 1001},
           {directory.write("a.bin", std::string(1000, '\0')), 1000},
           {directory.write("a.conllu", tree), 4 * (sizeof(std::uint16_t) + 1)}}) {
    INFO(path);
    {
      Dataset d;
      REQUIRE(d.open(json{{"data", {{"corpus", path}}}}.dump(), &options) == MINIMOE_OK);
      CHECK(account.current == kept);
    }
    CHECK(account.current == 0);
  }
  options.allocate = [](void*, size_t, size_t) -> void* { return nullptr; };
  Dataset refused;
  CHECK(refused.open(json{{"data", {{"corpus", directory.path("a.txt")}}}}.dump(), &options) ==
        MINIMOE_E_OUT_OF_MEMORY);
  CHECK(refused.open(json{{"data", {{"corpus", directory.path("missing")}}}}.dump(), &options) == MINIMOE_E_IO);
  CHECK(refused.handle == nullptr);
}

TEST_CASE("capi dataset: a handle of another kind, or none, is refused by name", "[capi]") {
  minimoe_cancel_token* token = nullptr;
  REQUIRE(minimoe_cancel_token_create(&token, nullptr) == MINIMOE_OK);
  minimoe_error error{};
  auto* wrong = reinterpret_cast<minimoe_dataset*>(token);
  for (minimoe_dataset* bad : {wrong, static_cast<minimoe_dataset*>(nullptr)}) {
    const std::vector<minimoe_status> statuses = {
        minimoe_dataset_append_i32(bad, nullptr, 0, nullptr, 0, &error),
        minimoe_dataset_append_u16(bad, nullptr, 0, nullptr, 0, &error),
        minimoe_dataset_retain(bad, &error),
        minimoe_dataset_info(bad, nullptr, 0, nullptr, &error),
        minimoe_dataset_fit_config(bad, nullptr, 0, nullptr, 0, nullptr, &error),
        minimoe_dataset_encode(bad, nullptr, 0, nullptr, 0, nullptr, &error),
        minimoe_dataset_decode(bad, nullptr, 0, nullptr, 0, nullptr, &error)};
    CHECK(statuses == std::vector<minimoe_status>(7, MINIMOE_E_INVALID_ARGUMENT));
    CHECK_THAT(std::string(error.message),
               ContainsSubstring(bad ? "dataset is a cancel token, expected a dataset" : "dataset is NULL"));
  }
  minimoe_dataset_free(wrong);  // left alone
  minimoe_dataset_free(nullptr);
  CHECK(minimoe_cancel_token_fire(token, nullptr) == MINIMOE_OK);
  minimoe_cancel_token_free(token);
}
