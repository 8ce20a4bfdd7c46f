// SPDX-License-Identifier: Apache-2.0
// minimoe: train, watch and compare small Mixture-of-Experts language models on a CPU.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iterator>
#include <new>
#include <string>
#include <vector>

#include "command.hpp"
#include "command_tree.hpp"
#include "exit_codes.hpp"
#include "library.hpp"
#include "nearest.hpp"

namespace cli {

namespace {

int fail(ExitCode code, const std::string& message) {
  std::string line = message;
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  std::fprintf(stderr, "minimoe: error: %s\n", line.c_str());
  return code;
}

bool is_utf8(const char* text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text);
  while (*at) {
    int more = 0;
    unsigned point = *at;
    if (*at >= 0xF0 && *at <= 0xF4) {
      more = 3;
      point &= 0x07;
    } else if (*at >= 0xE0) {
      more = 2;
      point &= 0x0F;
      if (*at > 0xEF) return false;
    } else if (*at >= 0xC2) {
      more = 1;
      point &= 0x1F;
    } else if (*at >= 0x80) {
      return false;
    }
    ++at;
    for (int i = 0; i < more; ++i, ++at) {
      if ((*at & 0xC0) != 0x80) return false;
      point = point << 6 | (*at & 0x3Fu);
    }
    if ((more == 2 && (point < 0x800 || (point >= 0xD800 && point < 0xE000))) ||
        (more == 3 && (point < 0x10000 || point > 0x10FFFF))) {
      return false;
    }
  }
  return true;
}

const CLI::App& chosen_command(const CLI::App& program) {
  const auto chosen = program.get_subcommands();
  return chosen.empty() ? program : *chosen.front();
}

// CLI11 names the word that it could not place; the user wants the one that was meant.
std::string explain_extras(const CLI::App& program) {
  const CLI::App& command = chosen_command(program);
  const bool top = &command == &program;
  const std::vector<std::string> remaining = command.remaining();
  const std::vector<std::string> left = remaining.empty() ? program.remaining() : remaining;
  if (left.empty()) return "an argument is left over";
  const std::string word = left.front().substr(0, left.front().find('='));
  std::vector<std::string> names;
  if (word.rfind("--", 0) == 0) {
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    return "unknown option '" + word + "'" + (top ? "" : " of " + command.get_name()) + did_you_mean(word, names);
  }
  if (!top) return "unexpected argument '" + word + "' of " + command.get_name();
  for (const CommandText& known : describe_commands(program)) names.push_back(known.name);
  const std::string meant = did_you_mean(word, names);
  return "unknown command '" + word + "'" + (meant.empty() ? "; see minimoe --help" : meant);
}

int explain_parse_error(CLI::App& program, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) return fail(kBadInput, explain_extras(program));
  if (dynamic_cast<const CLI::RequiredError*>(&error) && program.get_subcommands().empty()) {
    if (!program.remaining().empty()) return fail(kBadInput, explain_extras(program));
    return fail(kBadInput, "no command; see minimoe --help");
  }
  const std::string message = error.what();
  const std::size_t missing = message.find(": 1 required ");
  if (missing != std::string::npos) return fail(kBadInput, message.substr(0, missing) + ": its value is missing");
  const std::size_t twice = message.find(": At Most 1 required");
  if (twice != std::string::npos) return fail(kBadInput, message.substr(0, twice) + " is given more than once");
  return fail(kBadInput, message);
}

ExitCode exit_code_of(minimoe_status status) {
  switch (status) {
    case MINIMOE_E_INVALID_ARGUMENT:
    case MINIMOE_E_IO:
    case MINIMOE_E_CORRUPT_FILE:
    case MINIMOE_E_UNSUPPORTED:
    case MINIMOE_E_SHAPE:
    case MINIMOE_E_VERSION:
      return kBadInput;
    default:
      return kRunFailed;
  }
}

// `minimoe help train` is `minimoe train --help`. From the last word to the first, as CLI11 wants them.
std::vector<std::string> words_of(int argc, char** argv, const CLI::App& program) {
  std::vector<std::string> words(std::make_reverse_iterator(argv + argc), std::make_reverse_iterator(argv + 1));
  if (words.empty() || words.back() != "help") return words;
  words.pop_back();
  const auto is_it = [&](const CLI::App* command) { return command->get_name() == words.back(); };
  // An unknown command stays alone, and is refused as one.
  if (words.empty() || !program.get_subcommands(is_it).empty()) words.insert(words.begin(), "--help");
  return words;
}

int run(int argc, char** argv) {
  CLI::App program("Train, watch and compare small Mixture-of-Experts language models on a CPU.", "minimoe");
  program.set_version_flag("--version", "minimoe " + capi::version_string());
  program.require_subcommand(1);
  program.formatter(plain_formatter());
  program.get_formatter()->column_width(34);
  program.footer(kExitCodeHelp);
  Action action;
  add_train_command(program, action);
  add_eval_command(program, action);
  add_analyze_command(program, action);
  add_sample_command(program, action);
  add_compare_command(program, action);
  add_break_command(program, action);
  add_health_command(program, action);
  add_corpus_command(program, action);
  add_report_command(program, action);
  add_import_command(program, action);
  add_export_command(program, action);
  add_logits_command(program, action);
  add_upcycle_command(program, action);
  add_bench_command(program, action);
  add_config_command(program, action);
  add_doctor_command(program, action);
  add_completions_command(program, action);
  add_manual_command(program, action);

  for (int i = 1; i < argc; ++i) {
    if (!is_utf8(argv[i])) return fail(kBadInput, "argument " + std::to_string(i) + " is not valid UTF-8");
  }
  try {
    program.parse(words_of(argc, argv, program));
  } catch (const CLI::Success& asked_for_text) {
    return program.exit(asked_for_text);
  } catch (const CLI::ParseError& error) {
    return explain_parse_error(program, error);
  }
  return action();
}

int guarded_run(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const BadInput& error) {
    return fail(kBadInput, error.what());
  } catch (const RunFailed& error) {
    return fail(kRunFailed, error.what());
  } catch (const capi::Error& failure) {
    return fail(exit_code_of(failure.status()), failure.what());
  } catch (const std::bad_alloc&) {
    return fail(kRunFailed, "out of memory");
  } catch (const std::exception& error) {
    return fail(kRunFailed, std::string("internal error: ") + error.what());
  }
}

}  // namespace

}  // namespace cli

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file past the size limit is a write that fails, with our message
  const int code = cli::guarded_run(argc, argv);
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    return code != 0 ? code : cli::fail(cli::kRunFailed, "cannot write to standard output");
  }
  return code;
}
