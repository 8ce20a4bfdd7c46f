// SPDX-License-Identifier: Apache-2.0
// The golden set through minimoe.hpp: golden_runner MANIFEST RESULTS, in a directory of its own.
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <limits>
#include <map>
#include <thread>

#include "golden_values.hpp"

using namespace golden;
using namespace minimoe::capi;

namespace {

std::int32_t instruction_set = 0;

Options options_of(const Json& c) {
  return Options().num_threads(c.at("num_threads")).instruction_set(instruction_set);
}

std::string text(const Json& c, const char* name) { return c.at(name).get<std::string>(); }

template <class T>
std::vector<T> list(const Json& c, const char* name) {
  return c.at(name).get<std::vector<T>>();
}

Dataset dataset_of(const Json& c) {
  if (c.at("kind") == "open") return Dataset::open(text(c, "json"), options_of(c));
  Dataset dataset = Dataset::create(text(c, "json"), options_of(c));
  const auto append = [&](const auto& tokens) {
    std::vector<std::uint8_t> classes;
    const int num_classes = c.at("num_classes");
    for (std::size_t i = 0; num_classes > 0 && i < tokens.size(); ++i) {
      classes.push_back(static_cast<std::uint8_t>(tokens[i] % num_classes));
    }
    dataset.append(tokens, classes);
  };
  const bool narrow = c.at("kind") == "u16";
  if (narrow) append(tokens<std::uint16_t>(c.at("data_tag"), c.at("num_data"), c.at("vocab_size")));
  if (!narrow) append(tokens<std::int32_t>(c.at("data_tag"), c.at("num_data"), c.at("vocab_size")));
  return dataset;
}

template <class Owner>
void set_parameters(Owner& owner, const Json& c) {
  std::int64_t tag = c.at("tag");
  for (const Json& p : c.at("parameters")) owner.set_parameter(p[0], fill(tag++, p[1], p[2], p[3]));
}

template <class Owner>
Json parameter_info(const Owner& owner) {
  Json all = Json::array();
  for (std::size_t i = 0; i < owner.num_parameters(); ++i) all.push_back(owner.parameter_info(i));
  return all;
}

void read_parameters(Json& out, const Model& model, const Json& c) {
  for (const std::string name : c.at("read")) {
    put(out, "parameter/" + name, [&] { return floats(model.parameter(name)); });
  }
}

Json library(const Json& c) {
  Json names = Json::array();
  for (const std::int32_t code : c.at("codes")) names.push_back(status_name(code));
  return {{"version_number", version_number()}, {"version_string", version_string()}, {"build_info", build_info()},
          {"config_keys", config_keys()},       {"config_breaks", config_breaks()},   {"status_names", names}};
}

Json config(const Json& c) {
  Json out;
  const std::string json = text(c, "config");
  put(out, "resolved", [&] { return config_resolve(json); });
  put(out, "cost", [&] { return config_cost(json); });
  put(out, "memory", [&] { return config_estimate_memory(json, options_of(c)); });
  put(out, "variants", [&] { return config_variants(json); });
  put(out, "balancers", [&] { return config_balancers(json, text(c, "kinds")); });
  return out;
}

Json write_file(const Json& c) {
  std::ofstream(text(c, "path"), std::ios::binary) << text(c, "text");
  return {{"file", file(text(c, "path"))}};
}

Json dataset(const Json& c) {
  const Dataset dataset = dataset_of(c);
  const std::string split = text(c, "split");
  const std::uint64_t seed = c.at("seed"), index = c.at("index");
  const std::size_t seq_len = c.at("seq_len");
  Json out;
  put(out, "info", [&] { return dataset.info(); });
  put(out, "num_windows", [&] { return dataset.num_windows(split, seq_len); });
  put(out, "window.tokens", [&] { return dataset.window(split, seed, index, seq_len).tokens; });
  put(out, "window.classes", [&] { return dataset.window(split, seed, index, seq_len).classes; });
  if (out["window.tokens"].is_array()) {
    put(out, "decoded", [&] { return dataset.decode(list<std::int32_t>(out, "window.tokens")); });
  }
  put(out, "encoded", [&] { return dataset.encode(text(c, "text")); });
  put(out, "sentence", [&] {
    const auto sentence = dataset.sentence(split, seed, index);
    return sentence ? Json(*sentence) : Json();
  });
  put(out, "entropy_floor", [&] {
    const auto floor = dataset.entropy_floor(split, seq_len, c.at("num_windows"));
    return floor ? doubles({*floor}) : Json();
  });
  put(out, "fitted", [&] { return dataset.fit_config(text(c, "config")); });
  return out;
}

Json layer(const Json& c) {
  MoELayer layer(text(c, "config"), options_of(c));
  Json out;
  put(out, "config", [&] { return layer.config(); });
  put(out, "num_parameters", [&] { return layer.num_parameters(); });
  put(out, "parameter_info", [&] { return parameter_info(layer); });
  set_parameters(layer, c);

  const std::size_t num_tokens = c.at("num_tokens"), size = num_tokens * c.at("d_model").get<std::size_t>();
  const std::int64_t tag = c.at("tag");
  const std::vector<float> x = fill(tag + 100, size, size, c.at("x_scale"));
  const std::vector<float> d_y = fill(tag + 101, size, size, c.at("d_y_scale"));
  const auto valid = list<std::uint8_t>(c, "valid");
  put(out, "infer", [&] { return floats(layer.infer(x, valid)); });

  MoECache cache(layer, num_tokens);
  put(out, "y", [&] { return floats(layer.forward(cache, x, valid, c.at("seq_len"))); });
  put(out, "topk_idx", [&] { return cache.topk_idx(); });
  put(out, "gate_weights", [&] { return floats(cache.gate_weights()); });
  put(out, "kept", [&] { return cache.kept(); });
  put(out, "router_logits", [&] { return floats(cache.router_logits()); });
  put(out, "router_probs", [&] { return floats(cache.router_probs()); });
  put(out, "load", [&] { return cache.load(); });
  const RoutingMetrics metrics = cache.metrics();
  out["metrics.num_tokens"] = metrics.num_tokens;
  out["metrics.num_dropped"] = metrics.num_dropped;
  out["metrics.aux_loss"] = doubles({metrics.aux_loss});
  out["metrics.z_loss"] = doubles({metrics.z_loss});
  out["metrics.max_violation"] = doubles({metrics.max_violation});
  out["metrics.load_entropy"] = doubles({metrics.load_entropy});

  layer.zero_gradients();
  put(out, "d_x", [&] { return floats(layer.backward(cache, x, d_y, c.at("balance_scale"))); });
  for (const std::string name : c.at("gradients")) {
    put(out, "gradient/" + name, [&] { return floats(layer.gradient(name)); });
  }
  for (int i = 0; i < c.at("bias_updates"); ++i) layer.update_bias(cache.load());
  put(out, "expert_bias", [&] { return floats(layer.parameter("expert_bias")); });
  return out;
}

Json model(const Json& c) {
  Model model(text(c, "config"), options_of(c));
  Json out;
  put(out, "config", [&] { return model.config(); });
  put(out, "info", [&] { return model.info(); });
  put(out, "num_parameters", [&] { return model.num_parameters(); });
  put(out, "parameter_info", [&] { return parameter_info(model); });
  set_parameters(model, c);

  const std::vector<std::int32_t> ids =
      tokens<std::int32_t>(c.at("tag").get<std::int64_t>() + 100, c.at("num_tokens"), c.at("vocab_size"));
  const auto valid = list<std::uint8_t>(c, "valid");
  const std::size_t seq_len = c.at("seq_len");
  put(out, "logits", [&] { return floats(model.forward(ids, seq_len, valid)); });
  put(out, "trace.experts", [&] { return model.routing_trace(ids, seq_len, valid).experts; });
  put(out, "trace.weights", [&] { return floats(model.routing_trace(ids, seq_len, valid).weights); });
  put(out, "trace.kept", [&] { return model.routing_trace(ids, seq_len, valid).kept; });
  put(out, "generated", [&] {
    return model.generate(Span<const std::int32_t>(ids.data(), c.at("prompt").get<std::size_t>()), text(c, "generate"));
  });
  read_parameters(out, model, c);
  const std::string path = text(c, "path");
  put(out, "file", [&] { return model.save(path), file(path); });
  put(out, "checkpoint_info", [&] { return checkpoint_info(path); });
  put(out, "loaded.logits", [&] { return floats(Model::load(path, options_of(c)).forward(ids, seq_len, valid)); });
  return out;
}

void put_metrics(Json& out, const std::vector<StepMetrics>& all) {
  const auto integers = [&](const char* key, std::int64_t StepMetrics::*member) {
    Json& values = out[key] = Json::array();
    for (const StepMetrics& m : all) values.push_back(m.*member);
  };
  const auto reals = [&](const char* key, double StepMetrics::*member) {
    std::vector<double> values;
    for (const StepMetrics& m : all) values.push_back(m.*member);
    out[key] = doubles(values);
  };
  integers("metrics.step", &StepMetrics::step);
  integers("metrics.num_tokens", &StepMetrics::num_tokens);
  integers("metrics.num_extra_passes", &StepMetrics::num_extra_passes);
  reals("metrics.loss", &StepMetrics::loss);
  reals("metrics.aux_loss", &StepMetrics::aux_loss);
  reals("metrics.z_loss", &StepMetrics::z_loss);
  reals("metrics.total_loss", &StepMetrics::total_loss);
  reals("metrics.learning_rate", &StepMetrics::learning_rate);
  reals("metrics.gradient_norm", &StepMetrics::gradient_norm);
}

Json train(const Json& c) {
  const Dataset dataset = dataset_of(c);
  const std::string fitted = dataset.fit_config(text(c, "config"));
  Model model(fitted, options_of(c));
  set_parameters(model, c);
  Trainer trainer(model, dataset, fitted);
  Json out;
  put(out, "config", [&] { return trainer.config(); });
  if (const std::string from = text(c, "resume"); !from.empty()) {
    try {
      trainer.resume(from);
    } catch (const Error& e) {
      return {{"resume", error(e.status(), e.what())}};
    }
  }
  put(out, "step_before", [&] { return trainer.step(); });
  put(out, "interference", [&] { return trainer.interference(); });

  const std::int64_t steps = c.at("steps"), cancel_after = c.at("cancel_after");
  std::vector<StepMetrics> metrics = trainer.steps(cancel_after < 0 ? steps : cancel_after).metrics;
  if (cancel_after >= 0) {
    const CancelToken token;
    token.fire();
    const StepsResult cancelled = trainer.steps(3, &token);
    out["cancelled"] = error(cancelled.status, cancelled.message);
    out["cancelled_steps"] = cancelled.metrics.size();
    const StepsResult rest = trainer.steps(steps - cancel_after).throw_if_failed();
    metrics.insert(metrics.end(), rest.metrics.begin(), rest.metrics.end());
  }
  put_metrics(out, metrics);
  put(out, "step_after", [&] { return trainer.step(); });

  const Evaluation evaluation = trainer.evaluate(text(c, "split"), c.at("max_windows"));
  out["evaluation.loss"] = doubles({evaluation.loss});
  out["evaluation.num_targets"] = evaluation.num_targets;
  out["evaluation.num_windows"] = evaluation.num_windows;
  put(out, "routing.step", [&] { return trainer.routing(MINIMOE_ROUTING_STEP); });
  put(out, "routing.evaluation", [&] { return trainer.routing(MINIMOE_ROUTING_EVALUATION); });
  put(out, "loads.step", [&] { return trainer.expert_loads(0, MINIMOE_ROUTING_STEP); });
  put(out, "loads.evaluation", [&] { return trainer.expert_loads(0, MINIMOE_ROUTING_EVALUATION); });
  put(out, "health", [&] { return trainer.health(text(c, "health")); });
  read_parameters(out, model, c);
  const std::string path = text(c, "path");
  put(out, "checkpoint", [&] { return trainer.save(path), file(path); });
  put(out, "checkpoint_info", [&] { return checkpoint_info(path); });
  return out;
}

Json analyse(const Json& c) {
  const Dataset dataset = dataset_of(c);
  Model model(dataset.fit_config(text(c, "config")), options_of(c));
  set_parameters(model, c);
  const std::string split = text(c, "split");
  Json out;
  put(out, "specialisation", [&] { return model.specialisation(dataset, split, text(c, "specialisation")); });
  put(out, "capacity_report", [&] { return model.capacity_report(dataset, split, text(c, "capacity")); });
  put(out, "probes", [&] { return model.answer_probes(dataset, split, c.at("max_count")); });
  return out;
}

// Forks while another thread trains, until a child finds the model torn.
Json forked(const Json& c) {
  const Dataset dataset = dataset_of(c);
  const Model model(text(c, "config"), options_of(c));
  Trainer trainer(model, dataset, text(c, "config"));
  const CancelToken stop;
  std::thread training([&] { static_cast<void>(trainer.steps(c.at("steps"), &stop)); });
  Json found;
  while (found.is_null()) {
    usleep(3000);
    int ends[2];
    if (pipe(ends) != 0) break;
    const pid_t child = fork();
    if (child == 0) {
      minimoe_error err = {};
      std::uint64_t generation = 0;
      err.code = minimoe_model_generation(model.handle(), &generation, &err);
      _exit(write(ends[1], &err, sizeof(err)) == sizeof(err) ? 0 : 1);
    }
    close(ends[1]);
    minimoe_error err = {};
    if (read(ends[0], &err, sizeof(err)) == sizeof(err) && err.code != MINIMOE_OK) found = error(err.code, err.message);
    close(ends[0]);
    waitpid(child, nullptr, 0);
  }
  stop.fire();
  training.join();
  return found;
}

Json status(const Json& c) {
  const std::string wanted = text(c, "status");
  const Options options = options_of(c);
  const std::size_t count = c.value("count", std::size_t{0});
  Json out;
  put(out, "result", [&]() -> Json {
    if (wanted == "MINIMOE_E_INVALID_ARGUMENT") return config_resolve(text(c, "config"));
    if (wanted == "MINIMOE_E_OUT_OF_MEMORY") {
      const MoECache cache(MoELayer(text(c, "config"), options), c.at("max_tokens"));
    } else if (wanted == "MINIMOE_E_IO" || wanted == "MINIMOE_E_CORRUPT_FILE") {
      const Model model = Model::load(text(c, "path"), options);
    } else if (wanted == "MINIMOE_E_NON_FINITE") {
      const MoELayer layer(text(c, "config"), options);
      MoECache cache(layer, 1);
      layer.forward(cache, std::vector<float>(count, std::numeric_limits<float>::quiet_NaN()));
    } else if (wanted == "MINIMOE_E_UNSUPPORTED") {
      Dataset::open(text(c, "config"), options).append(std::vector<std::int32_t>{1});
    } else if (wanted == "MINIMOE_E_SHAPE") {
      MoELayer(text(c, "config"), options).infer(std::vector<float>(count));
    } else if (wanted == "MINIMOE_E_BUFFER_TOO_SMALL") {  // minimoe.hpp always makes room enough
      const MoELayer layer(text(c, "config"), options);
      const std::vector<float> x(count);
      std::vector<float> y(count - 1);
      std::size_t needed = 0;
      minimoe_error err = {};
      const minimoe_status status =
          minimoe_moe_layer_infer(layer.handle(), x.data(), x.size(), nullptr, 0, y.data(), y.size(), &needed, &err);
      out["needed"] = needed;
      throw Error(status, err.message);
    } else if (wanted == "MINIMOE_E_BUSY") {
      const Model model(text(c, "config"), options);
      const Trainer first(model, dataset_of(c), text(c, "config"));
      const Trainer second(model, dataset_of(c), text(c, "config"));
    } else if (wanted == "MINIMOE_E_CANCELLED") {
      const CancelToken token;
      token.fire();
      return Model(text(c, "config"), options).generate(std::vector<std::int32_t>{1}, "{}", &token);
    } else if (wanted == "MINIMOE_E_VERSION") {  // check_version() knows its own header only
      minimoe_error err = {};
      const minimoe_status status = minimoe_check_version(c.at("header_version"), &err);
      throw Error(status, err.message);
    } else if (wanted == "MINIMOE_E_FORKED") {
      return forked(c);
    }
    return "no error";
  });
  return out;
}

template <class Call>
Json one(const char* key, Call&& call) {
  Json out;
  put(out, key, call);
  return out;
}

const std::map<std::string, Json (*)(const Json&)> kOperations = {
    {"library", library},
    {"preset", [](const Json& c) { return one("preset", [&] { return config_preset(text(c, "preset")); }); }},
    {"config", config},
    {"file", write_file},
    {"dataset", dataset},
    {"layer", layer},
    {"model", model},
    {"train", train},
    {"analyse", analyse},
    {"health_check",
     [](const Json& c) { return one("health", [&] { return health_check(text(c, "log"), text(c, "json")); }); }},
    {"load_statistics",
     [](const Json& c) {
       return one("statistics", [&] { return load_statistics(list<std::int64_t>(c, "load"), c.at("top_k")); });
     }},
    {"compare_verdict", [](const Json& c) { return one("verdict", [&] { return compare_verdict(text(c, "json")); }); }},
    {"compare_findings",
     [](const Json& c) { return one("findings", [&] { return compare_findings(text(c, "json")); }); }},
    {"run_findings", [](const Json& c) { return one("findings", [&] { return run_findings(text(c, "json")); }); }},
    {"break_findings", [](const Json& c) { return one("findings", [&] { return break_findings(text(c, "json")); }); }},
    {"status", status},
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: golden_runner MANIFEST RESULTS");
  const Json manifest = Json::parse(std::ifstream(argv[1]));
  instruction_set = manifest.at("instruction_set");
  Json results = Json::object();
  for (const Json& c : manifest.at("cases")) {
    try {
      results[text(c, "name")] = kOperations.at(c.at("op"))(c);
    } catch (const Error& e) {
      results[text(c, "name")] = {{"create", error(e.status(), e.what())}};
    }
  }
  std::ofstream(argv[2]) << Json{{"format", 1}, {"language", "cpp"}, {"results", results}}.dump(0) << '\n';
  return 0;
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
