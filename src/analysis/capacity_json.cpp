// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "analysis/number_text.hpp"
#include "core/json_writer.hpp"
#include "minimoe/analysis/capacity.hpp"

namespace minimoe {
namespace {

double rate(std::int64_t dropped, std::int64_t all) {
  return all == 0 ? 0 : static_cast<double>(dropped) / static_cast<double>(all);
}

void write_layer(JsonWriter& out, const LayerCapacity& layer) {
  out.begin('{').member("block", layer.block).member("capacity", layer.capacity);
  out.member("num_assignments", layer.num_assignments).member("num_dropped", layer.num_dropped);
  out.member("drop_rate", rate(layer.num_dropped, layer.num_assignments));
  out.member("num_skipped_tokens", layer.num_skipped_tokens).begin("experts", '[');
  for (std::size_t e = 0; e < layer.load.size(); ++e) {
    out.begin('{').member("load", layer.load[e]).member("dropped", layer.dropped[e]).end('}');
  }
  out.end(']').member("positions", layer.by_position).member("rows", layer.by_row).begin("classes", '[');
  for (const ClassDrops& c : layer.classes) {
    out.begin('{').member("name", c.name).member("count", c.count).member("enough", c.enough);
    out.member("dropped", c.dropped).member("drop_rate", c.drop_rate).end('}');
  }
  out.end(']').end('}');
}

void write_use(JsonWriter& out, const char* name, const CapacityUse& use) {
  out.begin(name, '{').member("split", use.split).member("capacity_factor", use.capacity_factor);
  out.member("num_windows", use.num_windows).member("num_tokens", use.num_tokens);
  out.member("num_batches", use.num_batches).member("loss", use.loss);
  out.member("loss_without_drops", use.loss_without_drops).begin("difference", '{').member("mean", use.difference);
  out.member("standard_error", use.standard_error).end('}').begin("layers", '[');
  for (const LayerCapacity& layer : use.layers) write_layer(out, layer);
  out.end(']').end('}');
}

std::string layer_text(const LayerCapacity& layer) {
  const double dropped = rate(layer.num_dropped, layer.num_assignments);
  std::string text =
      concat("  block ", layer.block, ": ", layer.num_dropped, " of ", layer.num_assignments, " assignments dropped (",
             percent_text(dropped), dropped > 0.05 ? ", too many: above 5 %" : "", "), ", layer.num_skipped_tokens,
             " tokens lost every expert\n");
  if (layer.num_dropped == 0) return text;
  std::size_t worst = 0;
  for (std::size_t e = 1; e < layer.load.size(); ++e) {
    if (rate(layer.dropped[e], layer.load[e]) > rate(layer.dropped[worst], layer.load[worst])) worst = e;
  }
  text += concat("    most at expert ", worst, " (", percent_text(rate(layer.dropped[worst], layer.load[worst])),
                 " of its assignments); first sequence of a batch ", percent_text(layer.by_row.front()), ", last ",
                 percent_text(layer.by_row.back()));
  const ClassDrops* most = nullptr;
  const ClassDrops* least = nullptr;
  for (const ClassDrops& c : layer.classes) {
    if (!c.enough) continue;
    if (!most || c.drop_rate > most->drop_rate) most = &c;
    if (!least || c.drop_rate < least->drop_rate) least = &c;
  }
  if (most && most != least) {
    text += concat("; class ", most->name, " ", percent_text(most->drop_rate), ", ", least->name, " ",
                   percent_text(least->drop_rate));
  }
  return text + "\n";
}

std::string use_text(const CapacityUse& use) {
  std::string text = concat(use.split, ": ");
  if (use.capacity_factor == 0) return text + "no capacity limit, nothing is dropped.\n";
  text += concat("capacity factor ", use.capacity_factor, ", loss ", fixed_text(use.loss, 4), ", without drops ",
                 fixed_text(use.loss_without_drops, 4), ": drops cost ", fixed_text(use.difference, 4));
  if (use.num_batches > 1) text += concat(" +- ", fixed_text(2 * use.standard_error, 4), " (2 standard errors)");
  text += " nats.\n";
  for (const LayerCapacity& layer : use.layers) text += layer_text(layer);
  return text;
}

}  // namespace

std::string capacity_text(const CapacityReport& report) {
  std::string text = use_text(report.train) + use_text(report.evaluation);
  for (const Straggler& s : report.stragglers) {
    text += concat("block ", s.block, " without drops: expert ", s.expert, " has ", percent_text(s.row_share),
                   " of the rows, ", percent_text(s.time_share), " of the experts' time and ",
                   percent_text(s.layer_time_share), " of the layer's; side by side the experts wait ",
                   fixed_text(s.slowdown, 2), " times as long as even ones.\n");
  }
  return text;
}

std::string capacity_json(const CapacityReport& report) {
  JsonWriter out;
  out.begin('{').raw_member("corpus", json_of(report.corpus, BadUtf8::kReplace));
  write_use(out, "train", report.train);
  write_use(out, "evaluation", report.evaluation);
  out.begin("stragglers", '[');
  for (const Straggler& s : report.stragglers) {
    out.begin('{').member("block", s.block).member("expert", s.expert).member("row_share", s.row_share);
    out.member("time_share", s.time_share).member("slowdown", s.slowdown).member("seconds", s.seconds);
    out.member("seconds_together", s.seconds_together).member("layer_seconds", s.layer_seconds);
    out.member("layer_time_share", s.layer_time_share).end('}');
  }
  out.end(']').raw_member("text", json_of(capacity_text(report), BadUtf8::kReplace));
  return out.end('}').text();
}

}  // namespace minimoe
