// SPDX-License-Identifier: Apache-2.0
// Every op pair against torch's own op: outputs and all gradients.
#include "golden/golden_file.hpp"
#include "minimoe/ops/activation.hpp"
#include "minimoe/ops/adamw.hpp"
#include "minimoe/ops/attention.hpp"
#include "minimoe/ops/cross_entropy.hpp"
#include "minimoe/ops/embedding.hpp"
#include "minimoe/ops/linear.hpp"
#include "minimoe/ops/norm.hpp"
#include "minimoe/ops/rope.hpp"
#include "minimoe/ops/softmax.hpp"

namespace minimoe::test {
namespace {

/// One case of ops.safetensors in the scalar T.
template <class T>
class OpCase {
 public:
  explicit OpCase(const std::string& name) : name_(name) {}

  template <std::size_t N>
  Tensor<T, N> input(const std::string& key) const {
    return file_.template tensor<T, N>(name_ + "/" + key);
  }
  Tensor<std::int32_t, 1> integers(const std::string& key) const {
    const std::vector<std::int32_t> values = file_.template values<std::int32_t>(name_ + "/" + key);
    Tensor<std::int32_t, 1> out = make_tensor<std::int32_t, 1>({values.size()});
    std::copy(values.begin(), values.end(), out.data());
    return out;
  }
  const nlohmann::json& info() const { return file_.info(name_); }
  template <std::size_t N>
  void check(const std::string& key, const Tensor<T, N>& got) const {
    check_close<T>({got.data(), {got.size()}}, file_, name_ + "/" + key, kTolerance<T>);
  }

 private:
  GoldenFile file_{"ops"};
  std::string name_;
};

template <class T, std::size_t N>
Tensor<T, N> zeros_like(const Tensor<T, N>& x) {
  return make_tensor<T, N>(x.shape());
}

}  // namespace

TEMPLATE_TEST_CASE("golden ops: linear equals torch", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  for (const bool with_bias : {true, false}) {
    const OpCase<T> golden(with_bias ? "linear" : "linear_without_bias");
    const Tensor<T, 2> x = golden.template input<2>("input"), weight = golden.template input<2>("weight");
    const Tensor<T, 2> d_y = golden.template input<2>("d_y");
    const Tensor<T, 1> bias = with_bias ? golden.template input<1>("bias") : Tensor<T, 1>();
    Tensor<T, 2> y = zeros_like(d_y), d_x = zeros_like(x), d_weight = zeros_like(weight);
    Tensor<T, 1> d_bias = zeros_like(bias);
    linear_forward<T>(exec, y, x, weight, with_bias ? In<T, 1>(bias) : In<T, 1>());
    linear_backward<T>(exec, d_x, d_weight, with_bias ? View<T, 1>(d_bias) : View<T, 1>(), d_y, x, weight);
    golden.check("y", y);
    golden.check("d_input", d_x);
    golden.check("d_weight", d_weight);
    if (with_bias) golden.check("d_bias", d_bias);
  }
}

TEMPLATE_TEST_CASE("golden ops: softmax equals torch", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  const OpCase<T> golden("softmax");
  const Tensor<T, 2> x = golden.template input<2>("x"), d_y = golden.template input<2>("d_y");
  Tensor<T, 2> y = zeros_like(x), d_x = zeros_like(x);
  softmax_forward<T>(exec, y, x);
  softmax_backward<T>(exec, d_x, d_y, y);
  golden.check("y", y);
  golden.check("d_x", d_x);
}

TEMPLATE_TEST_CASE("golden ops: GELU in both forms and SiLU equal torch", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  for (const std::string name : {"gelu_tanh", "gelu_erf", "silu"}) {
    const OpCase<T> golden(name);
    const Tensor<T, 1> x = golden.template input<1>("x"), d_y = golden.template input<1>("d_y");
    Tensor<T, 1> y = zeros_like(x), d_x = zeros_like(x);
    if (name == "silu") {
      silu_forward<T>(exec, y, x);
      silu_backward<T>(exec, d_x, d_y, x);
    } else {
      const Gelu kind = name == "gelu_erf" ? Gelu::kErf : Gelu::kTanh;
      gelu_forward<T>(exec, y, x, kind);
      gelu_backward<T>(exec, d_x, d_y, x, kind);
    }
    golden.check("y", y);
    golden.check("d_x", d_x);
  }
}

TEMPLATE_TEST_CASE("golden ops: SwiGLU equals torch", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  const OpCase<T> golden("swiglu");
  const Tensor<T, 1> gate = golden.template input<1>("gate"), up = golden.template input<1>("up");
  const Tensor<T, 1> d_y = golden.template input<1>("d_y");
  Tensor<T, 1> y = zeros_like(gate), d_gate = zeros_like(gate), d_up = zeros_like(up);
  swiglu_forward<T>(exec, y, gate, up);
  swiglu_backward<T>(exec, d_gate, d_up, d_y, gate, up);
  golden.check("y", y);
  golden.check("d_gate", d_gate);
  golden.check("d_up", d_up);
}

TEMPLATE_TEST_CASE("golden ops: LayerNorm and RMSNorm equal torch", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  for (const bool centred : {true, false}) {
    const OpCase<T> golden(centred ? "layer_norm" : "rms_norm");
    const Tensor<T, 2> x = golden.template input<2>("x"), d_y = golden.template input<2>("d_y");
    const Tensor<T, 1> weight = golden.template input<1>("weight");
    Tensor<T, 2> y = zeros_like(x), d_x = zeros_like(x);
    Tensor<T, 1> mean = make_tensor<T, 1>({x.shape()[0]}), rstd = zeros_like(mean);
    Tensor<T, 1> d_weight = zeros_like(weight);
    if (centred) {
      const Tensor<T, 1> bias = golden.template input<1>("bias");
      Tensor<T, 1> d_bias = zeros_like(bias);
      layer_norm_forward<T>(exec, y, mean, rstd, x, weight, bias, 1e-5);
      layer_norm_backward<T>(exec, d_x, d_weight, d_bias, d_y, x, weight, mean, rstd);
      golden.check("d_bias", d_bias);
    } else {
      rms_norm_forward<T>(exec, y, rstd, x, weight, 1e-5);
      rms_norm_backward<T>(exec, d_x, d_weight, d_y, x, weight, rstd);
    }
    golden.check("y", y);
    golden.check("d_x", d_x);
    golden.check("d_weight", d_weight);
  }
}

TEMPLATE_TEST_CASE("golden ops: the norm of some heads equals torch and leaves the others alone", "[golden]", float,
                   double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  const OpCase<T> golden("head_rms_norm");
  const Tensor<T, 2> x = golden.template input<2>("x");
  const Tensor<T, 1> weight = golden.template input<1>("weight");
  Tensor<T, 2> y = x, d_x = golden.template input<2>("d_y"), rstd = make_tensor<T, 2>({x.shape()[0], 2});
  Tensor<T, 1> d_weight = zeros_like(weight);
  head_rms_norm_forward<T>(exec, y, rstd, x, weight, 1, 2, 1e-5);
  head_rms_norm_backward<T>(exec, d_x, d_weight, d_x, x, weight, rstd, 1, 2);
  golden.check("y", y);
  golden.check("d_x", d_x);
  golden.check("d_weight", d_weight);
}

TEMPLATE_TEST_CASE("golden ops: RoPE in both pairings equals a complex rotation", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  Tensor<T, 2> cos = make_tensor<T, 2>({5, 3}), sin = make_tensor<T, 2>({5, 3});
  rope_tables<T>(cos, sin, 100);
  for (const RopePairing pairing : {RopePairing::kHalfSplit, RopePairing::kInterleaved}) {
    const OpCase<T> golden(pairing == RopePairing::kHalfSplit ? "rope_half_split" : "rope_interleaved");
    Tensor<T, 2> y = golden.template input<2>("x"), d_x = golden.template input<2>("d_y");
    rope_forward<T>(exec, y, 2, 5, cos, sin, pairing);
    rope_backward<T>(exec, d_x, 2, 5, cos, sin, pairing);
    golden.check("y", y);
    golden.check("d_x", d_x);
  }
}

TEMPLATE_TEST_CASE("golden ops: causal attention equals torch with equal, grouped and single key heads", "[golden]",
                   float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  for (const char* name : {"attention", "attention_grouped", "attention_multi_query"}) {
    const OpCase<T> golden(name);
    const nlohmann::json& info = golden.info();
    const AttentionShape shape{info["batch_size"], info["seq_len"], info["num_heads"], info["num_kv_heads"],
                               info["head_dim"]};
    const Tensor<T, 2> qkv = golden.template input<2>("qkv"), d_y = golden.template input<2>("d_y");
    Tensor<T, 2> y = zeros_like(d_y), d_qkv = zeros_like(qkv);
    Tensor<T, 2> lse = make_tensor<T, 2>({shape.num_tokens(), shape.num_heads});
    Tensor<T, 2> scratch = make_tensor<T, 2>({1, attention_scratch_size(shape)});
    causal_attention_forward<T>(exec, y, lse, qkv, shape, scratch);
    causal_attention_backward<T>(exec, d_qkv, d_y, y, lse, qkv, shape, scratch);
    golden.check("y", y);
    golden.check("d_qkv", d_qkv);
  }
}

TEMPLATE_TEST_CASE("golden ops: token and position embeddings equal torch", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  const OpCase<T> golden("embedding");
  const Tensor<std::int32_t, 1> tokens = golden.integers("tokens");
  const Tensor<T, 2> token = golden.template input<2>("token"), position = golden.template input<2>("position");
  const Tensor<T, 2> d_y = golden.template input<2>("d_y");
  Tensor<T, 2> y = zeros_like(d_y), d_token = zeros_like(token), d_position = zeros_like(position);
  token_embedding_forward<T>(exec, y, tokens, token);
  position_embedding_forward_add<T>(exec, y, position, 6);
  token_embedding_backward<T>(exec, d_token, d_y, tokens);
  position_embedding_backward<T>(exec, d_position, d_y, 6);
  golden.check("y", y);
  golden.check("d_token", d_token);
  golden.check("d_position", d_position);
}

TEMPLATE_TEST_CASE("golden ops: cross entropy equals torch and skips the ignore index", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  const OpCase<T> golden("cross_entropy");
  const Tensor<T, 2> logits = golden.template input<2>("logits");
  const Tensor<std::int32_t, 1> targets = golden.integers("targets");
  Tensor<T, 1> lse = make_tensor<T, 1>({targets.size()});
  Tensor<T, 2> d_logits = zeros_like(logits);
  const CrossEntropySum sum = cross_entropy_forward<T>(exec, lse, logits, targets);
  cross_entropy_backward<T>(exec, d_logits, logits, lse, targets, golden.info()["scale"]);
  CHECK(sum.num_targets == golden.info()["num_targets"]);
  check_close(sum.loss, golden.info()["loss"], kTolerance<T>);
  golden.check("d_logits", d_logits);
}

TEMPLATE_TEST_CASE("golden ops: AdamW equals torch.optim.AdamW", "[golden]", float, double) {
  using T = TestType;
  Exec exec({.num_threads = 1});
  const OpCase<T> golden("adamw");
  const std::vector<double> rates = golden.info()["rates"];
  Tensor<T, 1> weight = golden.template input<1>("weight");
  Tensor<T, 1> moment1 = zeros_like(weight), moment2 = zeros_like(weight);
  AdamWStep update;
  update.weight_decay = golden.info()["weight_decay"];
  update.gradient_scale = golden.info()["gradient_scale"];
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const Tensor<T, 1> gradient = golden.template input<1>(concat("gradient_", i));
    update.learning_rate = rates[i];
    update.step = static_cast<std::int64_t>(i) + 1;
    adamw_update<T>(exec, weight, moment1, moment2, gradient, update);
  }
  golden.check("updated", weight);
  golden.check("moment1", moment1);
  golden.check("moment2", moment2);
}

}  // namespace minimoe::test
