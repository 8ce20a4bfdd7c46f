// SPDX-License-Identifier: Apache-2.0
#include "nearest.hpp"

#include <algorithm>

#include "core_bridge.hpp"

namespace cli {

namespace {

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

// A key in the wrong table is as likely as a misspelt one.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::vector<std::string> last_parts;
  for (const std::string& candidate : candidates) last_parts.push_back(last_part(candidate));
  const auto with_last_part = [&](const std::string& part) {
    const auto found = std::find(last_parts.begin(), last_parts.end(), part);
    return found == last_parts.end() ? std::string() : candidates[static_cast<std::size_t>(found - last_parts.begin())];
  };
  if (const std::string moved = with_last_part(last_part(word)); !moved.empty()) return moved;
  if (const std::string near = core::nearest_word(word, candidates); !near.empty()) return near;
  return with_last_part(core::nearest_word(last_part(word), last_parts));
}

}  // namespace

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string best = nearest(word, candidates);
  return best.empty() ? "" : "; did you mean '" + best + "'?";
}

}  // namespace cli
