// SPDX-License-Identifier: Apache-2.0
#include "analysis/router_line.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <ostream>

#include "core/strict_json.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

constexpr std::uint64_t kMaxExperts = 4096;
constexpr std::uint64_t kMostSteps = 1'000'000'000'000;
constexpr std::uint64_t kMostCount = std::uint64_t{1} << 53;  // a double, and so a figure, holds it exactly
constexpr double kViolationTolerance = 0.05;                  // logs are rounded

// A key, or one item of its list; as text only in a message, since a line may have thousands.
struct Place {
  const char* key;
  std::optional<std::size_t> index = std::nullopt;

  friend std::ostream& operator<<(std::ostream& out, const Place& place) {
    out << place.key;
    return place.index ? out << '[' << *place.index << ']' : out;
  }
};

JsonText parse(std::string_view text, const std::string& where) {
  constexpr JsonLimits kLimits{.max_bytes = std::size_t{1} << 20, .max_depth = 4, .max_values = 4 * kMaxExperts};
  try {
    return read_json(text, where, ErrorCode::kInvalidArgument, kLimits);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    std::string message = error.what();
    if (const auto at = message.find("line 1, ", where.size()); at != std::string::npos) message.erase(at, 8);
    const bool not_finite = text.find("NaN") != text.npos || text.find("Infinity") != text.npos;
    throw Error(ErrorCode::kInvalidArgument, message + (not_finite ? " (NaN and Infinity are no JSON numbers)" : ""));
  }
}

// The keys of one object; what was not asked for is unknown.
class LineReader {
 public:
  LineReader(const JsonText& json, const std::string& where) : object_(json.root), where_(where) {
    require(object_.kind == JsonValue::Kind::kObject, where, ": ", object_.description(), ", expected an object");
    require(json.duplicate_keys.empty(), where, ": ", json.duplicate_keys.empty() ? "" : json.duplicate_keys[0],
            " stands there twice");
  }

  std::optional<std::int64_t> integer(const char* key, std::uint64_t low, std::uint64_t high) {
    const JsonValue* value = find(key);
    if (!value || value->kind == JsonValue::Kind::kNull) return std::nullopt;
    return static_cast<std::int64_t>(natural(*value, {key}, low, high));
  }
  std::int64_t required_integer(const char* key, std::uint64_t low, std::uint64_t high) {
    const JsonValue* value = find(key);
    require(value != nullptr, where_, ": ", key, " is missing");
    return static_cast<std::int64_t>(natural(*value, {key}, low, high));
  }
  std::optional<double> real(const char* key, double low, double high) {
    const JsonValue* value = find(key);
    if (!value || value->kind == JsonValue::Kind::kNull) return std::nullopt;
    return finite(*value, {key}, low, high);
  }
  std::vector<std::int64_t> counts(const char* key) {
    const JsonValue& list = required_list(key);
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      values.push_back(static_cast<std::int64_t>(natural(list.items[i], {key, i}, 0, kMostCount)));
    }
    return values;
  }
  // Shares of `count` experts that sum to 1; empty when the key is not there.
  std::vector<double> shares(const char* key, std::size_t count) {
    std::vector<double> values;
    const JsonValue* list = find(key);
    if (!list || list->kind == JsonValue::Kind::kNull) return values;
    require(list->kind == JsonValue::Kind::kArray && list->items.size() == count, where_, ": ", key, " is ",
            list->kind == JsonValue::Kind::kArray ? concat("a list of ", list->items.size()) : list->description(),
            ", expected ", count, " numbers, as load has");
    for (std::size_t i = 0; i < count; ++i) {
      values.push_back(finite(list->items[i], {key, i}, 0, 1 + kProbabilitySumTolerance));
    }
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    require(std::abs(sum - 1) <= kProbabilitySumTolerance, where_, ": ", key, " sums to ", sum, ", expected 1 within ",
            kProbabilitySumTolerance);
    return values;
  }
  void finish() const {
    for (const std::string& key : object_.keys) {
      if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
      const std::string near = nearest_word(key, known_);
      throw Error(ErrorCode::kInvalidArgument, concat(where_, ": ", join_path("", key), ": unknown key",
                                                      near.empty() ? "" : concat("; did you mean ", near, "?")));
    }
  }

 private:
  const JsonValue* find(const char* key) {
    known_.emplace_back(key);
    return object_.find(key);
  }
  const JsonValue& required_list(const char* key) {
    const JsonValue* value = find(key);
    require(value != nullptr, where_, ": ", key, " is missing");
    require(value->kind == JsonValue::Kind::kArray && !value->items.empty() && value->items.size() <= kMaxExperts,
            where_, ": ", key, " is ",
            value->kind == JsonValue::Kind::kArray ? concat("a list of ", value->items.size()) : value->description(),
            ", expected a list of 1..", kMaxExperts, " counts");
    return *value;
  }
  std::uint64_t natural(const JsonValue& value, const Place& place, std::uint64_t low, std::uint64_t high) const {
    // 12.0 is what a script writes that summed in floating point; 12.5 is no count.
    const bool whole = value.kind == JsonValue::Kind::kReal && value.real >= 0 &&
                       value.real == std::floor(value.real) && value.real <= static_cast<double>(high);
    const std::uint64_t number = whole ? static_cast<std::uint64_t>(value.real) : value.integer;
    if ((whole || value.kind == JsonValue::Kind::kUnsigned) && number >= low && number <= high) return number;
    refuse(value, place, concat("an integer ", low, "..", high));
  }
  double finite(const JsonValue& value, const Place& place, double low, double high) const {
    if (value.is_number() && value.real >= low && value.real <= high) return value.real;
    refuse(value, place, concat("a number ", low, "..", high));
  }
  [[noreturn]] void refuse(const JsonValue& value, const Place& place, const std::string& expected) const {
    throw Error(ErrorCode::kInvalidArgument,
                concat(where_, ": ", place, " is ", value.description(), ", expected ", expected));
  }

  const JsonValue& object_;
  const std::string& where_;
  std::vector<std::string> known_;
};

void check_load(const RouterLine& line, const std::string& where) {
  const std::vector<std::int64_t>& load = line.entry.load;
  require(line.top_k <= load.size(), where, ": top_k is ", line.top_k, ", load has ", load.size(), " experts");
  const auto top_k = static_cast<std::int64_t>(line.top_k);
  std::int64_t sum = 0;
  for (const std::int64_t count : load) {
    require(count <= static_cast<std::int64_t>(kMostCount) - sum, where, ": load sums to more than 2^53");
    sum += count;
  }
  require(sum > 0, where, ": load has no assignment");
  require(sum % top_k == 0, where, ": load sums to ", sum, ", which top_k = ", top_k, " does not divide");
  const std::int64_t tokens = sum / top_k;
  for (std::size_t e = 0; e < load.size(); ++e) {
    require(load[e] <= tokens, where, ": load[", e, "] is ", load[e], ", above the ", tokens,
            " tokens (the sum of load over top_k): a token is sent to an expert once");
  }
  // All tokens of a step on the same K experts is the most that a step can have, and so a mean over steps.
  const double most = static_cast<double>(load.size()) / static_cast<double>(line.top_k) - 1;
  const double violation = line.entry.max_violation_batch.value_or(0);
  require(violation <= most + kViolationTolerance, where, ": max_violation_batch is ", violation,
          ", expected at most E / K - 1 = ", most);
  const std::int64_t dropped = line.entry.num_dropped.value_or(0);
  require(dropped <= sum, where, ": num_dropped is ", dropped, ", load has ", sum, " assignments");
}

}  // namespace

RouterLine read_router_line(std::string_view text, const std::string& where) {
  const JsonText json = parse(text, where);
  LineReader reader(json, where);
  RouterLine line;
  RouterLogEntry& entry = line.entry;
  entry.step = reader.required_integer("step", 0, kMostSteps);
  line.layer = reader.required_integer("layer", 0, std::numeric_limits<std::int32_t>::max());
  line.top_k = static_cast<std::size_t>(reader.required_integer("top_k", 1, kMaxExperts));
  entry.load = reader.counts("load");
  entry.mean_probs = reader.shares("mean_probs", entry.load.size());
  entry.num_dropped = reader.integer("num_dropped", 0, kMostCount);
  entry.num_steps = reader.integer("num_steps", 1, kMostSteps).value_or(1);
  entry.gate_weight_share = reader.shares("gate_weight_share", entry.load.size());
  constexpr double kMost = 1e30;
  entry.max_violation_batch = reader.real("max_violation_batch", 0, static_cast<double>(kMaxExperts));
  entry.router_logit_norm = reader.real("router_logit_norm", 0, kMost);
  entry.aux_loss = reader.real("aux_loss", 0, kMost);
  entry.z_loss = reader.real("z_loss", 0, kMost);
  entry.bias_min = reader.real("bias_min", -kMost, kMost);
  entry.bias_max = reader.real("bias_max", -kMost, kMost);
  line.block = reader.integer("block", 0, std::numeric_limits<std::int32_t>::max());
  reader.finish();
  check_load(line, where);
  return line;
}

}  // namespace minimoe
