// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/router_log.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "analysis/router_line.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

std::size_t most_entries(std::size_t num_experts) {
  constexpr std::size_t kMostCounts = std::size_t{1} << 24;  // of a layer
  return std::min(kMostLogEntries, kMostCounts / num_experts);
}

// A log may be longer than memory.
void leave_out(RouterLayerLog& log) {
  const std::size_t most = most_entries(log.num_experts);
  if (log.entries.size() <= most) return;
  const std::size_t excess = log.entries.size() - most;
  if (log.num_left_out == 0) log.first = log.entries.front();
  log.entries.erase(log.entries.begin(), log.entries.begin() + static_cast<std::ptrdiff_t>(excess));
  log.num_left_out += excess;
}

void append(RouterLayerLog& log, RouterLine&& line, const std::string& where) {
  RouterLogEntry& entry = line.entry;
  if (log.entries.empty()) {
    log.layer = line.layer;
    log.num_experts = entry.load.size();
    log.top_k = line.top_k;
    log.block = line.block;
    require(entry.num_steps <= entry.step + 1, where, ": num_steps is ", entry.num_steps, ", the log is at step ",
            entry.step);
  }
  require(entry.load.size() == log.num_experts, where, ": load has ", entry.load.size(), " experts, layer ", log.layer,
          " had ", log.num_experts, " before");
  require(line.top_k == log.top_k, where, ": top_k is ", line.top_k, ", layer ", log.layer, " had ", log.top_k,
          " before");
  require(line.block == log.block, where, ": block is not what layer ", log.layer, " had before");
  if (!log.entries.empty()) {
    const std::int64_t before = log.entries.back().step;
    require(entry.step > before, where, ": step is ", entry.step, ", layer ", log.layer, " was at ", before,
            " before; steps must rise");
    require(entry.num_steps <= entry.step - before, where, ": num_steps is ", entry.num_steps, ", only ",
            entry.step - before, " lie between the line and the one before it");
  }
  log.entries.push_back(std::move(entry));
  if (log.entries.size() >= 2 * most_entries(log.num_experts)) leave_out(log);
}

}  // namespace

std::int64_t RouterLogEntry::num_assignments() const {
  return std::accumulate(load.begin(), load.end(), std::int64_t{0});
}

std::vector<RouterLayerLog> read_router_log(std::string_view text) {
  std::map<std::int64_t, RouterLayerLog> layers;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view content = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (is_blank(content)) continue;
    const std::string where = concat("router log, line ", number);
    RouterLine line = read_router_line(content, where);
    RouterLayerLog& log = layers[line.layer];
    append(log, std::move(line), where);
  }
  require(!layers.empty(), "router log: no line in ", text.size(), " bytes; expected one JSON object a line");
  std::vector<RouterLayerLog> sorted;
  for (auto& [layer, log] : layers) {
    leave_out(log);
    sorted.push_back(std::move(log));
  }
  return sorted;
}

}  // namespace minimoe
