// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <nlohmann/json.hpp>

#include "capi/bare_layer.hpp"

using namespace minimoe_test;

TEST_CASE("load statistics: by hand", "[capi]") {
  const std::vector<std::int64_t> load{6, 2, 0, 0};  // mean 2
  const std::vector<char> text = BareLayer::read<char>([&](char* buf, std::size_t cap, std::size_t* needed) {
    return minimoe_load_statistics(load.data(), load.size(), 1, buf, cap, needed, nullptr);
  });
  const auto s = nlohmann::json::parse(text.data());
  CHECK(s.at("max_violation") == 2.0);
  CHECK(s.at("max_share").get<double>() == Approx((0.75 - 0.25) / (1 - 0.25)));
  CHECK(s.at("num_dead") == 2);
  CHECK(s.at("num_cold") == 2);
  CHECK(s.at("num_hot") == 1);
  CHECK(s.at("utilisation") == std::vector<double>{3, 1, 0, 0});
  CHECK(s.at("load_entropy").get<double>() == Approx(0.8112781244591328 / 2));  // 0.75 and 0.25, in bits of 2
  CHECK(s.at("effective_experts").get<double>() == Approx(1.7547653506033232));
  CHECK(s.at("share_stddev").get<double>() == Approx(std::sqrt(6.0) / 8));
  CHECK(s.size() == 9);
}

TEST_CASE("load statistics: what is no load is refused", "[capi]") {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::int64_t negative[] = {1, -1}, huge[] = {most, 1}, none[] = {0, 0}, good[] = {1, 1};
  char buf[1024] = "untouched";
  const auto refuse = [&](const std::string& message, const std::int64_t* load, std::size_t count, std::size_t top_k) {
    MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, message,
              minimoe_load_statistics(load, count, top_k, buf, sizeof(buf), nullptr, err));
  };
  refuse("load holds -1", negative, 2, 1);
  refuse("below 2^63 in all", huge, 2, 1);
  refuse("no assignment", none, 2, 1);
  refuse("top_k is 3, allowed 1..2", good, 2, 3);
  refuse("num_load is 0, expected 1..4096", good, 0, 1);
  refuse("num_load is 4097", good, 4097, 1);
  refuse("load is NULL", nullptr, 2, 1);
  CHECK(std::string(buf) == "untouched");
}
