// SPDX-License-Identifier: Apache-2.0
// Configuration files: TOML (or JSON) with the keys of the JSON configuration.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "json_text.hpp"

namespace cli {

struct ConfigKey {
  std::string key, type, default_value, meaning;
};

/// Every key that the library knows.
const std::vector<ConfigKey>& known_keys();
/// Throws BadInput with the nearest known key, after `where`, unless the library knows `key`.
void require_known_key(const std::string& key, const std::string& where);

struct ConfigFile {
  Json values = Json::object();
  std::map<std::string, std::string> origins;  ///< dotted key -> "FILE:LINE"
};

/// Reads a .toml file, or a .json one. @throws BadInput naming file, line and key.
ConfigFile read_config_file(const std::string& path);

/// As TOML tables, each key with its meaning as a comment.
std::string config_toml(const Json& config);

/// Sets config["a"]["b"] for "a.b".
void set_dotted(Json& config, const std::string& key, Json value);
/// The leaves of `config` by their dotted keys.
std::map<std::string, Json> dotted_leaves(const Json& config);

}  // namespace cli
