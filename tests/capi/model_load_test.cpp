// SPDX-License-Identifier: Apache-2.0
// What a model costs its host before it is refused.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "capi/small_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace minimoe_test;

namespace {

struct Allocator {
  std::size_t largest = 0;

  minimoe_options options() {
    minimoe_options o;
    minimoe_options_init(&o, sizeof(o), nullptr);
    o.num_threads = 1;
    o.allocator_user_data = this;
    o.allocate = [](void* self, std::size_t size, std::size_t alignment) {
      Allocator& allocator = *static_cast<Allocator*>(self);
      allocator.largest = std::max(allocator.largest, size);
      return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    };
    o.deallocate = [](void*, void* memory, std::size_t, std::size_t) { std::free(memory); };
    return o;
  }
};

// `from` as `to`, with one text of its header replaced by another.
void copy_replacing(const std::string& from, const std::string& to, const std::string& text, const std::string& other) {
  std::ifstream in(from, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  std::uint64_t size = 0;
  std::memcpy(&size, all.data(), sizeof(size));
  std::string header = all.substr(sizeof(size), size);
  header.replace(header.find(text), text.size(), other);
  const std::uint64_t new_size = header.size();
  std::ofstream out(to, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&new_size), sizeof(new_size));
  out << header << all.substr(sizeof(size) + size);
}

}  // namespace

TEST_CASE("capi: a small file cannot make a host allocate a large model", "[capi]") {
  TemporaryDirectory directory;
  const std::string path = directory.file("model"), bad = directory.file("bad");
  SmallRun run;
  REQUIRE(run.create());
  REQUIRE(minimoe_model_save(run.model, path.c_str(), nullptr) == MINIMOE_OK);
  for (const auto& [text, other] :
       {std::pair<std::string, std::string>(R"(\"d_expert\":16)", R"(\"d_expert\":1048576)"),
        {R"(\"vocab_size\":13)", R"(\"vocab_size\":0)"},
        {R"(\"num_heads\":2)", R"(\"num_heads\":3)"}}) {
    INFO(other);
    copy_replacing(path, bad, text, other);
    Allocator allocator;
    const minimoe_options options = allocator.options();
    minimoe_model* model = nullptr;
    CHECK(minimoe_model_load(bad.c_str(), &options, &model, nullptr) == MINIMOE_E_CORRUPT_FILE);
    CHECK(model == nullptr);
    CHECK(allocator.largest == 0);
  }
}

TEST_CASE("capi: more tokens than a call may have are refused before their logits are counted", "[capi]") {
  SmallRun run;
  REQUIRE(run.create());
  const std::int32_t token = 1;
  float logit = 7;
  std::size_t needed = 99;
  for (const std::size_t count : {(std::size_t{1} << 24) + 8, std::size_t{1} << 45}) {
    CHECK(minimoe_model_forward(run.model, &token, count, nullptr, 0, 8, &logit, 1, &needed, nullptr) ==
          MINIMOE_E_SHAPE);
    CHECK(needed == 99);
  }
  CHECK(logit == 7);
}
