// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "command.hpp"
#include "config_options.hpp"
#include "evaluation.hpp"
#include "exit_codes.hpp"
#include "machine.hpp"

namespace cli {

namespace {

constexpr std::uint64_t kFloorWindows = 200;

struct CorpusFlags {
  ConfigOptions config;
  std::string split;
  std::uint64_t index = 0, count = 1, seed = 36000, seq_len = 64;
  bool classes = false, vocabulary = false, json = false;
};

void print_vocabulary(const core::Dataset& dataset, const Json& info, bool as_json) {
  Json words = Json::array();
  for (std::int32_t token = 0; token < info.at("vocab_size").get<std::int32_t>(); ++token) {
    if (as_json) {
      words.push_back(dataset.token_text(token));
    } else {
      std::printf("%d\t%s\n", token, dataset.token_text(token).c_str());
    }
  }
  if (as_json) std::printf("%s\n", json_text(words).c_str());
}

Json window_json(const core::Dataset& dataset, const core::Window& window, std::uint64_t index, const Json& names,
                 bool classes) {
  Json json = {{"index", index}, {"text", dataset.decode(window.tokens)}, {"tokens", window.tokens}};
  if (classes && !window.classes.empty()) {
    Json list = Json::array();
    for (const std::uint8_t c : window.classes) list.push_back(names.at(c));
    json["classes"] = list;
  }
  return json;
}

int print_windows(const CorpusFlags& o, const core::Dataset& dataset, const Json& info) {
  if (o.classes && info.at("class_names").empty()) {
    throw BadInput("--classes: " + info.at("name").get<std::string>() + " has no token classes");
  }
  Json windows = Json::array();
  for (std::uint64_t i = o.index; i < o.index + o.count; ++i) {
    const core::Window window =
        o.split == "train" ? dataset.train_window(o.seed, i, o.seq_len) : dataset.eval_window(o.split, i, o.seq_len);
    const Json json = window_json(dataset, window, i, info.at("class_names"), o.classes);
    if (o.json) {
      windows.push_back(json);
      continue;
    }
    if (!o.classes) {
      std::printf("%s\n", dataset.decode(window.tokens).c_str());
      continue;
    }
    for (std::size_t t = 0; t < window.tokens.size(); ++t) {
      std::printf("%s\t%s\n", dataset.token_text(window.tokens[t]).c_str(),
                  json.at("classes").at(t).get<std::string>().c_str());
    }
    std::printf("\n");
  }
  if (o.json) std::printf("%s\n", json_text({{"split", o.split}, {"windows", windows}}).c_str());
  return kOk;
}

int corpus(const CorpusFlags& o) {
  const core::Dataset dataset = core::Dataset::open(json_text(o.config.resolve()));
  const Json info = Json::parse(dataset.info());
  if (o.vocabulary) {
    print_vocabulary(dataset, info, o.json);
    return kOk;
  }
  if (!o.split.empty()) {
    if (o.split != "train") dataset.num_eval_windows(o.split, o.seq_len);  // refuses an unknown split
    return print_windows(o, dataset, info);
  }
  Json sizes = Json::object();
  for (const std::string& split : evaluation_splits(dataset, o.seq_len)) {
    sizes[split] = dataset.num_eval_windows(split, o.seq_len);
  }
  const Json floors = entropy_floors(dataset, o.seq_len, kFloorWindows);
  if (o.json) {
    Json document = info;
    document.update({{"seq_len", o.seq_len},
                     {"eval_windows", sizes},
                     {"entropy_floor", floors},
                     {"entropy_floor_windows", kFloorWindows}});
    std::printf("%s\n", json_text(document).c_str());
    return kOk;
  }
  std::printf("name: %s\nsha256: %s\nvocabulary: %s\nmemory: %s\n", info.at("name").get<std::string>().c_str(),
              info.at("sha256").get<std::string>().c_str(), info.at("vocab_size").dump().c_str(),
              bytes_text(info.at("memory_bytes").get<double>()).c_str());
  for (const auto& [split, windows] : sizes.items()) {
    std::printf("windows of %llu tokens in %s: %s\n", static_cast<unsigned long long>(o.seq_len), split.c_str(),
                windows.dump().c_str());
  }
  for (const auto& [split, floor] : floors.items()) {
    if (floor.is_number()) std::printf("entropy floor of %s: %.4f nats a token\n", split.c_str(), floor.get<double>());
  }
  if (!info.at("class_names").empty()) {
    std::printf("classes:");
    for (const Json& name : info.at("class_names")) std::printf(" %s", name.get<std::string>().c_str());
    std::printf("\n");
  }
  return kOk;
}

}  // namespace

void add_corpus_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<CorpusFlags>();
  CLI::App* command = program.add_subcommand("corpus", "Describe a corpus, or print its windows by split and index");
  o->config.add_to(*command, ConfigScope::kData);
  command->add_option("--split", o->split, "print windows of train, val, held-out-verbs or held-out-combinations")
      ->group("Windows");
  command->add_option("--index", o->index, "first window (default 0)")->group("Windows");
  command->add_option("--count", o->count, "windows (default 1)")->check(CLI::Range(1, 1 << 30))->group("Windows");
  command->add_option("--seq-len", o->seq_len, "tokens of a window, its last target excluded (default 64)")
      ->check(CLI::Range(1, 1 << 20))
      ->group("Windows");
  command->add_option("--seed", o->seed, "of train windows (default 36000)")->group("Windows");
  command->add_flag("--classes", o->classes, "one token a line, with its class")->group("Windows");
  command->add_flag("--vocabulary", o->vocabulary, "print every token id with its text")->group("Windows");
  command->add_flag("--json", o->json, "print one JSON document");
  command->callback([o, &action] { action = [o] { return corpus(*o); }; });
}

}  // namespace cli
