// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <minimoe/moe/load_statistics.hpp>

#include "arguments.hpp"
#include "core/json_writer.hpp"

using namespace minimoe::capi;

namespace {

constexpr std::size_t kMaxExperts = 4096;  // as of model.moe.num_experts

std::vector<std::int64_t> input_load(const char* function, const std::int64_t* load, std::size_t num_load) {
  minimoe::require(num_load >= 1 && num_load <= kMaxExperts, function, ": num_load is ", num_load, ", expected 1..",
                   kMaxExperts);
  const auto counts = input(function, "load", load, num_load);
  std::int64_t room = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t count : counts) {
    minimoe::require(count >= 0 && count <= room, function, ": load holds ", count,
                     ", expected counts of 0 or more, below 2^63 in all");
    room -= count;
  }
  return {counts.begin(), counts.end()};
}

}  // namespace

minimoe_status minimoe_load_statistics(const int64_t* load, size_t num_load, size_t top_k, char* buf, size_t buf_cap,
                                       size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const minimoe::LoadStatistics s = minimoe::load_statistics(input_load(where, load, num_load), top_k);
    minimoe::JsonWriter json;
    json.begin('{').member("max_violation", s.max_violation).member("max_share", s.max_share);
    json.member("load_entropy", s.load_entropy).member("effective_experts", s.effective_experts);
    json.member("share_stddev", s.share_stddev).member("num_dead", s.num_dead).member("num_cold", s.num_cold);
    json.member("num_hot", s.num_hot).member("utilisation", s.utilisation).end('}');
    out.write(json.text());
  });
}
