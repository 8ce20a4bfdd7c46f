// SPDX-License-Identifier: Apache-2.0
// Every op once, on inputs addressed by name: what the tests compare over thread counts, instruction sets and scalars.
#pragma once

#include <string>
#include <vector>

#include "minimoe/core/exec.hpp"

namespace minimoe::test {

struct OpsShape {
  std::size_t batch_size, seq_len, d_model, d_ff, vocab_size, num_heads, num_kv_heads, head_dim;
};

struct NamedValues {
  std::string name;
  std::vector<double> values;
};

std::vector<std::int32_t> random_ids(std::size_t count, std::size_t bound, const std::string& name);
/// Every fifth is ignored.
std::vector<std::int32_t> random_targets(std::size_t count, std::size_t bound);

/// Outputs and gradients of every op; float results are widened, which keeps their bits apart.
template <class T>
std::vector<NamedValues> run_ops(Exec& exec, const OpsShape& shape);

/// The same list from the loops of reference_ops.hpp.
std::vector<NamedValues> run_reference_ops(const OpsShape& shape, bool float_inputs);

}  // namespace minimoe::test
