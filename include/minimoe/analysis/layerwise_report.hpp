// SPDX-License-Identifier: Apache-2.0
// What the routers of a model do on a text, when only one of its blocks fits into memory at a time.
#pragma once

#include <functional>

#include "minimoe/analysis/health.hpp"
#include "minimoe/analysis/specialisation.hpp"

namespace minimoe {

/// The weights of a model that lies elsewhere.
struct WeightReader {
  /// Fills these parameters and buffers of the model, by their names.
  std::function<void(const ParameterList<float>&)> parameters;
  /// Copies a row [D] of token_embedding.weight.
  std::function<void(std::int32_t token, float* row)> embedding;
};

struct LayerwiseReport {
  SpecialisationReport specialisation;  ///< equal to model_specialisation's, bit for bit
  HealthReport health;                  ///< of one window, a step of which is a batch, without a warm-up
};

/// Runs all windows through one block after the other. In memory at a time: the weights of one block in float32 (of one
/// dense and one MoE block where there are both), the residual stream of all windows, the inputs of one layer's router
/// for all windows (each num_windows * seq_len * d_model floats), and the activations of one batch in one block. The
/// head and the final norm are not read.
/// @param model with rotary positions (every architecture with MoE layers that is read from elsewhere has these)
/// @throws Error as model_specialisation, kUnsupported for learned positions, and what `weights` throws.
LayerwiseReport layerwise_report(Exec& exec, const ModelConfig& model, const WeightReader& weights,
                                 const TokenSource& source, const WindowChoice& choice,
                                 const SpecialisationOptions& options, const CancelFlag* cancel = nullptr,
                                 MemoryResource* resource = nullptr);

}  // namespace minimoe
