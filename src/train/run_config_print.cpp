// SPDX-License-Identifier: Apache-2.0
#include "core/json_writer.hpp"
#include "train/config_check.hpp"
#include "train/config_difference.hpp"

namespace minimoe {
namespace {

using config::Name;
using config::RealRange;

/// Writes a configuration as JSON, and keeps each field's value by itself, in the order of the visit.
class FieldPrinter {
 public:
  FieldPrinter() { writer_.begin('{'); }
  std::string text() && { return writer_.end('}').text(); }
  std::vector<std::string> values;

  template <class Int>
  void integer(const char* key, const Int& member, std::uint64_t, std::uint64_t, const char*) {
    add(key, json_of(member));
  }
  void real(const char* key, const double& member, const RealRange&, const char*) { add(key, finite(key, member)); }
  void flag(const char* key, const bool& member, const char*) { add(key, json_of(member)); }
  template <class E, std::size_t N>
  void choice(const char* key, const E& member, const Name<E> (&names)[N], const char*) {
    std::string name = "null";
    for (const Name<E>& n : names) {
      if (n.value == member) name = json_of(n.name);
    }
    add(key, name);
  }
  void text(const char* key, const std::string& member, const char*) { add(key, utf8(key, member)); }
  void word(const char* key, const std::string& member, const std::vector<std::string>&, const char*) {
    add(key, utf8(key, member));
  }
  void integers(const char* key, const std::vector<std::size_t>& members, std::uint64_t, std::uint64_t, std::size_t,
                const char*) {
    add(key, json_of(members));
  }
  void reals(const char* key, const std::vector<double>& members, const RealRange&, std::size_t, const char*) {
    for (const double m : members) finite(key, m);
    add(key, json_of(members));
  }
  void words(const char* key, const std::vector<std::string>& members, const std::vector<std::string>&, const char*) {
    for (const std::string& m : members) utf8(key, m);
    add(key, json_of(members));
  }
  void enter(const char* key) { writer_.begin(key, '{'); }
  void leave() { writer_.end('}'); }

 private:
  void add(const char* key, std::string json) {
    writer_.raw_member(key, json);
    values.push_back(std::move(json));
  }
  static std::string finite(const char* key, double value) {
    require(std::isfinite(value), "run_config_json: ", key, " is ", config::real_text(value),
            ", which JSON cannot hold");
    return json_of(value);
  }
  static std::string utf8(const char* key, const std::string& text) {
    try {
      return json_of(text);
    } catch (const Error& error) {
      throw Error(error.code(), concat("run_config_json: ", key, " is ", in_quotes(text), ", allowed a text in UTF-8"));
    }
  }

  JsonWriter writer_;
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

FieldPrinter print(const RunConfig& config) {
  FieldPrinter printer;
  config::visit_run_fields(printer, config);
  return printer;
}

}  // namespace

std::string run_config_json(const RunConfig& config) { return print(config).text(); }

std::vector<ConfigKey> run_config_keys() {
  RunConfig defaults;
  defaults.model.vocab_size = 0;
  FieldPrinter printed = print(defaults);
  KeyLister lister;
  config::visit_run_fields(lister, defaults);
  for (std::size_t i = 0; i < lister.keys.size(); ++i) lister.keys[i].default_value = std::move(printed.values[i]);
  lister.keys.insert(lister.keys.begin(), {"model.preset", config::word_range(config::kPresetWords), "\"gpt2\"",
                                           "defaults of the other model keys"});
  return std::move(lister.keys);
}

std::vector<KeyDifference> compare_configs(const RunConfig& left, const RunConfig& right) {
  FieldPrinter l = print(left), r = print(right);
  KeyLister lister;
  config::visit_run_fields(lister, left);
  std::vector<KeyDifference> differences;
  for (std::size_t i = 0; i < lister.keys.size(); ++i) {
    if (l.values[i] == r.values[i]) continue;
    differences.push_back({lister.keys[i].key, std::move(l.values[i]), std::move(r.values[i])});
  }
  return differences;
}

}  // namespace minimoe
