// SPDX-License-Identifier: Apache-2.0
#include "verdict_view.hpp"

#include <algorithm>
#include <array>

namespace cli {

namespace {

constexpr std::array<const char*, 7> kFromBest = {"not judged", "healthy", "untested", "skewed",
                                                  "at-risk",    "sham",    "collapsed"};

std::string word(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object.at(key).is_string()) return "";
  return object.at(key).get<std::string>();
}

// A health report of another run may list other layers: then only a layer with the same number is ours.
const Json* find_layer(const Json& health, std::size_t index, std::size_t num_layers, std::size_t block) {
  if (!health.is_object() || !health.contains("layers") || !health.at("layers").is_array()) return nullptr;
  const Json& layers = health.at("layers");
  if (layers.size() == num_layers) return &layers[index];
  for (const Json& layer : layers) {
    if (layer.is_object() && layer.value("layer", Json()) == block) return &layer;
  }
  return nullptr;
}

}  // namespace

std::string verdict_of(const Json& health) {
  const std::string verdict = word(health, "verdict");
  return verdict.empty() ? "not judged" : verdict;
}

LayerVerdict layer_verdict(const Json& health, std::size_t index, std::size_t num_layers, std::size_t block) {
  LayerVerdict result;
  const Json* layer = find_layer(health, index, num_layers, block);
  if (!layer) return result;
  if (!word(*layer, "verdict").empty()) result.verdict = word(*layer, "verdict");
  result.reason = word(*layer, "reason");
  const auto at = std::find(kFromBest.begin(), kFromBest.end(), result.verdict);
  result.rank = at == kFromBest.end() ? 0 : static_cast<int>(at - kFromBest.begin());
  return result;
}

}  // namespace cli
