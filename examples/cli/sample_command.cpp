// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "command.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "run_reader.hpp"

namespace cli {

namespace {

struct SampleFlags {
  std::string run, prompt, corpus;
  ExecFlags exec;
  std::uint64_t max_new_tokens = 64, top_k = 0, seed = 0;
  std::int64_t count = 1;
  double temperature = 1;
  bool json = false;
};

int sample(const SampleFlags& o) {
  const OpenedRun run = open_run(o.run, o.corpus, o.exec.options());
  const std::vector<std::int32_t> prompt = run.dataset.encode(o.prompt);
  if (prompt.empty()) throw BadInput("--prompt: empty; at least one token is needed");
  Json texts = Json::array();
  for (std::int64_t i = 0; i < o.count; ++i) {
    const Json options = {{"max_new_tokens", o.max_new_tokens},
                          {"temperature", o.temperature},
                          {"top_k", o.top_k},
                          {"seed", o.seed + static_cast<std::uint64_t>(i)}};
    const std::vector<std::int32_t> tokens = run.model.generate(prompt, json_text(options));
    std::vector<std::int32_t> all = prompt;
    all.insert(all.end(), tokens.begin(), tokens.end());
    const std::string text = run.dataset.decode(all);
    if (o.json) {
      texts.push_back({{"text", text}, {"tokens", tokens}});
    } else {
      std::printf("%s\n", text.c_str());
    }
  }
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
  command->add_option("--top-k-tokens", o->top_k, "choose among the k likeliest; 0: all");
  command->add_option("--seed", o->seed, "of the draws");
  command->add_option("--count", o->count, "continuations, with seed, seed + 1, ... (default 1)")
      ->check(sane_range(1, 1 << 20));
  command->add_option("--corpus", o->corpus, "take the alphabet from this instead of the run's data");
  command->add_flag("--json", o->json, "print one JSON document");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return sample(*o); }; });
}

}  // namespace cli
