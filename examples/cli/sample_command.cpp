// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "command.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "machine.hpp"
#include "run_reader.hpp"

namespace cli {

namespace {

struct SampleFlags {
  std::string run, prompt, corpus;
  ExecFlags exec;
  std::uint64_t max_new_tokens = 64, seed = 0;
  std::int64_t count = 1, top_k = 0;
  double temperature = 1, top_p = 1;
  bool json = false;
};

/// A text that grows on stdout, never by half a character.
class GrowingText {
 public:
  explicit GrowingText(const capi::Dataset& dataset) : dataset_(dataset) {}

  /// Shows what `tokens`, which begin with those of the last call, have added. A U+FFFD at the end may be the first
  /// bytes of a character whose others are still to come.
  void show(const std::vector<std::int32_t>& tokens, bool complete) {
    const std::string text = dataset_.decode(tokens);
    std::size_t end = text.size();
    while (!complete && end >= shown_ + 3 && text.compare(end - 3, 3, "\xEF\xBF\xBD") == 0) end -= 3;
    if (end > shown_) std::fwrite(text.data() + shown_, 1, end - shown_, stdout);
    shown_ = std::max(shown_, end);
    std::fflush(stdout);
  }

 private:
  const capi::Dataset& dataset_;
  std::size_t shown_ = 0;
};

int sample(const SampleFlags& o) {
  const OpenedRun run = open_run(o.run, o.corpus, o.exec.options());
  const std::vector<std::int32_t> prompt = run.dataset.encode(o.prompt);
  if (prompt.empty()) throw BadInput("--prompt: empty; at least one token is needed");
  Json texts = Json::array();
  std::size_t num_tokens = 0;
  double seconds = 0;
  for (std::int64_t i = 0; i < o.count; ++i) {
    const Json options = {{"max_new_tokens", o.max_new_tokens},
                          {"temperature", o.temperature},
                          {"top_k", o.top_k},
                          {"top_p", o.top_p},
                          {"when_full", "slide"},
                          {"seed", o.seed + static_cast<std::uint64_t>(i)}};
    std::vector<std::int32_t> all = prompt;
    GrowingText text(run.dataset);
    if (!o.json) text.show(all, false);
    capi::TokenStream stream = run.model.stream(prompt, json_text(options));
    const double begin = wall_seconds();
    while (const auto token = stream.next()) {
      all.push_back(*token);
      if (!o.json) text.show(all, false);
    }
    seconds += wall_seconds() - begin;
    num_tokens += all.size() - prompt.size();
    if (o.json) {
      const std::vector<std::int32_t> tokens(all.begin() + static_cast<std::ptrdiff_t>(prompt.size()), all.end());
      texts.push_back({{"text", run.dataset.decode(all)}, {"tokens", tokens}});
    } else {
      text.show(all, true);
      std::printf("\n");
    }
  }
  std::fprintf(stderr, "%zu tokens, %s tokens/s\n", num_tokens,
               fixed(static_cast<double>(num_tokens) / std::max(seconds, 1e-9), 1).c_str());
  if (o.json) std::printf("%s\n", json_text({{"prompt_tokens", prompt}, {"samples", texts}}).c_str());
  return kOk;
}

}  // namespace

void add_sample_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<SampleFlags>();
  CLI::App* command = program.add_subcommand("sample", "Continue a prompt with a trained model");
  command->add_option("run", o->run, "run directory or checkpoint file")->required();
  command->add_option("--prompt", o->prompt, "text to continue, in the alphabet of the run's data")->required();
  command->add_option("--max-new-tokens", o->max_new_tokens, "tokens to add (default 64)")
      ->check(sane_range(1, 1 << 20));
  command->add_option("--temperature", o->temperature, "0: the likeliest token (default 1)")
      ->check(sane_range(0.0, 1e6));
  command->add_option("--top-k,--top-k-tokens", o->top_k, "choose among the k likeliest; 0: all")
      ->check(sane_range(0, 1 << 24));
  command->add_option("--top-p", o->top_p, "of these, the likeliest that hold this much of the probability (default 1)")
      ->check(sane_range(0.0, 1.0));
  command->add_option("--seed", o->seed, "of the draws");
  command->add_option("--count", o->count, "continuations, with seed, seed + 1, ... (default 1)")
      ->check(sane_range(1, 1 << 20));
  command->add_option("--corpus", o->corpus, "take the alphabet from this instead of the run's data");
  command->add_flag("--json", o->json, "print one JSON document");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return sample(*o); }; });
}

}  // namespace cli
