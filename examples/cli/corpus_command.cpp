// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "command.hpp"
#include "command_tree.hpp"
#include "config_options.hpp"
#include "evaluation.hpp"
#include "exit_codes.hpp"
#include "machine.hpp"

namespace cli {

namespace {

constexpr std::uint64_t kFloorWindows = 200;
constexpr std::size_t kDefaultWindow = 64;

struct CorpusFlags {
  ConfigOptions config;
  std::string split;
  std::uint64_t index = 0, count = 1, seed = 36000;
  std::uint64_t seq_len = 0;  ///< 0: sentences where there are any
  bool classes = false, vocabulary = false, json = false;

  std::size_t window() const { return seq_len == 0 ? kDefaultWindow : seq_len; }
};

void print_vocabulary(const capi::Dataset& dataset, const Json& info, bool as_json) {
  Json words = Json::array();
  for (std::int32_t token = 0; token < info.at("vocab_size").get<std::int32_t>(); ++token) {
    if (as_json) {
      words.push_back(token_text(dataset, token));
    } else {
      std::printf("%d\t%s\n", token, token_text(dataset, token).c_str());
    }
  }
  if (as_json) std::printf("%s\n", json_text(words).c_str());
}

// One sentence or one window.
struct Piece {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> classes;
  std::string kind;
};

Piece piece_at(const CorpusFlags& o, const capi::Dataset& dataset, std::uint64_t index) {
  if (o.seq_len == 0) {
    if (const std::optional<std::string> json = dataset.sentence(o.split, o.seed, index)) {
      const Json sentence = Json::parse(*json);
      return {sentence.at("tokens"), sentence.at("classes"), sentence.at("kind")};
    }
  }
  const capi::Window window = dataset.window(o.split, o.seed, index, o.window());
  return {window.tokens, window.classes, ""};
}

int print_pieces(const CorpusFlags& o, const capi::Dataset& dataset, const Json& info) {
  const Json& names = info.at("class_names");
  if (o.classes && names.empty()) {
    throw BadInput("--classes: " + info.at("name").get<std::string>() + " has no token classes");
  }
  Json pieces = Json::array();
  for (std::uint64_t i = o.index; i - o.index < o.count; ++i) {
    const Piece piece = piece_at(o, dataset, i);
    const std::string text = dataset.decode(piece.tokens);
    if (o.json) {
      Json json = {{"index", i}, {"text", text}, {"tokens", piece.tokens}};
      if (!piece.kind.empty()) json["kind"] = piece.kind;
      if (o.classes) {
        for (const std::uint8_t c : piece.classes) json["classes"].push_back(names.at(c));
      }
      pieces.push_back(json);
    } else if (o.classes) {
      for (std::size_t t = 0; t < piece.tokens.size(); ++t) {
        std::printf("%s\t%s\n", json_text(token_text(dataset, piece.tokens[t])).c_str(),
                    names.at(piece.classes.at(t)).get<std::string>().c_str());
      }
      std::printf("\n");
    } else {
      std::printf("%s%s", text.c_str(), text.empty() || text.back() != '\n' ? "\n" : "");
    }
  }
  if (o.json) std::printf("%s\n", json_text({{"split", o.split}, {"sentences", pieces}}).c_str());
  return kOk;
}

int corpus(const CorpusFlags& o) {
  const capi::Dataset dataset = capi::Dataset::open(json_text(o.config.resolve()));
  const Json info = Json::parse(dataset.info());
  if (o.vocabulary) {
    print_vocabulary(dataset, info, o.json);
    return kOk;
  }
  if (!o.split.empty()) {
    dataset.num_windows(o.split, o.window());  // refuses an unknown split
    return print_pieces(o, dataset, info);
  }
  Json sizes = Json::object();
  for (const std::string& split : evaluation_splits(dataset, o.window())) {
    sizes[split] = dataset.num_windows(split, o.window());
  }
  const Json floors = entropy_floors(dataset, o.window(), kFloorWindows);
  if (o.json) {
    Json document = info;
    document.update({{"seq_len", o.window()},
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
    std::printf("windows of %llu tokens in %s: %s\n", static_cast<unsigned long long>(o.window()), split.c_str(),
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
  CLI::App* command = program.add_subcommand("corpus", "Describe a corpus, or print its sentences by split and index");
  o->config.add_to(*command, ConfigScope::kData);
  command
      ->add_option("--split", o->split,
                   "print sentences (of a file: windows) of train, val, held-out-verbs or held-out-combinations; "
                   "--index, --count or --classes alone mean val")
      ->type_name(choice_type("NAME", {"train", "val", "held-out-verbs", "held-out-combinations"}))
      ->group("Sentences");
  const CLI::Option* index = command->add_option("--index", o->index, "the first (default 0)")->group("Sentences");
  const CLI::Option* count = command->add_option("--count", o->count, "how many (default 1)")
                                 ->check(sane_range(1, 1 << 30))
                                 ->group("Sentences");
  command->add_option("--seq-len", o->seq_len, "print windows of this many tokens, and one more, instead of sentences")
      ->check(sane_range(1, 1 << 20))
      ->group("Sentences");
  command->add_option("--seed", o->seed, "of train (default 36000)")->group("Sentences");
  command->add_flag("--classes", o->classes, "one token a line, with its class")->group("Sentences");
  command->add_flag("--vocabulary", o->vocabulary, "print every token id with its text")->group("Sentences");
  command->add_flag("--json", o->json, "print one JSON document");
  command->callback([o, index, count, &action] {
    if (o->split.empty() && !o->vocabulary && (o->classes || *index || *count)) o->split = "val";
    action = [o] { return corpus(*o); };
  });
}

}  // namespace cli
