// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "command.hpp"
#include "exit_codes.hpp"
#include "report_directory.hpp"

namespace cli {

void add_report_command(CLI::App& program, Action& action) {
  const auto directory = std::make_shared<std::string>();
  CLI::App* command = program.add_subcommand(
      "report", "Draw the pictures and write report.html of a run or a comparison, from the files that it left");
  command->add_option("directory", *directory, "of a run or a comparison")->required();
  command->footer(kExitCodeHelp);
  command->callback([directory, &action] {
    action = [directory] {
      for (const std::string& message : make_report(*directory)) {
        std::fprintf(stderr, "minimoe: note: %s\n", message.c_str());
      }
      std::printf("%s\n", (std::filesystem::path(*directory) / "report.html").c_str());
      return kOk;
    };
  });
}

}  // namespace cli
