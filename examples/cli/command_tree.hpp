// SPDX-License-Identifier: Apache-2.0
// The program's commands and options as data, for shell completions and the manual page.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

namespace cli {

struct OptionText {
  std::vector<std::string> names;    ///< "--out"; none for a positional argument
  std::string value;                 ///< "DIR"; empty for a switch
  std::vector<std::string> choices;  ///< when only these values are allowed
  std::string group, help;
  bool is_positional = false;
};

struct CommandText {
  std::string name, help;
  std::vector<OptionText> options;
};

/// What `command` itself takes; hidden options are left out.
CommandText describe(const CLI::App& command);
/// The commands of `program` that are not hidden.
std::vector<CommandText> describe_commands(const CLI::App& program);

/// A type name that tells completions and manual which words an option takes: NAME:{cosine,constant}.
std::string choice_type(const char* name, const std::vector<std::string>& choices);

/// Writes --help with the first word of each type name: INT, not INT:INT in [0 - 256].
std::shared_ptr<CLI::FormatterBase> plain_formatter();

/// "a b c"
std::string joined(const std::vector<std::string>& words, const char* separator = " ");

}  // namespace cli
