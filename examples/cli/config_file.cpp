// SPDX-License-Identifier: Apache-2.0
#include "config_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "atomic_file.hpp"
#include "exit_codes.hpp"
#include "library.hpp"
#include "nearest.hpp"

namespace cli {

namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;

std::string where_of(const std::string& path, const toml::source_region& source) {
  return path + ":" + std::to_string(source.begin.line);
}

Json scalar_json(const toml::node& node, const std::string& where, const std::string& key) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* array = node.as_array()) {
    Json list = Json::array();
    for (const toml::node& entry : *array) list.push_back(scalar_json(entry, where, key));
    return list;
  }
  throw BadInput(where + ": " + key + ": a date, time or table is no configuration value");
}

void add_table(const toml::table& table, const std::string& path, const std::string& prefix, ConfigFile& file) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix.empty() ? std::string(name.str()) : prefix + "." + std::string(name.str());
    const std::string where = where_of(path, name.source());
    const std::vector<ConfigKey>& keys = known_keys();
    const bool is_part =
        std::any_of(keys.begin(), keys.end(), [&](const ConfigKey& k) { return k.key.rfind(key + ".", 0) == 0; });
    if (node.is_table() && is_part) {
      add_table(*node.as_table(), path, key, file);
      continue;
    }
    if (is_part) throw BadInput(where + ": " + key + " is a table of keys, not a value");
    require_known_key(key, where);
    set_dotted(file.values, key, scalar_json(node, where, key));
    file.origins[key] = where;
  }
}

ConfigFile read_json(const std::string& path, const std::string& text) {
  try {
    capi::config_resolve(text);
  } catch (const capi::Error& failure) {
    throw BadInput(path + ": " + failure.what());
  }
  ConfigFile file;
  file.values = Json::parse(text);
  for (const auto& [key, value] : dotted_leaves(file.values)) file.origins[key] = path;
  return file;
}

void add_leaves(const Json& config, const std::string& prefix, std::map<std::string, Json>& leaves) {
  for (const auto& [name, value] : config.items()) {
    const std::string key = prefix.empty() ? name : prefix + "." + name;
    if (value.is_object()) {
      add_leaves(value, key, leaves);
    } else {
      leaves[key] = value;
    }
  }
}

void write_table(std::ostream& out, const Json& table, const std::string& prefix,
                 const std::map<std::string, std::string>& meanings) {
  for (const auto& [name, value] : table.items()) {
    if (value.is_object()) continue;
    const auto meaning = meanings.find(prefix + "." + name);
    out << name << " = " << json_text(value);
    if (meaning != meanings.end() && !meaning->second.empty()) out << "  # " << meaning->second;
    out << '\n';
  }
  for (const auto& [name, value] : table.items()) {
    if (!value.is_object()) continue;
    const std::string key = prefix.empty() ? name : prefix + "." + name;
    out << "\n[" << key << "]\n";
    write_table(out, value, key, meanings);
  }
}

}  // namespace

const std::vector<ConfigKey>& known_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> list;
    for (const Json& k : Json::parse(capi::config_keys())) {
      list.push_back({k.at("key"), k.at("type"), k.at("default"), k.at("meaning")});
    }
    return list;
  }();
  return keys;
}

void require_known_key(const std::string& key, const std::string& where) {
  std::vector<std::string> names;
  for (const ConfigKey& k : known_keys()) {
    if (k.key == key) return;
    names.push_back(k.key);
  }
  throw BadInput(where + ": unknown key " + key + did_you_mean(key, names));
}

ConfigFile read_config_file(const std::string& path) {
  const std::string text = read_whole_file(path, kMaxConfigBytes);
  if (path.size() > 5 && path.compare(path.size() - 5, 5, ".json") == 0) return read_json(path, text);
  ConfigFile file;
  try {
    add_table(toml::parse(text, path), path, "", file);
  } catch (const toml::parse_error& error) {
    throw BadInput(where_of(path, error.source()) + ": " + std::string(error.description()));
  }
  return file;
}

std::string config_toml(const Json& config) {
  std::map<std::string, std::string> meanings;
  for (const ConfigKey& k : known_keys()) meanings[k.key] = k.meaning;
  std::ostringstream out;
  write_table(out, config, "", meanings);
  return out.str();
}

void set_dotted(Json& config, const std::string& key, Json value) {
  Json* at = &config;
  std::size_t begin = 0;
  for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', begin)) {
    at = &(*at)[key.substr(begin, dot - begin)];
    begin = dot + 1;
  }
  (*at)[key.substr(begin)] = std::move(value);
}

std::map<std::string, Json> dotted_leaves(const Json& config) {
  std::map<std::string, Json> leaves;
  add_leaves(config, "", leaves);
  return leaves;
}

}  // namespace cli
