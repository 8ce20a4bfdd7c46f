// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/model/sampler.hpp>

#include "model.hpp"

namespace minimoe::capi {

/// @param when_full what "when_full" is where the text does not say
SampleOptions parse_sample_options(const char* where, const char* json, std::size_t json_len, const ModelConfig& config,
                                   WhenFull when_full);

}  // namespace minimoe::capi

struct minimoe_token_stream : minimoe::capi::Handle {
  static constexpr minimoe::capi::Kind kKind = minimoe::capi::Kind::kTokenStream;
  minimoe_token_stream(const char* function, minimoe_model& of, const std::vector<std::int32_t>& prompt,
                       const minimoe::SampleOptions& options)
      : Handle(kKind),
        model(of),
        generation(of.generation.load()),
        tokens(of.model, prompt, options, of.num_threads, of.options.resource(), function) {}

  const minimoe::capi::Shared<minimoe_model> model;
  const std::uint64_t generation;  // of the model, when the stream was made
  minimoe::TokenStream<float> tokens;
};
