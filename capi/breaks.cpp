// SPDX-License-Identifier: Apache-2.0
#include <minimoe/analysis/router_breaks.hpp>

#include "arguments.hpp"
#include "core/json_writer.hpp"
#include "train/config_difference.hpp"

namespace minimoe::capi {
namespace {

std::string diff_text(const std::vector<KeyDifference>& differences) {
  std::string text;
  for (const KeyDifference& d : differences) {
    text += concat(text.empty() ? "" : "\n", "-", d.key, " = ", d.left, "\n+", d.key, " = ", d.right);
  }
  return text;
}

void write_change(JsonWriter& list, const KeyDifference& difference, const char* left, const char* right) {
  list.member("key", difference.key).raw_member(left, difference.left).raw_member(right, difference.right);
}

std::string breaks_text() {
  JsonWriter list;
  list.begin('[');
  for (const RouterBreak& b : router_breaks()) {
    list.begin('{').member("name", b.name).member("concept", b.topic).member("claim", b.claim);
    std::vector<std::string> claims;
    for (const BreakClaim claim : b.claims) claims.emplace_back(break_claim_name(claim));
    list.member("claims", claims).begin("change", '{');
    write_change(list, compare_configs(b.healthy, b.broken).front(), "healthy", "broken");
    list.end('}').begin("fix", '[');
    for (const KeyDifference& d : compare_configs(b.broken, b.fixed)) {
      list.begin('{');
      write_change(list, d, "broken", "fixed");
      list.end('}');
    }
    list.end(']').raw_member("healthy", run_config_json(b.healthy)).raw_member("broken", run_config_json(b.broken));
    list.raw_member("fixed", run_config_json(b.fixed)).member("hidden_cause", b.hidden_cause);
    list.member("hint_1", b.hints[0]).member("hint_2", b.hints[1]).member("hint_3", b.hints[2]);
    list.member("fix_diff", diff_text(compare_configs(b.broken, b.healthy))).end('}');
  }
  return list.end(']').text();
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_config_breaks(char* buf, size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err,
                 [&](const char* where) { TextOutput(where, buf, buf_cap, buf_needed).write(breaks_text()); });
}
