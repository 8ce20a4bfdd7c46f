// SPDX-License-Identifier: Apache-2.0
#include "trace_files.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "interrupt.hpp"

namespace cli {

namespace {

std::string csv_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted += '"';
}

std::string weight_text(float weight) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", static_cast<double>(weight));
  return text;
}

template <class Value, class Text>
std::string joined(const Value* values, std::size_t count, char separator, Text&& text) {
  std::string line;
  for (std::size_t k = 0; k < count; ++k) {
    if (k > 0) line += separator;
    line += text(values[k]);
  }
  return line;
}

// What each token id, class and window position looks like in both files.
class TraceWriter {
 public:
  TraceWriter(const capi::Model& model, const capi::Dataset& dataset, AtomicFile& jsonl, AtomicFile& csv)
      : dataset_(dataset),
        jsonl_(jsonl),
        csv_(csv),
        class_names_(Json::parse(dataset.info()).at("class_names")),
        blocks_(Json::parse(model.info()).at("moe_blocks")) {
    csv_.write("token,id,class,window,position,block,experts,weights,kept\n");
  }

  // The windows of one batch, from `first` on.
  void add(const std::vector<capi::Window>& windows, std::uint64_t first, const capi::RoutingTrace& trace,
           std::size_t seq_len) {
    const std::size_t num_tokens = windows.size() * seq_len,
                      top_k = trace.experts.size() / (blocks_.size() * num_tokens);
    std::string jsonl, csv;
    for (std::size_t t = 0; t < num_tokens; ++t) {
      const capi::Window& window = windows[t / seq_len];
      const std::size_t position = t % seq_len;
      const std::int32_t id = window.tokens[position];
      const std::string& text = text_of(id);
      const bool has_class = !window.classes.empty();
      const std::string name = has_class ? class_names_.at(window.classes[position]).get<std::string>() : "";
      const std::string place = std::to_string(first + t / seq_len) + "," + std::to_string(position);
      for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
        const std::size_t at = (layer * num_tokens + t) * top_k;
        const auto list = [&](char separator) {
          const auto whole = [](auto value) { return std::to_string(value); };
          return std::array<std::string, 3>{joined(&trace.experts[at], top_k, separator, whole),
                                            joined(&trace.weights[at], top_k, separator, weight_text),
                                            joined(&trace.kept[at], top_k, separator, whole)};
        };
        const std::string block = std::to_string(blocks_[layer]);
        const auto [e, w, k] = list(';');
        csv += csv_text(text) + "," + std::to_string(id) + "," + csv_text(name) + "," + place + "," + block + "," + e +
               "," + w + "," + k + "\n";
        const auto [experts, weights, kept] = list(',');
        jsonl += "{\"token\":" + json_text(text) + ",\"id\":" + std::to_string(id) +
                 ",\"class\":" + (has_class ? json_text(name) : "null") +
                 ",\"window\":" + std::to_string(first + t / seq_len) + ",\"position\":" + std::to_string(position) +
                 ",\"block\":" + block + ",\"experts\":[" + experts + "],\"weights\":[" + weights + "],\"kept\":[" +
                 kept + "]}\n";
      }
    }
    jsonl_.write(jsonl);
    csv_.write(csv);
  }

 private:
  const std::string& text_of(std::int32_t id) {
    const auto found = texts_.find(id);
    return found != texts_.end() ? found->second : texts_.emplace(id, token_text(dataset_, id)).first->second;
  }

  const capi::Dataset& dataset_;
  AtomicFile &jsonl_, &csv_;
  const Json class_names_;
  const std::vector<std::size_t> blocks_;
  std::map<std::int32_t, std::string> texts_;
};

}  // namespace

bool write_trace(const capi::Model& model, const capi::Dataset& dataset, const TraceRequest& request, AtomicFile& jsonl,
                 AtomicFile& csv) {
  TraceWriter writer(model, dataset, jsonl, csv);
  for (std::uint64_t first = 0; first < request.num_windows; first += request.batch_size) {
    if (interrupt_token().fired()) return false;
    const std::uint64_t end = std::min<std::uint64_t>(first + request.batch_size, request.num_windows);
    std::vector<capi::Window> windows;
    std::vector<std::int32_t> tokens;
    for (std::uint64_t i = first; i < end; ++i) {
      windows.push_back(dataset.window(request.split, request.seed, i, request.seq_len));
      const std::vector<std::int32_t>& all = windows.back().tokens;
      tokens.insert(tokens.end(), all.begin(), all.end() - 1);
    }
    writer.add(windows, first, model.routing_trace(tokens, request.seq_len), request.seq_len);
  }
  return true;
}

}  // namespace cli
