// SPDX-License-Identifier: Apache-2.0
// The commands of the program. Each adds itself with its options; when it was chosen, parsing sets `action`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace cli {

using Action = std::function<int()>;

void add_train_command(CLI::App& program, Action& action);
void add_eval_command(CLI::App& program, Action& action);
void add_sample_command(CLI::App& program, Action& action);
void add_compare_command(CLI::App& program, Action& action);
void add_corpus_command(CLI::App& program, Action& action);
void add_bench_command(CLI::App& program, Action& action);
void add_config_command(CLI::App& program, Action& action);

}  // namespace cli
