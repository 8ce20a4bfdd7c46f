// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace {

void need(minimoe_status status, const minimoe_error& err, const char* what) {
  if (status == MINIMOE_OK) return;
  std::printf("the world cannot be made: %s: %d %s\n", what, status, err.message);
  std::exit(1);
}

#define NEED(call)          \
  do {                      \
    minimoe_error err{};    \
    need(call, err, #call); \
  } while (false)

}  // namespace

World::World(const std::string& where) : directory(where) {
  model_file = directory + "/model.safetensors";
  checkpoint_file = directory + "/checkpoint.safetensors";
  written_file = directory + "/written.safetensors";
  exported = directory + "/exported";
  mixtral = directory + "/mixtral";
  exported_again = directory + "/exported_again";
  missing_file = directory + "/missing.safetensors";
  config = R"({"model": {"vocab_size": 16, "max_seq_len": 16, "num_layers": 2, "d_model": 8, "num_heads": 2, "d_ff": 8,
 "moe": {"layers": [1], "num_experts": 4, "top_k": 2, "d_expert": 8, "bias_balancing": true, "aux_loss_coef": 0}},
 "train": {"steps": 4, "batch_size": 2, "seq_len": 8, "warmup_steps": 0}})";
  figures_json = R"({"moe_variant": {"val_loss": [1], "cpu_time_s": [1]}, "dense_baseline": {"val_loss": [1],
      "cpu_time_s": [1]}, "dense_active_matched": {"val_loss": [1]}, "dense_total_matched": {"val_loss": [1]}})";
  const std::string variant = R"({"params": 1, "active_params": 1, "train_flops_per_token": 1, "d_ff": 1, "spread": {
      "final_val_loss": {"values": [1]}, "final_val_ppl": {"values": [1]}, "cpu_time_s": {"values": [1]},
      "experts_dead_count": {"values": [0]}, "experts_cold_count": {"values": [0]},
      "load_balance_stddev": {"values": [0]}}})";
  manifest_json = R"({"seeds": [1], "steps": 1, "num_experts": 2, "top_k": 1, "moe_layer_indices": [1],
      "alpha_aux_loss": 0, "corpus": {"name": "text"}, "config": {"train": {"learning_rate": 1}}, "moe_variant": )" +
                  variant + R"(, "dense_baseline": )" + variant + R"(, "dense_active_matched": )" + variant +
                  R"(, "dense_total_matched": )" + variant + "}";
  const std::string record = R"("config": {"model": {"moe": {"top_k": 1}}, "train": {"steps": 2}}, "lines": [{"step": 2,
      "loss": 1, "aux_loss": 1, "layers": [{"block": 1, "load": [2, 2], "mean_probs": [0.5, 0.5]}]}], "health": {
      "verdict": "healthy", "layers": [{"verdict": "healthy"}]}, "val_loss": 1})";
  run_json = R"({"window": 1, )" + record;
  break_json = R"({"schema": "minimoe-break-runs/1", "break": "sham", "window": 1, "seeds": [{"seed": 1, "runs": {
      "healthy": {)" +
               record + R"(, "broken": {)" + record + R"(, "dense": {)" + record + R"(, "fixed": {)" + record + "}}]}";
  memory_json = R"({"vocab_size": 16, "val_fraction": 0.25, "class_names": ["even", "odd"]})";
  generate_json = R"({"max_new_tokens": 3, "seed": 1})";
  analysis_json = R"({"max_windows": 3, "num_permutations": 3, "num_bootstrap": 3, "num_tables": 2, "num_routers": 2,
      "num_word_shuffles": 2})";
  hf_json = R"({"max_windows": 3, "seq_len": 4, "num_permutations": 3, "num_bootstrap": 3, "num_tables": 2,
      "num_routers": 2, "num_word_shuffles": 2})";
  capacity_json = R"({"max_windows": 3})";
  file_json = R"({"data": {"corpus": ")" + directory + R"(/text.txt", "format": "text"}})";
  std::ofstream(directory + "/text.txt") << std::string(400, 'a') << "the end";
  parameter = "blocks.1.moe.router.weight";
  layer_parameter = "router.weight";
  for (int i = 0; i < 16; ++i) {
    tokens.push_back((7 * i) % 16);
    tokens_u16.push_back(static_cast<std::uint16_t>((7 * i) % 16));
    classes.push_back(static_cast<std::uint8_t>(i % 2));
    valid.push_back(1);
  }
  layer_valid.assign(4, 1);
  for (int i = 0; i < 32; ++i) x.push_back(0.1F * static_cast<float>(i % 7) - 0.3F);
  d_y.assign(32, 0.01F);
  weights = x;  // router.weight is [E, D] = [4, 8]
  layer_weights = x;
  load = {5, 3, 0, 8};

  minimoe_options options;
  NEED(minimoe_options_init(&options, sizeof options, &err));
  options.num_threads = 1;
  NEED(minimoe_cancel_token_create(&token, &err));
  NEED(minimoe_cancel_token_create(&spare_token, &err));
  NEED(minimoe_cancel_token_create(&fired, &err));
  NEED(minimoe_cancel_token_fire(fired, &err));
  for (minimoe_dataset** made : {&dataset, &growing}) {
    NEED(minimoe_dataset_create(memory_json.data(), memory_json.size(), &options, made, &err));
    for (int i = 0; i < 8; ++i) {
      NEED(minimoe_dataset_append_i32(*made, tokens.data(), tokens.size(), classes.data(), classes.size(), &err));
    }
  }
  const std::string few = R"({"data": {"languages": ["en"], "num_eval_sentences": 20}})";
  NEED(minimoe_dataset_open(few.data(), few.size(), &options, &grammar, &err));
  NEED(minimoe_model_create(config.data(), config.size(), &options, &model, &err));
  NEED(minimoe_model_create(config.data(), config.size(), &options, &trained, &err));
  NEED(minimoe_trainer_create(trained, dataset, config.data(), config.size(), &trainer, &err));
  NEED(minimoe_trainer_save(trainer, checkpoint_file.c_str(), &err));
  NEED(minimoe_model_save(model, model_file.c_str(), &err));
  const std::string dense = R"({"model": {"preset": "llama", "vocab_size": 16, "num_layers": 1, "d_model": 8,
      "num_heads": 2, "d_ff": 8}})";
  NEED(minimoe_model_create(dense.data(), dense.size(), &options, &llama, &err));
  NEED(minimoe_model_export(llama, "{}", 2, exported.c_str(), &err));
  minimoe_model* upcycled = nullptr;
  NEED(minimoe_model_upcycle(llama, "{}", 2, &options, &upcycled, &err));
  NEED(minimoe_model_export(upcycled, "{}", 2, mixtral.c_str(), &err));
  minimoe_model_free(upcycled);
  for (minimoe_moe_layer** made : {&layer, &other_layer}) {
    NEED(minimoe_moe_layer_create(config.data(), config.size(), &options, made, &err));
  }
  NEED(minimoe_moe_cache_create(layer, 8, &cache, &err));
  NEED(minimoe_moe_cache_create(other_layer, 8, &other_cache, &err));
  forward();
  NEED(minimoe_token_stream_create(llama, tokens.data(), 3, "{}", 2, &stream, &err));
}

World::~World() {
  minimoe_token_stream_free(stream);
  minimoe_moe_cache_free(other_cache);
  minimoe_moe_layer_free(layer);  // before its cache
  minimoe_moe_cache_free(cache);
  minimoe_moe_layer_free(other_layer);
  minimoe_model_free(trained);  // before its trainer
  minimoe_dataset_free(dataset);
  minimoe_trainer_free(trainer);
  minimoe_model_free(model);
  minimoe_model_free(llama);
  minimoe_dataset_free(growing);
  minimoe_dataset_free(grammar);
  minimoe_cancel_token_free(token);
  minimoe_cancel_token_free(fired);
  minimoe_cancel_token_free(spare_token);
}

void* World::handle_of(Kind kind) const {
  switch (kind) {
    case Kind::kCancelToken:
      return token;
    case Kind::kDataset:
      return dataset;
    case Kind::kModel:
      return model;
    case Kind::kMoELayer:
      return layer;
    case Kind::kMoECache:
      return cache;
    case Kind::kTrainer:
      return trainer;
    case Kind::kTokenStream:
      return stream;
    case Kind::kNone:
      break;
  }
  return nullptr;
}

void World::forward() {
  std::vector<float> y(x.size());
  NEED(minimoe_moe_layer_forward(layer, cache, x.data(), x.size(), nullptr, 0, 0, y.data(), y.size(), nullptr, &err));
}

void World::rewind() {
  std::int64_t step = 0;
  NEED(minimoe_trainer_step(trainer, &step, &err));
  if (step > 0) NEED(minimoe_trainer_resume(trainer, checkpoint_file.c_str(), &err));
}

void World::one_step() {
  std::int64_t step = 0;
  NEED(minimoe_trainer_step(trainer, &step, &err));
  if (step == 0) NEED(minimoe_trainer_steps(trainer, 1, nullptr, nullptr, 0, 0, nullptr, &err));
}

// The figures differ from step to step, and a call that is repeated must find the same.
void World::one_profiled_step() {
  std::size_t needed = 0;
  if (minimoe_trainer_profile(trainer, nullptr, 0, &needed, nullptr) != MINIMOE_E_INVALID_ARGUMENT) return;
  rewind();
  NEED(minimoe_trainer_set_profile(trainer, 1, &err));
  NEED(minimoe_trainer_steps(trainer, 1, nullptr, nullptr, 0, 0, nullptr, &err));
}
