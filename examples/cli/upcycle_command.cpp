// SPDX-License-Identifier: Apache-2.0
// A Mixture-of-Experts run whose experts begin as copies of a dense model's feed-forward networks.
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "atomic_file.hpp"
#include "command.hpp"
#include "command_tree.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "run_directory.hpp"
#include "run_reader.hpp"

namespace cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxCarriedBytes = std::size_t{1} << 28;

struct UpcycleFlags {
  std::string from, to, blocks = "all", gate_order = "softmax_topk_renorm";
  std::uint64_t num_experts = 8, top_k = 2, seed = 0;
  double router_init_std = 0.02;
  const CLI::Option* seed_option = nullptr;
  ExecFlags exec;
  bool force = false;
};

Json blocks_of(const std::string& text, std::size_t num_layers) {
  Json blocks = Json::array();
  if (text == "all" || text == "every-other") {
    const std::size_t step = text == "all" ? 1 : 2;
    for (std::size_t block = step - 1; block < num_layers; block += step) blocks.push_back(block);
    if (blocks.empty()) throw BadInput("--blocks: every-other begins with the second block; there is one");
    return blocks;
  }
  for (const char *at = text.data(), *end = at + text.size();; ++at) {
    std::size_t block = 0;
    const auto [next, error] = std::from_chars(at, end, block);
    if (error != std::errc() || (next != end && *next != ',')) {
      throw BadInput("--blocks: '" + text + "', allowed all, every-other, or a list of blocks such as 1,3");
    }
    blocks.push_back(block);
    if ((at = next) == end) return blocks;
  }
}

int upcycle(const UpcycleFlags& o) {
  refuse_existing_outputs(o.to, o.force, "use --force to replace it, or another --out");
  const fs::path place = directory_of_model(o.from);
  const RunDirectory source(place);
  std::error_code error;
  if (fs::equivalent(place, o.to, error)) {
    throw BadInput(o.to + " is the model to upcycle; use another --out");
  }
  const capi::Model dense = open_any_model(o.from, o.exec.options());
  const Json config = Json::parse(dense.config());
  Json options = {{"num_experts", o.num_experts},
                  {"top_k", o.top_k},
                  {"layers", blocks_of(o.blocks, config.at("model").at("num_layers"))},
                  {"gate_order", o.gate_order},
                  {"router_init_std", o.router_init_std}};
  if (o.seed_option->count() > 0) options["seed"] = o.seed;
  const capi::Model model = dense.upcycle(json_text(options), o.exec.options());
  std::vector<std::pair<fs::path, std::string>> carried;  // how to read text, and on which data the model was trained
  const RunDirectory run(o.to);
  for (const auto& [from, to] :
       {std::pair(source.tokenizer(), run.tokenizer()), std::pair(source.tokenizer_config(), run.tokenizer_config()),
        std::pair(source.corpus(), run.corpus())}) {
    // What lies beside a lone file of another program is another model's.
    if (!is_gguf_file(o.from) && fs::exists(from, error))
      carried.emplace_back(to, read_whole_file(from, kMaxCarriedBytes));
  }
  RunDirectory(o.to).remove();
  make_directories(o.to);
  model.save(run.checkpoint().string());
  for (const auto& [file, text] : carried) write_file_atomically(file, text);
  write_file_atomically(run.config(), json_text(Json::parse(model.config()), 2) + "\n");
  const Json info = Json::parse(model.info());
  std::printf("%s: %s parameters, %s active for a token, MoE blocks %s\ntrain it with: minimoe train --init-from %s\n",
              o.to.c_str(), info.at("total_parameters").dump().c_str(), info.at("active_parameters").dump().c_str(),
              info.at("moe_blocks").dump().c_str(), o.to.c_str());
  return kOk;
}

}  // namespace

void add_upcycle_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<UpcycleFlags>();
  CLI::App* command =
      program.add_subcommand("upcycle", "Make a Mixture-of-Experts run of a dense model, with the same loss at step 0");
  command->add_option("dense", o->from, "run directory, checkpoint file, directory of Hugging Face's, or GGUF file")
      ->required();
  command->add_option("--out", o->to, "run directory to make")->required();
  command->add_option("--experts", o->num_experts, "copies of each feed-forward network (default 8)");
  command->add_option("--top-k", o->top_k, "experts of a token, 2 or more (default 2)");
  command->add_option("--blocks", o->blocks, "blocks to make MoE: all (default), every-other, or a list")
      ->type_name("LIST");
  command
      ->add_option("--gate-order", o->gate_order,
                   "softmax_topk_renorm (default), topk_softmax, sigmoid_topk_renorm: weights that sum to 1")
      ->type_name("NAME");
  command->add_option("--router-init-std", o->router_init_std, "of the fresh router (default 0.02)");
  o->seed_option = command->add_option("--seed", o->seed, "of the fresh router (default: train.seed of the model)");
  command->add_flag("--force", o->force, "replace an existing run");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return upcycle(*o); }; });
}

}  // namespace cli
