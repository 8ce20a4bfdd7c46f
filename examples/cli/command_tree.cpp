// SPDX-License-Identifier: Apache-2.0
#include "command_tree.hpp"

#include <algorithm>

namespace cli {

namespace {

// CLI11 writes a set of allowed values into the type name, TEXT:{lab,mid}, and choice_type does.
std::vector<std::string> choices_of(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t open = type.find('{'), close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return choices;
  for (std::size_t begin = open + 1; begin <= close;) {
    const std::size_t end = std::min(type.find(',', begin), close);
    choices.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

std::string plain_type(const std::string& type) { return type.substr(0, type.find_first_of(": ")); }

class PlainFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text = CLI::Formatter::make_option_opts(option);
    const std::string type = option->get_type_name();
    const std::size_t at = text.find(type);
    return type.empty() || at == std::string::npos ? text : text.replace(at, type.size(), plain_type(type));
  }
};

OptionText describe(const CLI::Option& option) {
  OptionText text;
  for (const std::string& name : option.get_snames()) text.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) text.names.push_back("--" + name);
  text.is_positional = option.get_positional();
  const std::string type = option.get_type_name();
  text.choices = choices_of(type);
  if (text.is_positional) {
    text.value = option.get_name();
  } else if (option.get_items_expected_max() > 0) {
    text.value = plain_type(type);
  }
  text.group = option.get_group();
  text.help = option.get_description();
  return text;
}

}  // namespace

CommandText describe(const CLI::App& command) {
  CommandText text{command.get_name(), command.get_description(), {}};
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_group().empty()) text.options.push_back(describe(*option));
  }
  return text;
}

std::vector<CommandText> describe_commands(const CLI::App& program) {
  std::vector<CommandText> commands;
  for (const CLI::App* command : program.get_subcommands({})) {
    if (!command->get_group().empty()) commands.push_back(describe(*command));
  }
  return commands;
}

std::string choice_type(const char* name, const std::vector<std::string>& choices) {
  return choices.empty() ? name : std::string(name) + ":{" + joined(choices, ",") + "}";
}

std::shared_ptr<CLI::FormatterBase> plain_formatter() { return std::make_shared<PlainFormatter>(); }

std::string joined(const std::vector<std::string>& words, const char* separator) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

}  // namespace cli
