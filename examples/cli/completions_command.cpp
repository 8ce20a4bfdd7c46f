// SPDX-License-Identifier: Apache-2.0
// Shell completions, made from the commands and options themselves.
#include <cstdio>

#include "command.hpp"
#include "command_tree.hpp"
#include "exit_codes.hpp"

namespace cli {

namespace {

std::string replaced(const std::string& text, const std::string& characters, const std::string& before) {
  std::string out;
  for (const char c : text) {
    if (characters.find(c) != std::string::npos) out += before;
    out += c;
  }
  return out;
}

std::string option_words(const CommandText& command) {
  std::vector<std::string> words;
  for (const OptionText& option : command.options) words.insert(words.end(), option.names.begin(), option.names.end());
  return joined(words);
}

std::string bash_completions(const CommandText& program, const std::vector<CommandText>& commands) {
  std::string names, options, values;
  for (const CommandText& command : commands) {
    names += command.name + " ";
    options += "      " + command.name + ") words=\"" + option_words(command) + "\" ;;\n";
    for (const OptionText& option : command.options) {
      if (option.choices.empty()) continue;
      const std::string before = option.is_positional ? command.name : option.names.back();
      values += "      '" + command.name + " " + before + "') words=\"" + joined(option.choices) + "\" ;;\n";
    }
  }
  return "# SPDX-License-Identifier: Apache-2.0\n"
         "# bash completion for minimoe\n"
         "_minimoe() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
         "  if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then "
         "previous=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
         "  COMPREPLY=()\n"
         "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
         "    words=\"" +
         names + option_words(program) +
         "\"\n"
         "  elif [[ $current == -* ]]; then\n"
         "    case ${COMP_WORDS[1]} in\n" +
         options +
         "    esac\n"
         "  else\n"
         "    case \"${COMP_WORDS[1]} $previous\" in\n" +
         values +
         "      *) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
         "    esac\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o filenames -F _minimoe minimoe\n";
}

std::string zsh_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string zsh_arguments(const CommandText& command) {
  std::string text = "_arguments";
  for (const OptionText& option : command.options) {
    const std::string action = option.choices.empty() ? "_files" : "(" + joined(option.choices) + ")";
    if (option.is_positional) text += " \\\n        " + zsh_quoted("1:" + option.value + ":" + action);
    for (const std::string& name : option.names) {
      const std::string help = "[" + replaced(option.help, "[]\\", "\\") + "]";
      text += " \\\n        ";
      text +=
          zsh_quoted(option.value.empty() ? name + help : "*" + name + "=" + help + ":" + option.value + ":" + action);
    }
  }
  return text;
}

std::string zsh_completions(const CommandText& program, const std::vector<CommandText>& commands) {
  std::string names, cases;
  for (const CommandText& command : commands) {
    names +=
        "      " + zsh_quoted(replaced(command.name, ":\\", "\\") + ":" + replaced(command.help, ":\\", "\\")) + "\n";
    cases += "    " + command.name + ")\n      " + zsh_arguments(command) + " ;;\n";
  }
  return "#compdef minimoe\n"
         "# SPDX-License-Identifier: Apache-2.0\n"
         "_minimoe() {\n"
         "  if (( CURRENT == 2 )); then\n"
         "    local -a commands=(\n" +
         names +
         "    )\n"
         "    _describe command commands\n"
         "    " +
         zsh_arguments(program) +
         "\n"
         "    return\n"
         "  fi\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $words[1] in\n" +
         cases +
         "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _minimoe ]]; then _minimoe \"$@\"; else compdef _minimoe minimoe; fi\n";
}

std::string fish_option(const OptionText& option, const std::string& condition) {
  std::string line = "complete -c minimoe -n " + condition;
  for (const std::string& name : option.names) {
    line += name[1] == '-' ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.choices.empty()) {
    line += " -x -a '" + joined(option.choices) + "'";
  } else if (!option.value.empty()) {
    line += " -r";
  }
  return line + " -d '" + replaced(option.help, "'\\", "\\") + "'\n";
}

std::string fish_completions(const CommandText& program, const std::vector<CommandText>& commands) {
  std::string text = "# SPDX-License-Identifier: Apache-2.0\n# fish completion for minimoe\n";
  for (const OptionText& option : program.options) text += fish_option(option, "__fish_use_subcommand");
  for (const CommandText& command : commands) {
    text += "complete -c minimoe -n __fish_use_subcommand -f -a " + command.name + " -d '" +
            replaced(command.help, "'\\", "\\") + "'\n";
    for (const OptionText& option : command.options) {
      text += fish_option(option, "'__fish_seen_subcommand_from " + command.name + "'");
    }
  }
  return text;
}

}  // namespace

void add_completions_command(CLI::App& program, Action& action) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* command =
      program.add_subcommand("completions", "Print completions for a shell, as in: source <(minimoe completions bash)");
  command->add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([shell, &program, &action] {
    action = [shell, &program] {
      const auto print = *shell == "bash" ? bash_completions : *shell == "zsh" ? zsh_completions : fish_completions;
      std::printf("%s", print(describe(program), describe_commands(program)).c_str());
      return static_cast<int>(kOk);
    };
  });
}

}  // namespace cli
