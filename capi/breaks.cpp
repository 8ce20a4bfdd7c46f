// SPDX-License-Identifier: Apache-2.0
#include <minimoe/analysis/break_findings.hpp>
#include <minimoe/analysis/router_breaks.hpp>

#include "analysis/breaks_json.hpp"
#include "arguments.hpp"

namespace minimoe::capi {
namespace {

std::string breaks_text() {
  JsonWriter list;
  list.begin('[');
  for (const RouterBreak& b : router_breaks()) {
    list.begin('{').member("name", b.name).member("concept", b.topic).member("claim", b.claim);
    std::vector<std::string> claims;
    for (const BreakClaim claim : b.claims) claims.emplace_back(break_claim_name(claim));
    list.member("claims", claims);
    write_break_changes(list, b);
    list.raw_member("healthy", run_config_json(b.healthy)).raw_member("broken", run_config_json(b.broken));
    list.raw_member("fixed", run_config_json(b.fixed));
    write_break_cause(list, b);
    list.end('}');
  }
  return list.end(']').text();
}

// The lines of many runs. What is longer is not read.
std::string_view input_runs(const char* where, const char* json, std::size_t length) {
  require(length <= kMostRunBytes, where, ": json has ", length, " bytes, expected at most ", kMostRunBytes);
  const std::span<const char> text = input(where, "json", json, length);
  return {text.data(), text.size()};
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_config_breaks(char* buf, size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err,
                 [&](const char* where) { TextOutput(where, buf, buf_cap, buf_needed).write(breaks_text()); });
}

minimoe_status minimoe_break_findings(const char* json, size_t json_len, char* buf, size_t buf_cap, size_t* buf_needed,
                                      minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    out.write(minimoe::break_findings(input_runs(where, json, json_len), minimoe::concat(where, ": json")));
  });
}

minimoe_status minimoe_run_findings(const char* json, size_t json_len, char* buf, size_t buf_cap, size_t* buf_needed,
                                    minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    out.write(minimoe::run_findings(input_runs(where, json, json_len), minimoe::concat(where, ": json")));
  });
}
