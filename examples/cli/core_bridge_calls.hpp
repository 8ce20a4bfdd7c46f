// SPDX-License-Identifier: Apache-2.0
// What the parts of the bridge share: the translation of exceptions, and what stands behind the handles.
#pragma once

#include <minimoe/train/run_config.hpp>
#include <minimoe/train/token_batches.hpp>
#include <new>
#include <stdexcept>

#include "core_bridge.hpp"

namespace cli::core {

struct Dataset::Impl {
  std::unique_ptr<minimoe::TokenSource> source;
};

struct Model::Impl {
  Impl(const minimoe::ModelConfig& config, const minimoe::ExecOptions& options) : exec(options), model(config) {}
  minimoe::Exec exec;
  minimoe::MiniGPT<float> model;
};

minimoe::ExecOptions parse_exec(const std::string& exec);

/// Throws one error that lists every problem.
inline void refuse(const std::vector<std::string>& problems) {
  if (problems.empty()) return;
  std::string text;
  for (const std::string& problem : problems) text += (text.empty() ? "" : "; ") + problem;
  throw minimoe::Error(minimoe::ErrorCode::kInvalidArgument, text);
}

/// Runs `body`; whatever it throws leaves as a Failure.
template <class Body>
auto guarded(Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const minimoe::Error& error) {
    throw Failure(static_cast<Status>(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    throw Failure(Status::kOutOfMemory, "out of memory");
  } catch (const std::length_error&) {
    throw Failure(Status::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    throw Failure(Status::kInternal, error.what());
  }
}

}  // namespace cli::core
