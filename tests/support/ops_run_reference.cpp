// SPDX-License-Identifier: Apache-2.0
#include "support/ops_run.hpp"
#include "support/reference_ops.hpp"
#include "support/test_tensors.hpp"

namespace minimoe::test {

using reference::Values;

std::vector<NamedValues> run_reference_ops(const OpsShape& s, bool float_inputs) {
  const std::size_t B = s.batch_size, S = s.seq_len, tokens = B * S, D = s.d_model, F = s.d_ff, V = s.vocab_size;
  const std::size_t H = s.num_heads, G = s.num_kv_heads, d = s.head_dim, width = (H + 2 * G) * d;
  std::vector<NamedValues> out;
  const auto keep = [&out](const char* name, const Values& v) { out.push_back({name, v}); };
  const auto random = [&](std::size_t size, const char* name, double scale = 1) {
    return float_inputs ? values(random_tensor<float, 1>({size}, name, scale))
                        : values(random_tensor<double, 1>({size}, name, scale));
  };
  const auto each = [](const Values& a, auto f) {
    Values y(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) y[i] = f(i);
    return y;
  };
  const auto slope = [](auto f, double v) {  // Richardson's central difference
    const double h = 1e-3;
    const auto difference = [&](double by) { return (f(v + by) - f(v - by)) / (2 * by); };
    const double a = difference(h), b = difference(h / 2), c = difference(h / 4);
    const double ab = (4 * b - a) / 3, bc = (4 * c - b) / 3;
    return (16 * bc - ab) / 15;
  };

  const Values x = random(tokens * D, "x"), d_y = random(tokens * D, "d_y");
  const Values wide = random(tokens * F, "wide"), d_wide = random(tokens * F, "d_wide");
  const Values weight = random(D, "weight"), bias = random(D, "bias");
  {
    const Values matrix = random(F * D, "matrix");
    const auto g = reference::linear_backward(d_wide, x, matrix, tokens, D, F);
    keep("linear y", reference::linear(x, matrix, random(F, "bias_F"), tokens, D, F));
    keep("linear d_x", g.d_x), keep("linear d_weight", g.d_weight), keep("linear d_bias", g.d_bias);
  }
  const Values up = random(tokens * F, "up");
  for (const auto f : {reference::gelu_tanh, reference::gelu_erf, reference::silu}) {
    const char* name = f == reference::silu ? "silu" : "gelu";
    keep((std::string(name) + " y").c_str(), each(wide, [&](std::size_t i) { return f(wide[i]); }));
    keep((std::string(name) + " d_x").c_str(),
         each(wide, [&](std::size_t i) { return d_wide[i] * slope(f, wide[i]); }));
  }
  const Values swiglu = each(wide, [&](std::size_t i) { return reference::silu(wide[i]) * up[i]; });
  keep("swiglu y", swiglu);
  keep("swiglu d_gate", each(wide, [&](std::size_t i) { return d_wide[i] * up[i] * slope(reference::silu, wide[i]); }));
  keep("swiglu d_up", each(wide, [&](std::size_t i) { return d_wide[i] * reference::silu(wide[i]); }));
  keep("add y", each(wide, [&](std::size_t i) { return swiglu[i] + wide[i]; }));
  const Values probs = reference::softmax(wide, tokens, F);
  keep("softmax y", probs), keep("softmax d_x", reference::softmax_backward(d_wide, probs, tokens, F));
  for (const bool centered : {true, false}) {
    const auto f = reference::norm(x, weight, centered ? bias : Values{}, tokens, D, 1e-5, centered);
    const auto g = reference::norm_backward(d_y, f, weight, tokens, D, centered);
    const char* name = centered ? "layer_norm" : "rms_norm";
    const auto keep_as = [&](const char* what, const Values& v) { keep((std::string(name) + what).c_str(), v); };
    keep_as(" y", f.y);
    if (centered) keep_as(" mean", f.mean);
    keep_as(" rstd", f.rstd), keep_as(" d_x", g.d_x), keep_as(" d_weight", g.d_weight);
    if (centered) keep_as(" d_bias", g.d_bias);
  }
  const Values qkv = random(tokens * width, "qkv"), d_qkv = random(tokens * width, "d_qkv");
  {
    const std::size_t first = 1, heads = H + G - first;
    const Values head_weight = random(d, "head_weight");
    Values y = qkv, d_x = d_qkv, slices, d_slices;
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t i = 0; i < heads * d; ++i) {
        slices.push_back(qkv[t * width + first * d + i]);
        d_slices.push_back(d_qkv[t * width + first * d + i]);
      }
    const auto f = reference::norm(slices, head_weight, {}, tokens * heads, d, 1e-5, false);
    const auto g = reference::norm_backward(d_slices, f, head_weight, tokens * heads, d, false);
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t i = 0; i < heads * d; ++i) {
        y[t * width + first * d + i] = f.y[t * heads * d + i];
        d_x[t * width + first * d + i] = g.d_x[t * heads * d + i];
      }
    keep("head_rms_norm y", y), keep("head_rms_norm d_x", d_x), keep("head_rms_norm d_weight", g.d_weight);
  }
  for (const bool interleaved : {false, true}) {
    Values turned = qkv, back = qkv;
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t h = 0; h < H + G; ++h) {
        reference::rotate(&turned[t * width + h * d], d, t % S, 10000, interleaved);
        reference::rotate(&back[t * width + h * d], d, t % S, 10000, interleaved, -1);
      }
    keep("rope x", turned), keep("rope d_x", back);
  }
  const auto attention = reference::attention(qkv, random(tokens * H * d, "d_attention"), B, S, H, G, d);
  keep("attention y", attention.y), keep("attention lse", attention.lse), keep("attention d_qkv", attention.d_qkv);
  {
    const auto ids = random_ids(tokens, V, "ids");
    const Values table = random(V * D, "table"), positions = random((S + 2) * D, "positions");
    Values d_table(V * D, 0.0), d_positions((S + 2) * D, 0.0);
    const auto row = [&](std::size_t i) { return static_cast<std::size_t>(ids[i / D]) * D + i % D; };
    const auto position = [&](std::size_t i) { return i / D % S * D + i % D; };
    for (std::size_t i = 0; i < tokens * D; ++i) d_table[row(i)] += d_y[i], d_positions[position(i)] += d_y[i];
    keep("embedding y", each(x, [&](std::size_t i) { return table[row(i)] + positions[position(i)]; }));
    keep("embedding d_weight", d_table), keep("position d_weight", d_positions);
    const auto targets = random_targets(tokens, V);
    const auto loss = reference::cross_entropy(random(tokens * V, "logits", 3), targets, V, 0.25);
    double count = 0;
    for (const std::int32_t target : targets) count += target != -100;
    keep("cross_entropy loss", {loss.loss, count}), keep("cross_entropy lse", loss.lse);
    keep("cross_entropy d_logits", loss.d_logits);
  }
  Values w = wide, m(w.size(), 0.0), v(w.size(), 0.0);
  for (int step = 1; step <= 3; ++step)
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = 0.5 * d_wide[i];
      w[i] -= 1e-3 * 0.1 * w[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.95 * v[i] + 0.05 * g * g;
      w[i] -= 1e-3 * (m[i] / (1 - std::pow(0.9, step))) / (std::sqrt(v[i] / (1 - std::pow(0.95, step))) + 1e-8);
    }
  keep("adamw weight", w), keep("adamw moment1", m), keep("adamw moment2", v);
  double squares = 0;
  for (const double value : wide) squares += value * value;
  keep("sum_of_squares", {squares});
  return out;
}

}  // namespace minimoe::test
