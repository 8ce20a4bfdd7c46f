// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/checkpoint.hpp"

#include <cstring>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "support/toy_training.hpp"
#include "train/safetensors.hpp"

using namespace minimoe;
using namespace minimoe::test;
using minimoe_test::read_file;
using minimoe_test::TemporaryDirectory;
using minimoe_test::write_file;

namespace {

RunConfig toy_run() {
  RunConfig run;
  run.model = toy_model();
  run.model.moe.bias_balancing = true;
  run.train = toy_training();
  return run;
}

template <class T>
struct Toy {
  explicit Toy(const RunConfig& config = toy_run(), int steps = 0)
      : run(config),
        batches(config.model.vocab_size),
        exec(threads(1)),
        model(config.model),
        trainer(model, config.train, batches, exec) {
    model.initialize(run.train.seed);
    for (int i = 0; i < steps; ++i) trainer.train_step();
  }
  /// Weights, buffers, moments and step count.
  std::string everything() {
    const std::vector<T> values = all_values(model);
    std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    for (const auto* moments : {&trainer.state().moment1, &trainer.state().moment2}) {
      for (const View<T, 1>& m : *moments) {
        bytes.append(reinterpret_cast<const char*>(m.data()), m.size() * sizeof(T));
      }
    }
    return bytes + std::to_string(trainer.step());
  }

  RunConfig run;
  ToyBatches batches;
  Exec exec;
  MiniGPT<T> model;
  Trainer<T> trainer;
};

/// What `action` throws, with its code's number in front.
template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return concat(static_cast<int>(error.code()), ' ', error.what());
  }
  return "(accepted)";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The tensors of a checkpoint written once more, with other metadata or without those of a prefix.
void rewrite(const std::string& from, const std::string& to, const TextMap& metadata,
             const std::string& without = "?") {
  const SafetensorsFile file(from);
  std::vector<std::vector<char>> data;
  std::vector<TensorToWrite> tensors;
  for (const SafetensorsFile::Entry& entry : file.entries()) {
    if (entry.name.rfind(without, 0) == 0) continue;
    data.emplace_back(entry.end - entry.begin);
    file.read(entry, data.back().data());
    tensors.push_back({entry.name, entry.type, entry.shape, data.back().data()});
  }
  TextMap all = file.metadata();
  for (const auto& [key, value] : metadata) all[key] = value;
  std::erase_if(all, [](const auto& item) { return item.second.empty(); });
  write_safetensors(to, std::move(tensors), all);
}

}  // namespace

TEMPLATE_TEST_CASE("checkpoint: weights, buffers, moments, step and configuration come back bit for bit",
                   "[checkpoint]", float, double) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("c.safetensors");
  Toy<TestType> saved(toy_run(), 3);
  REQUIRE(find_parameter(saved.model, "blocks.1.moe.expert_bias").value[0] != 0);
  RunConfig run = saved.run;
  run.model.vocab_size = 0;  // "that of the data": the file has the number
  run.data.corpus = "some file";
  save_checkpoint(path, run, saved.model, saved.trainer);

  Toy<TestType> loaded;
  CHECK(loaded.everything() != saved.everything());
  resume_checkpoint(path, loaded.model, loaded.trainer);
  CHECK(loaded.everything() == saved.everything());
  run.model.vocab_size = saved.run.model.vocab_size;
  CHECK(run_config_json(read_checkpoint_config(path)) == run_config_json(run));
  CHECK(read_checkpoint_step(path) == 3);

  Toy<TestType> weights_only;
  load_weights(path, weights_only.model);
  CHECK(all_values(weights_only.model) == all_values(saved.model));
  CHECK(weights_only.trainer.step() == 0);
}

TEST_CASE("checkpoint: the same state gives the same bytes", "[checkpoint]") {
  const TemporaryDirectory directory;
  for (const char* name : {"a", "b"}) {
    Toy<float> toy(toy_run(), 2);
    save_checkpoint(directory.file(name), toy.run, toy.model, toy.trainer);
  }
  CHECK(read_file(directory.file("a")) == read_file(directory.file("b")));
  CHECK(read_file(directory.file("a")).size() > 1000);
}

TEST_CASE("checkpoint: a run that differs where the tensors or the windows would is refused by its keys",
          "[checkpoint]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("c");
  Toy<float> saved(toy_run(), 1);
  save_checkpoint(path, saved.run, saved.model, saved.trainer);
  const auto resume_with = [&](auto&& change) {
    RunConfig run = toy_run();
    change(run);
    Toy<float> toy(run);
    const std::string before = toy.everything();
    const std::string error = error_of([&] { resume_checkpoint(path, toy.model, toy.trainer); });
    CHECK((toy.everything() == before) == (error != "(accepted)"));
    return error;
  };
  const std::string error = resume_with([](RunConfig& run) {
    run.model.moe.top_k = 3;
    run.model.num_heads = 4;
    run.model.norm_eps = 1e-6;
    run.train.seed = 9;
    run.train.learning_rate = 0.5;
  });
  INFO(error);
  CHECK(error == concat("1 ", path,
                        ": the run differs: model.num_heads: 2 in the checkpoint, 4 here; model.norm_eps: 1e-05 in the "
                        "checkpoint, 1e-06 here; model.moe.top_k: 2 in the checkpoint, 3 here; train.seed: 36000 in "
                        "the checkpoint, 9 here"));
  CHECK(has(resume_with([](RunConfig& run) { run.train.batch_size = 2; }), "1 " + path + ": the run differs: train."));
  CHECK(has(resume_with([](RunConfig& run) { run.train.seq_len = 5; }), "train.seq_len: 6 in"));
  CHECK(has(resume_with([](RunConfig& run) { run.train.accumulation_steps = 2; }), "train.accumulation_steps: 1 in"));
  CHECK(has(resume_with([](RunConfig& run) { run.model.norm_eps = 1e-6; }), "1 " + path + ": the run differs: model."));
  const std::string dense = resume_with([](RunConfig& run) { run.model.moe_layers = {}; });
  CHECK(has(dense, "8 " + path + ": the run differs: model.moe.layers: [1] in"));
  CHECK(resume_with([](RunConfig& run) { run.train.steps = 77; }) == "(accepted)");
}

TEST_CASE("checkpoint: weights that do not fit the model are all named, and the model stays", "[checkpoint]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("c");
  Toy<float> saved(toy_run(), 1);
  save_checkpoint(path, saved.run, saved.model, saved.trainer);

  RunConfig other = toy_run();
  other.model.vocab_size = 12;
  other.model.moe.router_bias = true;
  other.model.moe.bias_balancing = false;
  other.model.moe_layers = {0, 1};
  Toy<float> toy(other);
  const std::string before = toy.everything();
  const std::string error = error_of([&] { load_weights(path, toy.model); });
  INFO(error);
  CHECK(has(error, "8 " + path + ": token_embedding.weight is F32 [11, 8], expected F32 [12, 8]"));
  CHECK(has(error, "blocks.0.moe.router.weight is missing"));
  CHECK(has(error, " more"));
  CHECK(error.size() < 1024);
  CHECK(toy.everything() == before);

  Toy<double> wide;
  CHECK(has(error_of([&] { load_weights(path, wide.model); }), "is F32 [11, 8], expected F64 [11, 8]"));
}

TEST_CASE("checkpoint: weights load from a file without optimizer or configuration; resuming does not",
          "[checkpoint]") {
  const TemporaryDirectory directory;
  Toy<float> saved(toy_run(), 1);
  save_checkpoint(directory.file("c"), saved.run, saved.model, saved.trainer);
  rewrite(directory.file("c"), directory.file("w"), {{"minimoe.config", ""}, {"minimoe.state", ""}}, "optimizer.");
  rewrite(directory.file("c"), directory.file("m"), {}, "optimizer.moment2.head");
  save_model(directory.file("s"), saved.run, saved.model.parameters());

  Toy<float> toy;
  const std::string before = toy.everything();
  CHECK(has(error_of([&] { resume_checkpoint(directory.file("w"), toy.model, toy.trainer); }),
            "no minimoe.state in its metadata: not a checkpoint of minimoe"));
  CHECK(has(error_of([&] { read_checkpoint_config(directory.file("w")); }), "no minimoe.config"));
  CHECK(has(error_of([&] { resume_checkpoint(directory.file("m"), toy.model, toy.trainer); }),
            "4 " + directory.file("m") + ": optimizer.moment2.head.weight is missing"));
  CHECK(has(error_of([&] { resume_checkpoint(directory.file("s"), toy.model, toy.trainer); }),
            "a saved model, without the optimizer's moments"));
  CHECK(toy.everything() == before);
  load_weights(directory.file("w"), toy.model);
  CHECK(all_values(toy.model) == all_values(saved.model));
}

TEST_CASE("checkpoint: a file that lacks tensors of its own configuration is damaged, one of another model is not",
          "[checkpoint]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("c"), damaged = directory.file("d"), foreign = directory.file("f");
  Toy<float> saved(toy_run(), 1);
  save_checkpoint(path, saved.run, saved.model, saved.trainer);
  rewrite(path, damaged, {}, "head.weight");
  rewrite(path, foreign, {{"minimoe.config", ""}}, "head.weight");
  Toy<float> toy;
  const std::string before = toy.everything();
  CHECK(has(error_of([&] { load_weights(damaged, toy.model); }), "4 " + damaged + ": head.weight is missing"));
  CHECK(has(error_of([&] { resume_checkpoint(damaged, toy.model, toy.trainer); }), "4 " + damaged + ": head.weight"));
  CHECK(has(error_of([&] { load_weights(foreign, toy.model); }), "8 " + foreign + ": head.weight is missing"));
  const std::string whole = read_file(path);
  write_file(damaged, whole.substr(0, whole.size() - 1));
  CHECK(has(error_of([&] { load_weights(damaged, toy.model); }), "4 " + damaged));
  CHECK(has(error_of([&] { resume_checkpoint(damaged, toy.model, toy.trainer); }), "4 " + damaged));
  CHECK(toy.everything() == before);
}

TEST_CASE("checkpoint: a configuration of no model, or of one that the file cannot hold, is a corrupt file",
          "[checkpoint]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("c"), bad = directory.file("bad");
  Toy<float> saved(toy_run(), 1);
  save_checkpoint(path, saved.run, saved.model, saved.trainer);
  CHECK(run_config_json(Checkpoint(path).config_of_model()) == run_config_json(Checkpoint(path).config()));
  const auto error_with = [&](auto&& change) {
    RunConfig run = Checkpoint(path).config();
    change(run);
    rewrite(path, bad, {{"minimoe.config", run_config_json(run)}});
    return error_of([&] { Checkpoint(bad).config_of_model(); });
  };
  CHECK(has(error_with([](RunConfig& run) { run.model.vocab_size = 0; }), "4 " + bad + ": minimoe.config: "));
  CHECK(has(error_with([](RunConfig& run) { run.model.num_heads = 3; }), "model.num_heads: 3 does not divide"));
  CHECK(has(error_with([](RunConfig& run) { run.model.moe.d_expert = 1 << 20; }), "parameters, its tensors hold "));
}

TEST_CASE("checkpoint: metadata that was tampered with is a corrupt file", "[checkpoint]") {
  const TemporaryDirectory directory;
  Toy<float> saved(toy_run(), 1);
  save_checkpoint(directory.file("c"), saved.run, saved.model, saved.trainer);
  Toy<float> toy;
  const std::string before = toy.everything();
  const auto resume_with = [&](const TextMap& metadata) {
    rewrite(directory.file("c"), directory.file("t"), metadata);
    return error_of([&] { resume_checkpoint(directory.file("t"), toy.model, toy.trainer); });
  };
  const std::string start = "4 " + directory.file("t") + ": minimoe.";
  CHECK(has(resume_with({{"minimoe.state", "{"}}), start + "state: line 1"));
  CHECK(has(resume_with({{"minimoe.state", "[]"}}), start + "state: allowed an object"));
  CHECK(has(resume_with({{"minimoe.state", R"({"step": 1})"}}), start + "state: allowed an object"));
  CHECK(has(resume_with({{"minimoe.state", R"({"step": 1, "step": 2, "seed": 1})"}}), start + "state: allowed"));
  CHECK(has(resume_with({{"minimoe.state", R"({"step": 1, "seed": 1, "x": 1})"}}), start + "state: allowed"));
  CHECK(has(resume_with({{"minimoe.state", R"({"step": -1, "seed": 36000})"}}), start + "state.step: -1"));
  CHECK(has(resume_with({{"minimoe.state", R"({"step": 9223372036854775808, "seed": 36000})"}}), start + "state.step"));
  CHECK(has(resume_with({{"minimoe.state", R"({"step": "1", "seed": 36000})"}}), start + "state.step: \"1\""));
  CHECK(has(resume_with({{"minimoe.state", R"({"step": 1, "seed": 1.5})"}}), start + "state.seed: 1.5"));
  CHECK(has(resume_with({{"minimoe.state", R"({"step": 1, "seed": 7})"}}), start + "state.seed is 7, train.seed"));
  CHECK(has(resume_with({{"minimoe.config", "{]"}}), start + "config: config: line 1"));
  CHECK(has(resume_with({{"minimoe.config", R"({"model": {"width": 3}})"}}), "model.width: unknown key"));
  CHECK(toy.everything() == before);
  CHECK(resume_with({{"another.key", "stays"}}) == "(accepted)");
}

TEST_CASE("checkpoint: a save that fails leaves the earlier checkpoint whole", "[checkpoint]") {
  const TemporaryDirectory directory;
  Toy<float> toy(toy_run(), 1);
  save_checkpoint(directory.file("c"), toy.run, toy.model, toy.trainer);
  const std::string before = read_file(directory.file("c"));
  CHECK(has(error_of([&] { save_checkpoint(directory.file("no/c"), toy.run, toy.model, toy.trainer); }), "3 "));
  RunConfig unprintable = toy.run;
  unprintable.data.corpus = "\xff";
  CHECK(has(error_of([&] { save_checkpoint(directory.file("c"), unprintable, toy.model, toy.trainer); }), "UTF-8"));
  CHECK(read_file(directory.file("c")) == before);
  CHECK(directory.num_entries() == 1);
}
