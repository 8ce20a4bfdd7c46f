// SPDX-License-Identifier: Apache-2.0
#include <minimoe/analysis/findings.hpp>

#include "analysis/verdict_json.hpp"
#include "arguments.hpp"

using namespace minimoe::capi;

minimoe_status minimoe_compare_verdict(const char* json, size_t json_len, char* buf, size_t buf_cap, size_t* buf_needed,
                                       minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    out.write(minimoe::compare_verdict_json(input_json(where, json, json_len), minimoe::concat(where, ": json")));
  });
}

minimoe_status minimoe_compare_findings(const char* json, size_t json_len, char* buf, size_t buf_cap,
                                        size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    constexpr std::size_t kMostBytes = std::size_t{1} << 24;  // a manifest of many seeds
    minimoe::require(json_len <= kMostBytes, where, ": json has ", json_len, " bytes, expected at most ", kMostBytes);
    out.write(minimoe::findings_markdown(input_text(where, "json", json, json_len), minimoe::concat(where, ": json")));
  });
}
