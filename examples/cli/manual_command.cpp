// SPDX-License-Identifier: Apache-2.0
// The manual page, made from the commands and options themselves: minimoe manual > examples/cli/minimoe.1
#include <algorithm>
#include <cstdio>

#include "command.hpp"
#include "command_tree.hpp"
#include "exit_codes.hpp"
#include "library.hpp"

namespace cli {

namespace {

std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool starts_line = out.empty() || out.back() == '\n';
    if (starts_line && (c == '.' || c == '\'')) out += "\\&";
    out += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
  }
  return out;
}

std::string entry(const OptionText& option) {
  std::string text = ".TP\n";
  if (option.is_positional) {
    text += "\\fI" + roff(option.value) + "\\fR";
  } else {
    text += "\\fB" + roff(joined(option.names, ", ")) + "\\fR";
    if (!option.value.empty()) text += " \\fI" + roff(option.value) + "\\fR";
  }
  text += "\n" + roff(option.help);
  const auto is_told = [&](const std::string& word) { return option.help.find(word) != std::string::npos; };
  if (!std::all_of(option.choices.begin(), option.choices.end(), is_told)) {
    text += " (" + roff(joined(option.choices, ", ")) + ")";
  }
  return text + "\n";
}

// The groups that several commands share, in the order of the command that has them all.
std::vector<std::string> shared_groups(const std::vector<CommandText>& commands) {
  std::vector<std::string> groups;
  for (const CommandText& command : commands) {
    if (command.name != "config") continue;
    for (const OptionText& option : command.options) {
      if (option.is_positional || option.group == "Options" || option.group == "Output") continue;
      if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) groups.push_back(option.group);
    }
  }
  return groups;
}

std::string command_section(const CommandText& command, const std::vector<std::string>& shared) {
  std::string text = ".SS minimoe " + roff(command.name) + "\n" + roff(command.help) + ".\n";
  std::vector<std::string> takes;
  for (const std::string& group : shared) {
    const auto in_group = [&](const OptionText& option) { return option.group == group; };
    if (std::any_of(command.options.begin(), command.options.end(), in_group)) takes.push_back(group);
  }
  if (!takes.empty()) text += "Takes the shared options: " + roff(joined(takes, ", ")) + ".\n";
  for (const OptionText& option : command.options) {
    if (std::find(shared.begin(), shared.end(), option.group) != shared.end()) continue;
    if (!option.names.empty() && option.names.back() == "--help") continue;
    text += entry(option);
  }
  return text;
}

std::string shared_section(const std::vector<CommandText>& commands, const std::vector<std::string>& shared) {
  std::string text;
  for (const std::string& group : shared) {
    text += ".SS " + roff(group) + "\n";
    for (const CommandText& command : commands) {
      if (command.name != "config") continue;
      for (const OptionText& option : command.options) {
        if (option.group == group) text += entry(option);
      }
    }
  }
  return text;
}

std::string manual(const CLI::App& program) {
  const std::vector<CommandText> commands = describe_commands(program);
  const std::vector<std::string> shared = shared_groups(commands);
  const CommandText top = describe(program);
  std::string text =
      ".\\\" SPDX-License-Identifier: Apache-2.0\n.TH MINIMOE 1 \"\" \"minimoe " + capi::version_string() +
      "\" \"User Commands\"\n"
      ".SH NAME\nminimoe \\- train, watch and compare small Mixture\\-of\\-Experts language models\n"
      ".SH SYNOPSIS\n.B minimoe\n.I COMMAND\n[\\fIOPTION\\fR]...\n"
      ".SH DESCRIPTION\n" +
      roff(top.help) +
      "\nWithout options, every command takes the lab preset: two blocks, one of them with four experts, "
      "and an embedded grammar corpus.\n";
  for (const OptionText& option : top.options) text += entry(option);
  text += ".SH COMMANDS\n";
  for (const CommandText& command : commands) text += command_section(command, shared);
  text += ".SH SHARED OPTIONS\n" + shared_section(commands, shared);
  text += ".SH EXIT STATUS\n.nf\n" + roff(kExitCodeHelp) + ".fi\n";
  return text;
}

}  // namespace

void add_manual_command(CLI::App& program, Action& action) {
  CLI::App* command = program.add_subcommand("manual", "Print the manual page")->group("");
  command->callback([&program, &action] {
    action = [&program] {
      std::printf("%s", manual(program).c_str());
      return static_cast<int>(kOk);
    };
  });
}

}  // namespace cli
