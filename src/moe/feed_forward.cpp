// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/feed_forward.hpp"

#include "minimoe/core/profile.hpp"
#include "moe/experts.hpp"

namespace minimoe {
namespace {

/// A matrix or vector as a stack of one.
template <class T, std::size_t N>
auto stack_of_one(View<T, N> view) {
  std::array<std::size_t, N + 1> shape{1};
  for (std::size_t axis = 0; axis < N; ++axis) shape[axis + 1] = view.shape(axis);
  return View<T, N + 1>(view.data(), shape);
}

template <class T>
void check_call(const char* where, const char* what, View<const T, 2> view, const FeedForwardConfig& config,
                const FeedForwardCache<T>& cache) {
  if (view.shape(1) != config.d_model) {
    throw Error(ErrorCode::kInvalidArgument,
                concat(where, ": ", what, " is ", shape_string(view.shape()), ", expected [T, ", config.d_model,
                       "] (d_model = ", config.d_model, ")"));
  }
  if (view.shape(0) > cache.up_TF.shape(0)) {
    throw Error(ErrorCode::kInvalidArgument, concat(where, ": ", what, " is ", shape_string(view.shape()),
                                                    ", the cache is planned for ", cache.up_TF.shape(0), " tokens"));
  }
}

}  // namespace

template <class T>
void FeedForwardCache<T>::plan(Arena& arena, const FeedForwardConfig& config, std::size_t max_tokens) {
  const std::array<std::size_t, 2> shape{max_tokens, config.d_ff};
  if (config.kind == FfnKind::kSwiglu) gate_TF = arena.take<T>(shape);
  up_TF = arena.take<T>(shape);
  hidden_TF = arena.take<T>(shape);
}

template <class T>
FeedForward<T>::FeedForward(const FeedForwardConfig& config, MemoryResource* resource) : config_(config) {
  const std::size_t d_model = config.d_model, d_ff = config.d_ff;
  require(d_model > 0 && d_ff > 0, "feed_forward: d_model is ", d_model, ", d_ff is ", d_ff,
          ", expected at least 1 each");
  const bool swiglu = config.kind == FfnKind::kSwiglu;
  if (swiglu) w_gate_proj_ = make_parameter<T, 2>({d_ff, d_model}, resource);
  w_up_proj_ = make_parameter<T, 2>({d_ff, d_model}, resource);
  w_down_proj_ = make_parameter<T, 2>({d_model, d_ff}, resource);
  if (!swiglu) {
    b_up_proj_ = make_parameter<T, 1>({d_ff}, resource);
    b_down_proj_ = make_parameter<T, 1>({d_model}, resource);
  }
}

template <class T>
void FeedForward<T>::collect_parameters(const std::string& prefix, ParameterList<T>& list) {
  const ParameterTraits weight{.decay = Decay::kYes, .init_std = config_.init_std};
  const ParameterTraits weight_down{.decay = Decay::kYes, .init_std = config_.init_std_down};
  add_parameter(list, dotted_name(prefix, "w_gate_proj"), w_gate_proj_, weight);
  add_parameter(list, dotted_name(prefix, "w_up_proj"), w_up_proj_, weight);
  add_parameter(list, dotted_name(prefix, "b_up_proj"), b_up_proj_, {});
  add_parameter(list, dotted_name(prefix, "w_down_proj"), w_down_proj_, weight_down);
  add_parameter(list, dotted_name(prefix, "b_down_proj"), b_down_proj_, {});
}

template <class T>
ExpertWeights<T> FeedForward<T>::weights() const {
  return {stack_of_one(w_gate_proj_.value), stack_of_one(w_up_proj_.value), stack_of_one(w_down_proj_.value),
          stack_of_one(b_up_proj_.value), stack_of_one(b_down_proj_.value)};
}

template <class T>
void FeedForward<T>::forward(Exec& exec, View<T, 2> y, In<T, 2> x, FeedForwardCache<T>& cache) const {
  check_call<T>("feed_forward.forward", "x", x, config_, cache);
  check_shape("feed_forward.forward", "y", y, x.shape());
  const std::int64_t begin[2] = {0, static_cast<std::int64_t>(x.shape(0))};
  const ProfileScope scope(exec, Pass::kForward, Operation::kFeedForward, experts_flops(config_, x.shape(0)));
  experts_forward(exec, y, cache, x, {begin, {2}}, weights(), config_.gelu);
}

template <class T>
void FeedForward<T>::backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x, FeedForwardCache<T>& cache) {
  check_call<T>("feed_forward.backward", "x", x, config_, cache);
  check_shape("feed_forward.backward", "d_y", d_y, x.shape());
  check_shape("feed_forward.backward", "d_x", d_x, x.shape());
  const std::int64_t begin[2] = {0, static_cast<std::int64_t>(x.shape(0))};
  const ExpertGradients<T> gradients{stack_of_one(w_gate_proj_.gradient), stack_of_one(w_up_proj_.gradient),
                                     stack_of_one(w_down_proj_.gradient), stack_of_one(b_up_proj_.gradient),
                                     stack_of_one(b_down_proj_.gradient)};
  const ProfileScope scope(exec, Pass::kBackward, Operation::kFeedForward, 2 * experts_flops(config_, x.shape(0)));
  experts_backward(exec, d_x, gradients, d_y, x, cache, {begin, {2}}, weights());
}

template struct FeedForwardCache<float>;
template struct FeedForwardCache<double>;
template class FeedForward<float>;
template class FeedForward<double>;

}  // namespace minimoe
