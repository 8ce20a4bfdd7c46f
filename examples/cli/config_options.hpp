// SPDX-License-Identifier: Apache-2.0
// The configuration on the command line: named flags, --set and --config, over the lab preset.
#pragma once

#include <CLI/CLI.hpp>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "library.hpp"

namespace cli {

enum class ConfigScope {
  kAll,   ///< model, training and data
  kData,  ///< data only
  kFile,  ///< --config and --set only
};

/// Adds its options to a command, and afterwards tells what they came to. Must outlive the parsing.
class ConfigOptions {
 public:
  void add_to(CLI::App& command, ConfigScope scope);

  /// True when any flag, --set or --config was given.
  bool given() const;
  bool given(const std::string& key) const;
  /// Lab preset, then the file, then the flags: whole and valid. @throws BadInput naming the flag or the line.
  Json resolve() const;
  /// `base` with what was given on top.
  Json resolve_over(const Json& base) const;

 private:
  struct Value {
    const struct FlagSpec* spec = nullptr;
    CLI::Option* option = nullptr;
    std::string text;
  };
  struct Layers {
    Json values = Json::object();
    std::map<std::string, std::string> origins;  ///< dotted key -> "FILE:LINE" or "--flag"
  };
  Layers layers() const;

  std::deque<Value> values_;  // a deque: CLI11 keeps addresses of its elements
  std::vector<std::string> assignments_;
  std::string config_path_;
};

/// How it is computed: --threads and --isa.
class ExecFlags {
 public:
  void add_to(CLI::App& command);
  capi::Options options() const;

 private:
  int threads_ = 0;
  std::string isa_ = "auto";
};

}  // namespace cli
