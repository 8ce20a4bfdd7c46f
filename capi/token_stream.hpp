// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/model/sampler.hpp>
#include <optional>

#include "model.hpp"

namespace minimoe::capi {

struct GenerateOptions : SampleOptions {
  std::optional<bool> pack_weights;  // absent: where it pays
};

/// @param when_full what "when_full" is where the text does not say
GenerateOptions parse_generate_options(const char* where, const char* json, std::size_t json_len,
                                       const ModelConfig& config, WhenFull when_full);

/// The copy of the model's weights that `options` ask for, or null.
std::shared_ptr<const PackedWeights<float>> packed_weights(const minimoe_model& model, const GenerateOptions& options);

}  // namespace minimoe::capi

struct minimoe_token_stream : minimoe::capi::Handle {
  static constexpr minimoe::capi::Kind kKind = minimoe::capi::Kind::kTokenStream;
  minimoe_token_stream(const char* function, minimoe_model& of, const std::vector<std::int32_t>& prompt,
                       const minimoe::capi::GenerateOptions& options)
      : Handle(kKind),
        model(of),
        generation(of.generation.load()),
        packed(minimoe::capi::packed_weights(of, options)),
        tokens(of.model, prompt, options, of.num_threads, of.options.resource(), function, packed) {}

  const minimoe::capi::Shared<minimoe_model> model;
  const std::uint64_t generation;  // of the model, when the stream was made
  const std::shared_ptr<const minimoe::PackedWeights<float>> packed;
  minimoe::TokenStream<float> tokens;
};
