// SPDX-License-Identifier: Apache-2.0
#include "analysis/breaks_json.hpp"

#include "minimoe/core/error.hpp"
#include "train/config_difference.hpp"

namespace minimoe {
namespace {

std::string diff_text(const std::vector<KeyDifference>& differences) {
  std::string text;
  for (const KeyDifference& d : differences) {
    text += concat(text.empty() ? "" : "\n", "-", d.key, " = ", d.left, "\n+", d.key, " = ", d.right);
  }
  return text;
}

void write_change(JsonWriter& out, const KeyDifference& difference, const char* left, const char* right) {
  out.member("key", difference.key).raw_member(left, difference.left).raw_member(right, difference.right);
}

}  // namespace

void write_break_changes(JsonWriter& out, const RouterBreak& b) {
  out.begin("change", '{');
  write_change(out, compare_configs(b.healthy, b.broken).front(), "healthy", "broken");
  out.end('}').begin("fix", '[');
  for (const KeyDifference& d : compare_configs(b.broken, b.fixed)) {
    out.begin('{');
    write_change(out, d, "broken", "fixed");
    out.end('}');
  }
  out.end(']');
}

void write_break_cause(JsonWriter& out, const RouterBreak& b) {
  out.member("hidden_cause", b.hidden_cause).member("hint_1", b.hints[0]).member("hint_2", b.hints[1]);
  out.member("hint_3", b.hints[2]).member("fix_diff", diff_text(compare_configs(b.broken, b.healthy)));
}

}  // namespace minimoe
