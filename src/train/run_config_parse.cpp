// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/run_config.hpp"
#include "train/config_check.hpp"

namespace minimoe {
namespace {

using config::Name;
using config::RealRange;
using Kind = JsonValue::Kind;

/// Takes each field from the JSON tree when it is there, and collects what is wrong with it.
class FieldParser {
 public:
  explicit FieldParser(const JsonValue& root) { open("", &root); }
  std::vector<std::string> problems;

  template <class Int>
  void integer(const char* key, Int& member, std::uint64_t low, std::uint64_t high, const char*) {
    const JsonValue* value = take(key);
    if (!value) return;
    if (value->kind != Kind::kUnsigned || value->integer < low || value->integer > high) {
      return report(path(key), *value, config::integer_range(low, high));
    }
    member = static_cast<Int>(value->integer);
  }
  void real(const char* key, double& member, const RealRange& range, const char*) {
    const JsonValue* value = take(key);
    if (!value) return;
    if (!value->is_number() || !config::in_range(value->real, range)) {
      return report(path(key), *value, config::real_range(range));
    }
    member = value->real;
  }
  void flag(const char* key, bool& member, const char*) {
    const JsonValue* value = take(key);
    if (!value) return;
    if (value->kind != Kind::kBool) return report(path(key), *value, "true | false");
    member = value->boolean;
  }
  template <class E, std::size_t N>
  void choice(const char* key, E& member, const Name<E> (&names)[N], const char*) {
    const JsonValue* value = take(key);
    if (!value) return;
    if (value->kind == Kind::kString) {
      for (const Name<E>& n : names) {
        if (value->text == n.name) {
          member = n.value;
          return;
        }
      }
    }
    report(path(key), *value, config::word_range(config::names_of(names)));
  }
  void text(const char* key, std::string& member, const char*) {
    const JsonValue* value = take(key);
    if (!value) return;
    if (value->kind != Kind::kString || value->text.empty() || value->text.find('\0') != std::string::npos) {
      return report(path(key), *value, "a text without NUL");
    }
    member = value->text;
  }
  void word(const char* key, std::string& member, const std::vector<std::string>& words, const char*) {
    const JsonValue* value = take(key);
    if (!value) return;
    if (!is_word(*value, words)) return report(path(key), *value, config::word_range(words));
    member = value->text;
  }
  void integers(const char* key, std::vector<std::size_t>& members, std::uint64_t low, std::uint64_t high,
                std::size_t max_count, const char*) {
    const std::string allowed = config::integer_range(low, high);
    list(key, members, max_count, allowed, [&](const JsonValue& item, std::size_t& out) {
      out = item.integer;
      return item.kind == Kind::kUnsigned && item.integer >= low && item.integer <= high;
    });
  }
  void reals(const char* key, std::vector<double>& members, const RealRange& range, std::size_t max_count,
             const char*) {
    list(key, members, max_count, config::real_range(range), [&](const JsonValue& item, double& out) {
      out = item.real;
      return item.is_number() && config::in_range(item.real, range);
    });
  }
  void words(const char* key, std::vector<std::string>& members, const std::vector<std::string>& allowed, const char*) {
    list(key, members, allowed.size(), config::word_range(allowed), [&](const JsonValue& item, std::string& out) {
      out = item.text;
      return is_word(item, allowed);
    });
  }
  void enter(const char* key) {
    const JsonValue* value = take(key);
    if (value && value->kind != Kind::kObject) {
      report(path(key), *value, "an object");
      value = nullptr;
    }
    open(path(key), value);
  }
  /// Reports the keys of the object that nobody took.
  void leave() {
    const Level level = std::move(levels_.back());
    levels_.pop_back();
    if (!level.object) return;
    for (const std::string& key : level.object->keys) {
      if (std::find(level.known.begin(), level.known.end(), key) != level.known.end()) continue;
      const std::string near = suggestion(key, level);
      problems.push_back(concat(join_path(level.path, key), ": unknown key"));
      if (!near.empty()) problems.back() += "; did you mean " + near + '?';
    }
  }

 private:
  struct Level {
    std::string path;
    const JsonValue* object;  // null: left out
    std::vector<std::string> known;
  };

  static bool is_word(const JsonValue& value, const std::vector<std::string>& words) {
    return value.kind == Kind::kString && std::find(words.begin(), words.end(), value.text) != words.end();
  }
  void open(std::string path, const JsonValue* object) { levels_.push_back({std::move(path), object, {}}); }
  std::string path(const char* key) const { return join_path(levels_.back().path, key); }
  const JsonValue* take(const char* key) {
    levels_.back().known.push_back(key);
    return levels_.back().object ? levels_.back().object->find(key) : nullptr;
  }
  void report(const std::string& where, const JsonValue& came, const std::string& allowed) {
    problems.push_back(concat(where, ": ", came.description(), ", allowed ", allowed));
  }
  template <class Member, class Read>
  void list(const char* key, std::vector<Member>& members, std::size_t max_count, const std::string& allowed,
            const Read& read) {
    const JsonValue* value = take(key);
    if (!value) return;
    if (value->kind != Kind::kArray) return report(path(key), *value, "a list of: " + allowed);
    if (value->items.size() > max_count) {
      problems.push_back(concat(path(key), ": ", value->items.size(), " values, allowed at most ", max_count));
      return;
    }
    std::vector<Member> read_members(value->items.size());
    for (std::size_t i = 0; i < read_members.size(); ++i) {
      if (!read(value->items[i], read_members[i])) {
        return report(concat(path(key), '[', i, ']'), value->items[i], allowed);
      }
    }
    members = std::move(read_members);
  }
  /// The path of the key that has this very name elsewhere; else of the nearest one of the level; else of any.
  std::string suggestion(const std::string& key, const Level& level) {
    if (key.size() > 80) return {};
    if (all_keys_.empty()) {
      for (ConfigKey& known : run_config_keys()) all_keys_.push_back(std::move(known.key));
    }
    std::vector<std::string> leaves;
    for (const std::string& full : all_keys_) {
      leaves.push_back(full.substr(full.rfind('.') + 1));
      if (leaves.back() == key) return full;
    }
    if (const std::string near = nearest_word(key, level.known); !near.empty()) return join_path(level.path, near);
    const std::string leaf = nearest_word(key, leaves);
    if (leaf.empty()) return {};
    return all_keys_[static_cast<std::size_t>(std::find(leaves.begin(), leaves.end(), leaf) - leaves.begin())];
  }

  std::vector<Level> levels_;
  std::vector<std::string> all_keys_;  // made when the first one is unknown
};

/// Where the fields start from. A run takes its vocabulary from the data unless it says otherwise.
RunConfig start_config(const JsonValue& root) {
  RunConfig config;
  const JsonValue* model = root.find("model");
  const JsonValue* preset = model ? model->find("preset") : nullptr;
  if (preset && preset->kind == Kind::kString) {
    if (preset->text == "gpt2") config.model = gpt2_preset();
    if (preset->text == "llama") config.model = llama_preset();
  }
  config.model.vocab_size = 0;
  return config;
}

}  // namespace

RunConfig parse_run_config(const std::string& json) {
  const JsonText text = read_json(json, "config", ErrorCode::kInvalidArgument);
  require(text.root.kind == Kind::kObject, "config: ", text.root.description(),
          ", allowed an object with \"model\", \"train\" and \"data\"");
  RunConfig config = start_config(text.root);

  FieldParser parser(text.root);
  for (const std::string& path : text.duplicate_keys) parser.problems.push_back(path + ": the key stands there twice");
  parser.enter("model");
  std::string preset;
  parser.word("preset", preset, config::kPresetWords, "");
  config::visit_model_fields(parser, config.model);
  parser.leave();
  config.train.seq_len = std::min(config.train.seq_len, config.model.max_seq_len);  // unless it is given
  parser.enter("train");
  config::visit_train_fields(parser, config.train);
  parser.leave();
  parser.enter("data");
  config::visit_data_fields(parser, config.data);
  parser.leave();
  parser.leave();

  if (!parser.problems.empty()) {
    constexpr std::size_t kShown = 20;
    std::string message = "config: ";
    for (std::size_t i = 0; i < std::min(kShown, parser.problems.size()); ++i) {
      message += (i ? "; " : "") + parser.problems[i];
    }
    if (parser.problems.size() > kShown) message += concat("; and ", parser.problems.size() - kShown, " more");
    throw Error(ErrorCode::kInvalidArgument, message);
  }
  return config;
}

}  // namespace minimoe
