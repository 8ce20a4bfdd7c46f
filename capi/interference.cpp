// SPDX-License-Identifier: Apache-2.0
#include "cancel.hpp"
#include "core/json_writer.hpp"
#include "trainer.hpp"

namespace minimoe::capi {
namespace {

std::string interference_text(const std::vector<RouterInterference>& layers) {
  JsonWriter list;
  list.begin('[');
  for (const RouterInterference& layer : layers) {
    const auto number = [](const std::optional<double>& value) { return value ? json_of(*value) : "null"; };
    list.begin('{').member("block", layer.block).member("main_norm", layer.main_norm);
    list.member("aux_norm", layer.aux_norm).raw_member("scaled_ratio", number(layer.scaled_ratio));
    list.raw_member("cosine", number(layer.cosine)).end('}');
  }
  return list.end(']').text();
}

// What any answer for so many layers fits in: a double has at most 24 characters.
std::size_t largest_text(std::size_t num_layers) {
  constexpr std::size_t kLayer = sizeof R"({"block":,"main_norm":,"aux_norm":,"scaled_ratio":,"cosine":},)" + 5 * 24;
  return 3 + num_layers * kLayer;
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_trainer_interference(minimoe_trainer* trainer, minimoe_cancel_token* cancel, char* buf,
                                            size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Writing<minimoe_trainer> writing(where, "trainer", trainer);
    const Writing<minimoe_model> model(where, "model", &*writing->model);  // its gradients are written
    const Reading<minimoe_dataset> data(where, "dataset", &*writing->dataset);
    const OptionalCancel token(where, cancel);
    out.reserve(largest_text(writing->config.model.moe_layers.size()));
    minimoe::StepControl control;
    control.cancel = token.flag();
    out.write(interference_text(writing->trainer.interference(control)));
  });
}
