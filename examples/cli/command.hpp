// SPDX-License-Identifier: Apache-2.0
// The commands of the program. Each adds itself with its options; when it was chosen, parsing sets `action`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace cli {

using Action = std::function<int()>;

/// Bounds that only keep a number sane: an error names them, the help does not.
template <class Number>
CLI::Validator sane_range(Number low, Number high) {
  return CLI::Range(low, high).description("");
}

void add_train_command(CLI::App& program, Action& action);
void add_eval_command(CLI::App& program, Action& action);
void add_analyze_command(CLI::App& program, Action& action);
void add_sample_command(CLI::App& program, Action& action);
void add_compare_command(CLI::App& program, Action& action);
void add_break_command(CLI::App& program, Action& action);
void add_import_command(CLI::App& program, Action& action);
void add_export_command(CLI::App& program, Action& action);
void add_logits_command(CLI::App& program, Action& action);
void add_upcycle_command(CLI::App& program, Action& action);
void add_health_command(CLI::App& program, Action& action);
void add_corpus_command(CLI::App& program, Action& action);
void add_report_command(CLI::App& program, Action& action);
void add_bench_command(CLI::App& program, Action& action);
void add_config_command(CLI::App& program, Action& action);
void add_doctor_command(CLI::App& program, Action& action);
void add_completions_command(CLI::App& program, Action& action);
void add_manual_command(CLI::App& program, Action& action);

}  // namespace cli
