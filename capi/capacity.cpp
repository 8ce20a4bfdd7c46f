// SPDX-License-Identifier: Apache-2.0
// What a capacity limit costs a model.
#include <minimoe/analysis/capacity.hpp>

#include "cancel.hpp"
#include "dataset.hpp"
#include "model.hpp"
#include "window_choice.hpp"

namespace minimoe::capi {
namespace {

// More than any report has: 32 bytes a number, and texts of bounded length.
std::size_t report_bound(const TokenSource& source, const RunConfig& config) {
  constexpr std::size_t kFixed = 8192, kGroup = 256, kNumber = 32;
  std::size_t classes = 0;
  for (const std::string& name : source.class_names()) classes += 6 * name.size() + kGroup;
  const std::size_t layer = kFixed + 4 * config.model.moe.num_experts * kNumber + 2 * classes +
                            (config.train.seq_len + config.train.batch_size) * kNumber;
  return kFixed + 12 * source.name().size() + 2 * config.model.moe_layers.size() * layer;
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_model_capacity_report(const minimoe_model* model, const minimoe_dataset* dataset,
                                             const char* split, const char* json, size_t json_len,
                                             minimoe_cancel_token* cancel, char* buf, size_t buf_cap,
                                             size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_model> reading(where, "model", model);
    const Reading<minimoe_dataset> data(where, "dataset", dataset);
    const OptionalCancel token(where, cancel);
    JsonOptions read(where, "json", input_json(where, json, json_len));
    const minimoe::WindowChoice choice = parse_window_choice(read, input_split(where, split), reading->config);
    std::size_t min_class_tokens = 100;
    read.integer("min_class_tokens", min_class_tokens, 0, std::uint64_t{1} << 32);
    read.finish();
    in_the_name_of(where, [&] {
      minimoe::check_analysable(reading->config.model, data->source(), choice);
      out.reserve(report_bound(data->source(), reading->config));
      const auto work = reading->workspaces.lend();
      out.write(minimoe::capacity_json(minimoe::capacity_report(work->exec, reading->model, data->source(), choice,
                                                                min_class_tokens, token.flag(),
                                                                reading->options.resource())));
    });
  });
}
