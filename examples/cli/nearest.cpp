// SPDX-License-Identifier: Apache-2.0
#include "nearest.hpp"

#include <algorithm>
#include <numeric>

namespace cli {

namespace {

// Insertions, deletions and substitutions that make `a` of `b`.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = (word.size() < 4 ? 1 : std::max<std::size_t>(2, word.size() / 3)) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

// A key in the wrong table is as likely as a misspelt one.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::vector<std::string> last_parts;
  last_parts.reserve(candidates.size());
  for (const std::string& candidate : candidates) last_parts.push_back(last_part(candidate));
  const auto with_last_part = [&](const std::string& part) {
    const auto found = std::find(last_parts.begin(), last_parts.end(), part);
    return found == last_parts.end() ? std::string() : candidates[static_cast<std::size_t>(found - last_parts.begin())];
  };
  if (std::string moved = with_last_part(last_part(word)); !moved.empty()) return moved;
  if (std::string near = nearest_word(word, candidates); !near.empty()) return near;
  return with_last_part(nearest_word(last_part(word), last_parts));
}

}  // namespace

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string best = nearest(word, candidates);
  return best.empty() ? "" : "; did you mean '" + best + "'?";
}

}  // namespace cli
