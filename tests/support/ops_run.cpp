// SPDX-License-Identifier: Apache-2.0
#include "support/ops_run.hpp"

#include "minimoe/ops/activation.hpp"
#include "minimoe/ops/adamw.hpp"
#include "minimoe/ops/attention.hpp"
#include "minimoe/ops/cross_entropy.hpp"
#include "minimoe/ops/embedding.hpp"
#include "minimoe/ops/linear.hpp"
#include "minimoe/ops/norm.hpp"
#include "minimoe/ops/residual.hpp"
#include "minimoe/ops/rope.hpp"
#include "minimoe/ops/softmax.hpp"
#include "support/test_tensors.hpp"

namespace minimoe::test {
namespace {

template <class T, std::size_t N>
View<T, 1> flat(Tensor<T, N>& tensor) {
  return View<T, N>(tensor).flat();
}

}  // namespace

std::vector<std::int32_t> random_ids(std::size_t count, std::size_t bound, const std::string& name) {
  std::vector<std::int32_t> ids(count);
  const RandomStream stream(36000, name);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int32_t>(stream.below(i, bound));
  return ids;
}

std::vector<std::int32_t> random_targets(std::size_t count, std::size_t bound) {
  std::vector<std::int32_t> targets = random_ids(count, bound, "targets");
  for (std::size_t i = 3; i < count; i += 5) targets[i] = -100;
  return targets;
}

template <class T>
std::vector<NamedValues> run_ops(Exec& exec, const OpsShape& s) {
  const std::size_t tokens = s.batch_size * s.seq_len, D = s.d_model, F = s.d_ff, V = s.vocab_size;
  std::vector<NamedValues> out;
  const auto keep = [&out](const char* name, const auto& tensor) { out.push_back({name, values(tensor)}); };

  const Tensor<T, 2> x = random_tensor<T, 2>({tokens, D}, "x"), d_y = random_tensor<T, 2>({tokens, D}, "d_y");
  const Tensor<T, 2> wide = random_tensor<T, 2>({tokens, F}, "wide"),
                     d_wide = random_tensor<T, 2>({tokens, F}, "d_wide");
  const Tensor<T, 1> weight = random_tensor<T, 1>({D}, "weight"), bias = random_tensor<T, 1>({D}, "bias");
  {
    const Tensor<T, 2> matrix = random_tensor<T, 2>({F, D}, "matrix");
    const Tensor<T, 1> bias_F = random_tensor<T, 1>({F}, "bias_F");
    Tensor<T, 2> y = make_tensor<T, 2>({tokens, F}), d_x = make_tensor<T, 2>({tokens, D}),
                 d_w = make_tensor<T, 2>({F, D});
    Tensor<T, 1> d_b = make_tensor<T, 1>({F});
    linear_forward<T>(exec, y, x, matrix, bias_F);
    linear_backward<T>(exec, d_x, d_w, d_b, d_wide, x, matrix);
    keep("linear y", y), keep("linear d_x", d_x), keep("linear d_weight", d_w), keep("linear d_bias", d_b);
  }
  {
    const Tensor<T, 2> up = random_tensor<T, 2>({tokens, F}, "up");
    Tensor<T, 2> y = make_tensor<T, 2>({tokens, F}), d_x = y, d_up = y;
    const View<const T, 1> in = View<const T, 2>(wide).flat(), d_out = View<const T, 2>(d_wide).flat();
    for (const Gelu kind : {Gelu::kTanh, Gelu::kErf}) {
      gelu_forward<T>(exec, flat(y), in, kind);
      gelu_backward<T>(exec, flat(d_x), d_out, in, kind);
      keep("gelu y", y), keep("gelu d_x", d_x);
    }
    silu_forward<T>(exec, flat(y), in);
    silu_backward<T>(exec, flat(d_x), d_out, in);
    keep("silu y", y), keep("silu d_x", d_x);
    swiglu_forward<T>(exec, flat(y), in, View<const T, 2>(up).flat());
    swiglu_backward<T>(exec, flat(d_x), flat(d_up), d_out, in, View<const T, 2>(up).flat());
    keep("swiglu y", y), keep("swiglu d_gate", d_x), keep("swiglu d_up", d_up);
    add_inplace<T>(exec, flat(y), in);
    keep("add y", y);
    softmax_forward<T>(exec, y, wide);
    softmax_backward<T>(exec, d_x, d_wide, y);
    keep("softmax y", y), keep("softmax d_x", d_x);
  }
  {
    Tensor<T, 2> y = make_tensor<T, 2>({tokens, D}), d_x = y;
    Tensor<T, 1> mean = make_tensor<T, 1>({tokens}), rstd = mean, d_w = make_tensor<T, 1>({D}), d_b = d_w, d_w2 = d_w;
    layer_norm_forward<T>(exec, y, mean, rstd, x, weight, bias, 1e-5);
    layer_norm_backward<T>(exec, d_x, d_w, d_b, d_y, x, weight, mean, rstd);
    keep("layer_norm y", y), keep("layer_norm mean", mean), keep("layer_norm rstd", rstd), keep("layer_norm d_x", d_x);
    keep("layer_norm d_weight", d_w), keep("layer_norm d_bias", d_b);
    rms_norm_forward<T>(exec, y, rstd, x, weight, 1e-5);
    rms_norm_backward<T>(exec, d_x, d_w2, d_y, x, weight, rstd);
    keep("rms_norm y", y), keep("rms_norm rstd", rstd), keep("rms_norm d_x", d_x), keep("rms_norm d_weight", d_w2);
  }
  const AttentionShape shape{s.batch_size, s.seq_len, s.num_heads, s.num_kv_heads, s.head_dim};
  const std::size_t width = shape.qkv_width(), rotated = s.num_heads + s.num_kv_heads, first_head = 1;
  const Tensor<T, 2> qkv = random_tensor<T, 2>({tokens, width}, "qkv"),
                     d_qkv_in = random_tensor<T, 2>({tokens, width}, "d_qkv");
  {
    const Tensor<T, 1> head_weight = random_tensor<T, 1>({s.head_dim}, "head_weight");
    Tensor<T, 2> y = qkv, d_x = d_qkv_in, rstd = make_tensor<T, 2>({tokens, rotated - first_head});
    Tensor<T, 1> d_w = make_tensor<T, 1>({s.head_dim});
    head_rms_norm_forward<T>(exec, y, rstd, qkv, head_weight, first_head, rotated - first_head, 1e-5);
    head_rms_norm_backward<T>(exec, d_x, d_w, d_x, qkv, head_weight, rstd, first_head, rotated - first_head);
    keep("head_rms_norm y", y), keep("head_rms_norm d_x", d_x), keep("head_rms_norm d_weight", d_w);
  }
  {
    Tensor<T, 2> cos = make_tensor<T, 2>({s.seq_len, s.head_dim / 2}), sin = cos;
    rope_tables<T>(cos, sin, 10000);
    for (const RopePairing pairing : {RopePairing::kHalfSplit, RopePairing::kInterleaved}) {
      Tensor<T, 2> turned = qkv, back = qkv;
      rope_forward<T>(exec, turned, rotated, s.seq_len, cos, sin, pairing);
      rope_backward<T>(exec, back, rotated, s.seq_len, cos, sin, pairing);
      keep("rope x", turned), keep("rope d_x", back);
    }
  }
  {
    const Tensor<T, 2> d_out = random_tensor<T, 2>({tokens, shape.width()}, "d_attention");
    Tensor<T, 2> y = make_tensor<T, 2>({tokens, shape.width()}), lse = make_tensor<T, 2>({tokens, s.num_heads});
    Tensor<T, 2> d_qkv = random_tensor<T, 2>({tokens, width}, "overwritten");
    Tensor<T, 2> scratch =
        make_tensor<T, 2>({static_cast<std::size_t>(exec.num_threads()), attention_scratch_size(shape)});
    causal_attention_forward<T>(exec, y, lse, qkv, shape, scratch);
    causal_attention_backward<T>(exec, d_qkv, d_out, y, lse, qkv, shape, scratch);
    keep("attention y", y), keep("attention lse", lse), keep("attention d_qkv", d_qkv);
  }
  {
    const std::vector<std::int32_t> ids = random_ids(tokens, V, "ids"), targets = random_targets(tokens, V);
    const View<const std::int32_t, 1> id_view(ids.data(), {tokens}), target_view(targets.data(), {tokens});
    const Tensor<T, 2> table = random_tensor<T, 2>({V, D}, "table"),
                       positions = random_tensor<T, 2>({s.seq_len + 2, D}, "positions");
    Tensor<T, 2> y = make_tensor<T, 2>({tokens, D}), d_table = make_tensor<T, 2>({V, D}),
                 d_positions = make_tensor<T, 2>({s.seq_len + 2, D});
    token_embedding_forward<T>(exec, y, id_view, table);
    position_embedding_forward_add<T>(exec, y, positions, s.seq_len);
    token_embedding_backward<T>(exec, d_table, d_y, id_view);
    position_embedding_backward<T>(exec, d_positions, d_y, s.seq_len);
    keep("embedding y", y), keep("embedding d_weight", d_table), keep("position d_weight", d_positions);

    Tensor<T, 2> logits = random_tensor<T, 2>({tokens, V}, "logits", 3);
    Tensor<T, 1> lse = make_tensor<T, 1>({tokens});
    const CrossEntropySum sum = cross_entropy_forward<T>(exec, lse, logits, target_view);
    cross_entropy_backward<T>(exec, logits, logits, lse, target_view, 0.25);
    out.push_back({"cross_entropy loss", {sum.loss, static_cast<double>(sum.num_targets)}});
    keep("cross_entropy lse", lse), keep("cross_entropy d_logits", logits);
  }
  {
    Tensor<T, 2> w = wide, m1 = make_tensor<T, 2>({tokens, F}), m2 = m1;
    AdamWStep step;
    step.weight_decay = 0.1;
    step.gradient_scale = 0.5;
    for (step.step = 1; step.step <= 3; ++step.step) {
      adamw_update<T>(exec, flat(w), flat(m1), flat(m2), View<const T, 2>(d_wide).flat(), step);
    }
    keep("adamw weight", w), keep("adamw moment1", m1), keep("adamw moment2", m2);
    out.push_back({"sum_of_squares", {sum_of_squares<T>(exec, View<const T, 2>(wide).flat())}});
  }
  return out;
}

template std::vector<NamedValues> run_ops<float>(Exec&, const OpsShape&);
template std::vector<NamedValues> run_ops<double>(Exec&, const OpsShape&);

}  // namespace minimoe::test
