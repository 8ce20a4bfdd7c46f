// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "train/config_check.hpp"
#include "train/config_difference.hpp"

namespace minimoe {
namespace {

using config::Name;
using config::RealRange;
using Json = nlohmann::ordered_json;

/// Builds the JSON tree of a configuration.
class FieldPrinter {
 public:
  const Json& root() const { return root_; }

  template <class Int>
  void integer(const char* key, const Int& member, std::uint64_t, std::uint64_t, const char*) {
    at(key) = member;
  }
  void real(const char* key, const double& member, const RealRange&, const char*) { at(key) = finite(key, member); }
  void flag(const char* key, const bool& member, const char*) { at(key) = member; }
  template <class E, std::size_t N>
  void choice(const char* key, const E& member, const Name<E> (&names)[N], const char*) {
    for (const Name<E>& n : names) {
      if (n.value == member) at(key) = n.name;
    }
  }
  void text(const char* key, const std::string& member, const char*) { at(key) = member; }
  void word(const char* key, const std::string& member, const std::vector<std::string>&, const char*) {
    at(key) = member;
  }
  void integers(const char* key, const std::vector<std::size_t>& members, std::uint64_t, std::uint64_t, std::size_t,
                const char*) {
    at(key) = members;
  }
  void reals(const char* key, const std::vector<double>& members, const RealRange&, std::size_t, const char*) {
    for (const double m : members) finite(key, m);
    at(key) = members;
  }
  void words(const char* key, const std::vector<std::string>& members, const std::vector<std::string>&, const char*) {
    at(key) = members;
  }
  void enter(const char* key) { objects_.push_back(&(at(key) = Json::object())); }
  void leave() { objects_.pop_back(); }

 private:
  Json& at(const char* key) { return (*objects_.back())[key]; }
  static double finite(const char* key, double value) {
    require(std::isfinite(value), "run_config_json: ", key, " is ", config::real_text(value),
            ", which JSON cannot hold");
    return value;
  }

  Json root_ = Json::object();
  std::vector<Json*> objects_ = {&root_};
};

/// Lists the keys with type and meaning.
class KeyLister {
 public:
  std::vector<ConfigKey> keys;

  template <class Int>
  void integer(const char* key, const Int&, std::uint64_t low, std::uint64_t high, const char* meaning) {
    add(key, config::integer_range(low, high), meaning);
  }
  void real(const char* key, const double&, const RealRange& range, const char* meaning) {
    add(key, config::real_range(range), meaning);
  }
  void flag(const char* key, const bool&, const char* meaning) { add(key, "true | false", meaning); }
  template <class E, std::size_t N>
  void choice(const char* key, const E&, const Name<E> (&names)[N], const char* meaning) {
    add(key, config::word_range(config::names_of(names)), meaning);
  }
  void text(const char* key, const std::string&, const char* meaning) { add(key, "a text", meaning); }
  void word(const char* key, const std::string&, const std::vector<std::string>& words, const char* meaning) {
    add(key, config::word_range(words), meaning);
  }
  void integers(const char* key, const std::vector<std::size_t>&, std::uint64_t low, std::uint64_t high, std::size_t,
                const char* meaning) {
    add(key, "a list of: " + config::integer_range(low, high), meaning);
  }
  void reals(const char* key, const std::vector<double>&, const RealRange& range, std::size_t, const char* meaning) {
    add(key, "a list of: " + config::real_range(range), meaning);
  }
  void words(const char* key, const std::vector<std::string>&, const std::vector<std::string>& allowed,
             const char* meaning) {
    add(key, "a list of: " + config::word_range(allowed), meaning);
  }
  void enter(const char* key) { path_ = join_path(path_, key); }
  void leave() { path_.erase(path_.find('.') == std::string::npos ? 0 : path_.rfind('.')); }

 private:
  void add(const char* key, std::string type, const char* meaning) {
    keys.push_back({join_path(path_, key), std::move(type), {}, meaning});
  }
  std::string path_;
};

Json config_tree(const RunConfig& config) {
  FieldPrinter printer;
  config::visit_run_fields(printer, config);
  return printer.root();
}

const Json& value_at(const Json& tree, const std::string& dotted) {
  const Json* at = &tree;
  for (std::size_t begin = 0; begin <= dotted.size();) {
    const std::size_t end = std::min(dotted.find('.', begin), dotted.size());
    at = &at->at(dotted.substr(begin, end - begin));
    begin = end + 1;
  }
  return *at;
}

}  // namespace

std::string run_config_json(const RunConfig& config, int indent) {
  try {
    return config_tree(config).dump(indent);
  } catch (const Json::type_error&) {
    throw Error(ErrorCode::kInvalidArgument,
                concat("run_config_json: data.corpus is ", in_quotes(config.data.corpus), ", allowed a text in UTF-8"));
  }
}

std::vector<ConfigKey> run_config_keys() {
  RunConfig defaults;
  defaults.model.vocab_size = 0;
  const Json tree = config_tree(defaults);
  KeyLister lister;
  config::visit_run_fields(lister, defaults);
  for (ConfigKey& key : lister.keys) key.default_value = value_at(tree, key.key).dump();
  lister.keys.insert(lister.keys.begin(), {"model.preset", config::word_range(config::kPresetWords), "\"gpt2\"",
                                           "defaults of the other model keys"});
  return std::move(lister.keys);
}

std::vector<KeyDifference> compare_configs(const RunConfig& left, const RunConfig& right) {
  const Json left_tree = config_tree(left), right_tree = config_tree(right);
  KeyLister lister;
  config::visit_run_fields(lister, left);
  std::vector<KeyDifference> differences;
  for (const ConfigKey& key : lister.keys) {
    std::string l = value_at(left_tree, key.key).dump(), r = value_at(right_tree, key.key).dump();
    if (l != r) differences.push_back({key.key, std::move(l), std::move(r)});
  }
  return differences;
}

}  // namespace minimoe
