// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/capacity.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/routed_batches.hpp"
#include "analysis/straggler.hpp"

namespace minimoe {
namespace {

/// Dropped assignments and all, of what shares a place.
struct DropCounts {
  std::vector<std::int64_t> dropped, all;
  explicit DropCounts(std::size_t size) : dropped(size), all(size) {}
  void add(std::size_t at, std::int64_t num_dropped, std::size_t top_k) {
    dropped[at] += num_dropped;
    all[at] += static_cast<std::int64_t>(top_k);
  }
  double rate(std::size_t at) const {
    return all[at] == 0 ? 0 : static_cast<double>(dropped[at]) / static_cast<double>(all[at]);
  }
  std::vector<double> rates() const {
    std::vector<double> rates;
    for (std::size_t i = 0; i < all.size(); ++i) rates.push_back(rate(i));
    return rates;
  }
};

/// The counts of one layer over all batches.
class LayerCounter {
 public:
  LayerCounter(const ModelConfig& config, std::size_t block, const WindowChoice& choice, std::size_t num_classes)
      : top_k_(config.moe.top_k),
        position_(choice.seq_len),
        row_(choice.batch_size),
        class_(num_classes),
        class_tokens_(num_classes) {
    layer_.block = block;
    layer_.load.assign(config.moe.num_experts, 0);
    layer_.dropped = layer_.load;
  }

  template <class T>
  void add(const RoutedBatches<T>& batches, const RoutingStats& stats) {
    const MoECache<T>& cache = batches.block(layer_.block).moe;
    const std::size_t seq_len = position_.all.size();
    for (std::size_t e = 0; e < layer_.load.size(); ++e) {
      layer_.load[e] += stats.load[e];
      layer_.dropped[e] += stats.dropped[e];
    }
    layer_.num_dropped += stats.num_dropped;
    layer_.num_assignments += static_cast<std::int64_t>(batches.num_tokens() * top_k_);
    for (std::size_t t = 0; t < batches.num_tokens(); ++t) {
      std::int64_t num_dropped = 0;
      for (std::size_t k = 0; k < top_k_; ++k) num_dropped += cache.kept_TK.row(t)[k] == 0;
      layer_.num_skipped_tokens += num_dropped == static_cast<std::int64_t>(top_k_);
      position_.add(t % seq_len, num_dropped, top_k_);
      row_.add(t / seq_len, num_dropped, top_k_);
      if (batches.classes().empty()) continue;
      class_.add(batches.classes()[t], num_dropped, top_k_);
      ++class_tokens_[batches.classes()[t]];
    }
  }

  LayerCapacity finish(const std::vector<std::string>& class_names, std::size_t min_class_tokens) {
    layer_.by_position = position_.rates();
    layer_.by_row = row_.rates();
    for (std::size_t c = 0; c < class_names.size(); ++c) {
      ClassDrops drops;
      drops.name = class_names[c];
      drops.count = class_tokens_[c];
      drops.dropped = class_.dropped[c];
      drops.enough = drops.count >= static_cast<std::int64_t>(min_class_tokens);
      drops.drop_rate = class_.rate(c);
      layer_.classes.push_back(std::move(drops));
    }
    return std::move(layer_);
  }

 private:
  std::size_t top_k_;
  LayerCapacity layer_;
  DropCounts position_, row_, class_;
  std::vector<std::int64_t> class_tokens_;
};

/// Paired losses of the batches, with and without drops.
class LossDifference {
 public:
  void add(const CrossEntropySum& with, const CrossEntropySum& without) {
    const auto count = static_cast<double>(with.num_targets);
    with_ += with.loss;
    without_ += without.loss;
    count_ += count;
    differences_.push_back((with.loss - without.loss) / count);
  }
  void finish(CapacityUse& use) const {
    use.loss = with_ / count_;
    use.loss_without_drops = without_ / count_;
    use.difference = (with_ - without_) / count_;
    const auto num_batches = static_cast<double>(differences_.size());
    if (num_batches < 2) return;
    double mean = 0, squares = 0;
    for (const double d : differences_) mean += d / num_batches;
    for (const double d : differences_) squares += (d - mean) * (d - mean);
    use.standard_error = std::sqrt(squares / (num_batches - 1) / num_batches);
  }

 private:
  double with_ = 0, without_ = 0, count_ = 0;
  std::vector<double> differences_;
};

}  // namespace

template <class T>
CapacityUse capacity_use(Exec& exec, const MiniGPT<T>& model, const TokenSource& source, const WindowChoice& choice,
                         std::size_t min_class_tokens, const CancelFlag* cancel, MemoryResource* resource) {
  RoutedBatches<T> batches(exec, model, source, choice, resource);
  const MoEConfig& moe = model.config().moe;
  CapacityUse use;
  use.split = split_name(choice.split);
  use.capacity_factor = choice.split == Split::kTrain ? moe.capacity_factor : moe.eval_capacity_factor;
  use.num_windows = batches.num_windows();
  use.num_batches = batches.num_batches();
  use.num_tokens = use.num_windows * choice.seq_len;
  std::vector<LayerCounter> counters;
  for (const std::size_t block : model.config().moe_layers) {
    counters.emplace_back(model.config(), block, choice, source.class_names().size());
  }
  LossDifference losses;
  std::size_t tokens_of_a_batch = 0;
  while (batches.next(cancel)) {
    tokens_of_a_batch = std::max(tokens_of_a_batch, batches.num_tokens());
    batches.forward();
    const CrossEntropySum with = batches.loss();
    for (std::size_t i = 0; i < counters.size(); ++i) counters[i].add(batches, batches.routing()[i]);
    if (use.capacity_factor == 0) {
      losses.add(with, with);
    } else {
      batches.forward(true);
      losses.add(with, batches.loss());
    }
  }
  losses.finish(use);
  for (LayerCounter& counter : counters) {
    use.layers.push_back(counter.finish(source.class_names(), min_class_tokens));
    use.layers.back().capacity = expert_capacity(use.capacity_factor, tokens_of_a_batch, moe.top_k, moe.num_experts);
  }
  return use;
}

template <class T>
CapacityReport capacity_report(Exec& exec, const MiniGPT<T>& model, const TokenSource& source,
                               const WindowChoice& choice, std::size_t min_class_tokens, const CancelFlag* cancel,
                               MemoryResource* resource) {
  require(choice.split != Split::kTrain,
          "the split is train, whose windows are looked at anyway; name an evaluation split");
  CapacityReport report;
  report.corpus = source.name();
  report.evaluation = capacity_use(exec, model, source, choice, min_class_tokens, cancel, resource);
  WindowChoice train = choice;
  train.split = Split::kTrain;
  train.max_windows = report.evaluation.num_windows;
  report.train = capacity_use(exec, model, source, train, min_class_tokens, cancel, resource);
  report.stragglers = find_stragglers(exec, model, source, choice, resource);
  return report;
}

#define MINIMOE_INSTANTIATE(T)                                                                                      \
  template CapacityUse capacity_use(Exec&, const MiniGPT<T>&, const TokenSource&, const WindowChoice&, std::size_t, \
                                    const CancelFlag*, MemoryResource*);                                            \
  template CapacityReport capacity_report(Exec&, const MiniGPT<T>&, const TokenSource&, const WindowChoice&,        \
                                          std::size_t, const CancelFlag*, MemoryResource*);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
