// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "minimoe/moe/bias_balancer.hpp"
#include "minimoe/ops/adamw.hpp"
#include "train/bias_guard.hpp"
#include "train/router_gradient.hpp"
#include "train/step_balance.hpp"
#include "train/step_buffers.hpp"

namespace minimoe {
namespace {

// What a backward pass differentiates: the factors of the parts of the loss.
struct LossWeights {
  double main = 1, aux = 0, z = 0;
};

// Every problem of both and of their agreement.
std::vector<std::string> all_problems(const ModelConfig& model, const TrainConfig& train) {
  std::vector<std::string> found = model.problems();
  for (std::string& problem : train.problems()) found.push_back(std::move(problem));
  if (train.seq_len > model.max_seq_len) {
    found.push_back(concat("train.seq_len: ", train.seq_len, " is above model.max_seq_len = ", model.max_seq_len));
  }
  return found;
}

}  // namespace

template <class T>
struct Trainer<T>::Impl {
  MiniGPT<T>& model;
  TrainConfig config;
  const BatchSource& batches;
  Exec& exec;
  Arena arena;
  StepBuffers<T> buffers;
  State state;
  StepMetrics metrics;
  std::vector<RoutingStats> routing;  // of the last completed step
  StepBalance balance;                // of the step that is being computed
  LossScale scale;
  const char* where = "trainer.train_step";
  BiasGuard guard;
  std::optional<Profile> profile;

  Impl(MiniGPT<T>& m, const TrainConfig& c, const BatchSource& b, Exec& e, MemoryResource* resource)
      : model(m),
        config(c),
        batches(b),
        exec(e),
        arena(resource),
        balance(m.config(), c.accumulation_steps),
        guard(m.config()) {
    require_no_problems(all_problems(model.config(), config));
    const PrecisionScope possible(exec, config.precision);
    const std::size_t num_parameters = model_cost(model.config(), config.seq_len).total_parameters;
    arena.build([&](Arena& a) {
      buffers.plan_optimizer(a, num_parameters);
      buffers.plan_activations(a, model.config(), config, exec.num_threads());
    });
    list_parameters();
    routing.resize(model.num_moe_layers());
    for (RoutingStats& stats : routing) stats.reset(moe().num_experts);
    scale.balance.resize(model.num_moe_layers());
    // Last: from here on the model refers to the arena, and nothing can fail.
    for (ParameterRef<T>& p : state.weights) p.bind_gradient(p.gradient);
  }

  const MoEConfig& moe() const { return model.config().moe; }

  void list_parameters() {
    std::size_t at = 0;
    for (ParameterRef<T>& p : model.parameters()) {
      if (p.role != Role::kWeight) continue;
      p.gradient = buffers.gradients.data() + at;
      state.moment1.push_back(View<T, 1>(buffers.moment1.data() + at, {p.size()}));
      state.moment2.push_back(View<T, 1>(buffers.moment2.data() + at, {p.size()}));
      at += p.size();
      state.weights.push_back(std::move(p));
    }
    if (at != buffers.gradients.size()) {
      throw Error(ErrorCode::kInternal,
                  concat("trainer: the registry holds ", at, " weights, model_cost counts ", buffers.gradients.size()));
    }
  }

  void begin_micro_batch(const StepControl& control, std::size_t micro) const {
    throw_if_cancelled(control.cancel, where);
    if (control.on_micro_batch) control.on_micro_batch(micro);
  }

  // The loads of all micro-batches, for the loss whose shares are taken over the whole step.
  void count_global_load(const StepControl& control) {
    for (std::size_t micro = 0; micro < config.accumulation_steps; ++micro) {
      begin_micro_batch(control, micro);
      model.forward(exec, buffers.micro_batches.tokens(micro), true, buffers.cache);
      ++metrics.counting_passes;
      balance.count(buffers.cache.routing);
    }
  }

  [[noreturn]] void fail_non_finite(const std::string& what) const {
    throw Error(ErrorCode::kNonFinite, concat(where, ": step ", state.step + 1, ": ", what,
                                              "; weights, moments and step count are as before the step"));
  }

  void zero_gradients() {
    const ProfileScope scope(exec, Pass::kStep, Operation::kZeroGradients);
    std::fill_n(buffers.gradients.data(), buffers.gradients.size(), T{0});
  }

  // Norm of all gradients; the flat buffer first, tensor by tensor only to name the culprit.
  double gradient_norm() {
    const ProfileScope scope(exec, Pass::kStep, Operation::kGradientNorm);
    const double norm = std::sqrt(sum_of_squares<T>(exec, View<const T, 1>(buffers.gradients)));
    if (std::isfinite(norm)) return norm;
    for (const ParameterRef<T>& p : state.weights) {
      const double squares = sum_of_squares<T>(exec, View<const T, 1>(p.gradient, {p.size()}));
      if (!std::isfinite(squares)) fail_non_finite("the gradient of " + p.name + " is not finite");
    }
    fail_non_finite("the norm of all gradients overflows");
  }

  void update_weights() {
    const ProfileScope scope(exec, Pass::kStep, Operation::kOptimizer);
    AdamWStep update;
    update.learning_rate = metrics.learning_rate;
    update.beta1 = config.beta1;
    update.beta2 = config.beta2;
    update.eps = config.adam_eps;
    update.step = state.step + 1;
    // As torch.nn.utils.clip_grad_norm_, its 1e-6 included, so that curves can be compared digit by digit.
    if (config.clip_norm > 0) update.gradient_scale = std::min(1.0, config.clip_norm / (metrics.gradient_norm + 1e-6));
    for (std::size_t i = 0; i < state.weights.size(); ++i) {
      const ParameterRef<T>& p = state.weights[i];
      update.weight_decay = p.decay == Decay::kYes ? config.weight_decay : 0;
      update.learning_rate = metrics.learning_rate * p.learning_rate_factor;
      adamw_update<T>(exec, View<T, 1>(p.value, {p.size()}), state.moment1[i], state.moment2[i],
                      View<const T, 1>(p.gradient, {p.size()}), update);
    }
  }

  void update_biases() {
    if (!moe().bias_balancing) return;
    for (std::size_t layer = 0; layer < balance.routing().size(); ++layer) {
      const std::vector<std::int64_t>& load = balance.routing()[layer].load;
      update_expert_bias<T>(model.moe_layer(layer).expert_bias(), {load.data(), {load.size()}}, moe().bias_update_rate,
                            moe().bias_centering);
    }
  }

  void compute_gradients(const StepControl& control, const LossWeights& weights) {
    MicroBatches& of_step = buffers.micro_batches;
    for (std::size_t micro = 0; micro < config.accumulation_steps; ++micro) {
      const ProfileScope scope(exec, Pass::kStep, Operation::kData);
      of_step.fill(batches, state.step, micro, micro);
    }
    const std::int64_t num_tokens = of_step.num_tokens(), num_targets = of_step.num_targets();
    const std::int64_t num_sequences = of_step.num_sequences(0, config.accumulation_steps);
    require(num_targets > 0, where, ": step ", state.step + 1, " has no target to learn from");

    zero_gradients();
    balance.begin();
    metrics.counting_passes = 0;
    if (balance.needs_counting()) count_global_load(control);
    balance.set_gradients(scale.balance, weights.aux, weights.z, num_tokens, num_sequences);
    scale.cross_entropy = weights.main / static_cast<double>(num_targets);

    double loss_sum = 0;
    for (std::size_t micro = 0; micro < config.accumulation_steps; ++micro) {
      begin_micro_batch(control, micro);
      const TokenBatch batch = of_step.tokens(micro);
      const View<std::int32_t, 1> targets = of_step.targets(micro);
      model.forward(exec, batch, true, buffers.cache);
      const double loss = model.loss(exec, targets, buffers.cache).loss;
      if (!std::isfinite(loss)) fail_non_finite(concat("the loss of micro-batch ", micro, " is ", loss));
      loss_sum += loss;
      balance.add(buffers.cache.routing, of_step.num_sequences(micro, micro + 1));
      model.backward(exec, batch, targets, scale, buffers.cache);
    }
    metrics.loss = loss_sum / static_cast<double>(num_targets);
    metrics.num_tokens = num_tokens;
    balance.write(metrics, num_sequences);
    metrics.total_loss = metrics.loss + moe().aux_loss_coef * metrics.aux_loss + moe().z_loss_coef * metrics.z_loss;
  }

  void compute_gradients_or_fail(const StepControl& control, const LossWeights& weights) {
    try {
      compute_gradients(control, weights);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNonFinite || std::string_view(error.what()).starts_with("trainer.")) throw;
      fail_non_finite(error.what());
    }
  }

  std::vector<RouterGradient> router_gradients_of(const StepControl& control, const LossWeights& weights) {
    compute_gradients_or_fail(control, weights);
    return router_gradients(state.weights, model.config().moe_layers);
  }
};

template <class T>
Trainer<T>::Trainer(MiniGPT<T>& model, const TrainConfig& config, const BatchSource& batches, Exec& exec,
                    MemoryResource* resource)
    : impl_(std::make_unique<Impl>(model, config, batches, exec, resource)) {}

template <class T>
Trainer<T>::~Trainer() {
  for (ParameterRef<T>& p : impl_->state.weights) p.bind_gradient(nullptr);
}

template <class T>
const TrainConfig& Trainer<T>::config() const {
  return impl_->config;
}
template <class T>
std::int64_t Trainer<T>::step() const {
  return impl_->state.step;
}
template <class T>
typename Trainer<T>::State& Trainer<T>::state() {
  return impl_->state;
}
template <class T>
const std::vector<RoutingStats>& Trainer<T>::routing() const {
  return impl_->routing;
}

template <class T>
const StepMetrics& Trainer<T>::train_step(const StepControl& control) {
  Impl& impl = *impl_;
  const PrecisionScope precision(impl.exec, impl.config.precision);
  ProfiledStep profiled(impl.exec, impl.profile ? &*impl.profile : nullptr);
  impl.compute_gradients_or_fail(control, {1, impl.moe().aux_loss_coef, impl.moe().z_loss_coef});
  impl.metrics.gradient_norm = impl.gradient_norm();
  impl.metrics.learning_rate = learning_rate_at(impl.config, impl.state.step + 1);
  throw_if_cancelled(control.cancel, "trainer.train_step");
  impl.guard.observe(impl.state.step + 1, impl.balance.routing());  // the last that can fail
  impl.update_weights();
  impl.update_biases();
  impl.routing.swap(impl.balance.routing());
  impl.metrics.step = ++impl.state.step;
  profiled.complete();
  return impl.metrics;
}

template <class T>
void Trainer<T>::set_profile(bool enabled) {
  impl_->profile.reset();
  if (enabled) impl_->profile.emplace();
}
template <class T>
const Profile* Trainer<T>::profile() const {
  return impl_->profile ? &*impl_->profile : nullptr;
}

template <class T>
std::vector<RouterInterference> Trainer<T>::interference(const StepControl& control) {
  Impl& impl = *impl_;
  if (impl.routing.empty()) return {};
  const PrecisionScope precision(impl.exec, impl.config.precision);
  // Everything else that a pass writes is scratch, which the next step fills again.
  struct Restore {
    Impl& impl;
    StepMetrics metrics;
    ~Restore() {
      impl.metrics = metrics;
      impl.where = "trainer.train_step";
    }
  } const restore{impl, impl.metrics};
  impl.where = "trainer.interference";
  // The gradient of a later layer's aux loss reaches earlier routers, so that of each loss needs a backward of its own.
  const std::vector<RouterGradient> main = impl.router_gradients_of(control, {1, 0, 0});
  const std::vector<RouterGradient> aux = impl.router_gradients_of(control, {0, 1, 0});
  std::vector<RouterInterference> found;
  for (std::size_t layer = 0; layer < main.size(); ++layer) {
    found.push_back(
        compare_gradients(impl.model.config().moe_layers[layer], main[layer], aux[layer], impl.moe().aux_loss_coef));
  }
  return found;
}

template <class T>
const std::string& Trainer<T>::bias_warning() const {
  return impl_->guard.warning();
}

template <class T>
EvalResult Trainer<T>::evaluate(const BatchSource& batches, std::int64_t count, const CancelFlag* cancel) {
  Impl& impl = *impl_;
  const PrecisionScope precision(impl.exec, impl.config.precision);
  require(count >= 1, "trainer.evaluate: count is ", count, ", allowed 1 or more");
  EvalResult result;
  result.routing.resize(impl.routing.size());
  for (RoutingStats& stats : result.routing) stats.reset(impl.moe().num_experts);
  double loss_sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    throw_if_cancelled(cancel, "trainer.evaluate");
    MicroBatches& slots = impl.buffers.micro_batches;
    slots.fill(batches, i, 0, 0);
    impl.model.forward(impl.exec, slots.tokens(0), false, impl.buffers.cache);
    const CrossEntropySum sum = impl.model.loss(impl.exec, slots.targets(0), impl.buffers.cache);
    if (!std::isfinite(sum.loss)) {
      throw Error(ErrorCode::kNonFinite, concat("trainer.evaluate: the loss of batch ", i, " is ", sum.loss));
    }
    loss_sum += sum.loss;
    result.num_targets += static_cast<std::int64_t>(sum.num_targets);
    for (std::size_t layer = 0; layer < result.routing.size(); ++layer) {
      result.routing[layer].add(impl.buffers.cache.routing[layer]);
    }
  }
  require(result.num_targets > 0, "trainer.evaluate: the batches have no targets");
  result.loss = loss_sum / static_cast<double>(result.num_targets);
  return result;
}

template <class T>
MemoryEstimate Trainer<T>::estimate_memory(const ModelConfig& model, const TrainConfig& config,
                                           const ExecOptions& exec) {
  require_no_problems(all_problems(model, config));
  const std::size_t num_parameters = model_cost(model, config.seq_len).total_parameters;
  std::size_t buffers = model.moe_layers.size() * model.moe.num_experts;  // expert_bias
  if (model.position == PositionKind::kRope) buffers += model.max_seq_len * (model.head_dim() / 2) * 2;

  MemoryEstimate estimate;
  estimate.parameters = (num_parameters + buffers) * sizeof(T);
  StepBuffers<T> step;
  const std::size_t optimizer = Arena::measure([&](Arena& a) { step.plan_optimizer(a, num_parameters); });
  estimate.gradients = optimizer / 3;
  estimate.moments = optimizer - estimate.gradients;
  estimate.activations =
      Arena::measure([&](Arena& a) { step.plan_activations(a, model, config, Exec::resolved_num_threads(exec)); });
  estimate.workspace = Exec::memory_bytes(exec);
  return estimate;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace minimoe
