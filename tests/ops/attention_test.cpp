// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/attention.hpp"

#include "support/catch.hpp"
#include "support/gradient_check.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

template <class T>
struct Run {
  Tensor<T, 2> y, lse, d_qkv;
};

template <class T>
Tensor<T, 2> scratch_of(const Exec& exec, const AttentionShape& shape) {
  return make_tensor<T, 2>({static_cast<std::size_t>(exec.num_threads()), attention_scratch_size(shape)});
}

template <class T>
Run<T> attend(Exec& exec, const Tensor<T, 2>& qkv, const AttentionShape& shape) {
  Tensor<T, 2> scratch = scratch_of<T>(exec, shape);
  std::fill_n(scratch.data(), scratch.size(), std::numeric_limits<T>::quiet_NaN());  // nobody may read what it holds
  const std::size_t tokens = shape.num_tokens();
  Run<T> run{make_tensor<T, 2>({tokens, shape.width()}), make_tensor<T, 2>({tokens, shape.num_heads}), qkv};
  causal_attention_forward<T>(exec, run.y, run.lse, qkv, shape, scratch);
  const Tensor<T, 2> d_y = random_tensor<T, 2>({tokens, shape.width()}, "d_y");
  causal_attention_backward<T>(exec, run.d_qkv, d_y, run.y, run.lse, qkv, shape, scratch);
  return run;
}

}  // namespace

TEST_CASE("attention: two tokens, scores ln 3 apart: the second reads a quarter of one value and three of the other",
          "[ops][attention]") {
  Exec exec;
  const AttentionShape shape{1, 2, 1, 1, 1};
  Tensor<double, 2> qkv = make_tensor<double, 2>({2, 3});
  qkv(0, 2) = 8, qkv(1, 2) = 16;             // values
  qkv(1, 0) = 1, qkv(1, 1) = std::log(3.0);  // query and key of token 1; token 0's are 0
  const Run<double> run = attend(exec, qkv, shape);
  CHECK(run.y(0, 0) == 8);
  CHECK(run.y(1, 0) == Approx(14).epsilon(1e-15));
  CHECK(run.lse(0, 0) == 0);
  CHECK(run.lse(1, 0) == Approx(std::log(4.0)).epsilon(1e-15));
}

TEST_CASE("attention: gradients equal central differences, with grouped heads and across tiles",
          "[ops][attention][gradient]") {
  Exec exec;
  for (const AttentionShape& shape : {AttentionShape{2, 5, 2, 2, 3}, AttentionShape{1, 35, 2, 1, 4}}) {
    Tensor<double, 2> qkv = random_tensor<double, 2>({shape.num_tokens(), shape.qkv_width()}, "qkv");
    const Run<double> run = attend(exec, qkv, shape);
    Tensor<double, 2> y = run.y, scratch = scratch_of<double>(exec, shape);
    const Tensor<double, 2> d_y = random_tensor<double, 2>({shape.num_tokens(), shape.width()}, "d_y");
    CHECK_GRADIENT(qkv, run.d_qkv, [&] {
      causal_attention_forward<double>(exec, y, {}, qkv, shape, scratch);
      return weighted_sum(y, d_y);
    });
  }
}

TEMPLATE_TEST_CASE("attention: what comes later, or in another sequence, changes no bit", "[ops][attention]", float,
                   double) {
  using T = TestType;
  for (const InstructionSet set : available_instruction_sets()) {
    ExecOptions options;
    options.instruction_set = set;
    Exec exec(options);
    INFO(instruction_set_name(set));
    for (const std::size_t head_dim : {8, 16, 40}) {
      const AttentionShape shape{2, 70, 2, 1, head_dim};
      const Tensor<T, 2> qkv = random_tensor<T, 2>({140, shape.qkv_width()}, "qkv");
      const Run<T> base = attend(exec, qkv, shape);
      for (const std::size_t t : {0, 1, 22, 23, 24, 30, 31, 32, 47, 62, 63, 64, 68}) {
        Tensor<T, 2> changed = qkv;
        for (std::size_t i = (t + 1) * shape.qkv_width(); i < changed.size(); ++i) changed.data()[i] *= T(-3);
        const Run<T> run = attend(exec, changed, shape);
        CHECK(std::memcmp(run.y.data(), base.y.data(), (t + 1) * shape.width() * sizeof(T)) == 0);
        CHECK(std::memcmp(run.lse.data(), base.lse.data(), (t + 1) * 2 * sizeof(T)) == 0);

        // A shorter sequence that ends here.
        const AttentionShape prefix{1, t + 1, 2, 1, head_dim};
        Tensor<T, 2> qkv_prefix = make_tensor<T, 2>({t + 1, shape.qkv_width()});
        std::copy_n(qkv.data(), qkv_prefix.size(), qkv_prefix.data());
        const Run<T> alone = attend(exec, qkv_prefix, prefix);
        CHECK(std::memcmp(alone.y.data(), base.y.data(), alone.y.size() * sizeof(T)) == 0);
      }
    }
  }
}

TEST_CASE("attention: grouped heads equal full heads with the keys and values repeated", "[ops][attention]") {
  Exec exec;
  constexpr std::size_t kH = 4, kG = 2, kDim = 8, kS = 30;
  const AttentionShape grouped{1, kS, kH, kG, kDim}, full{1, kS, kH, kH, kDim};
  const Tensor<float, 2> qkv = random_tensor<float, 2>({kS, grouped.qkv_width()}, "qkv");
  Tensor<float, 2> repeated = make_tensor<float, 2>({kS, full.qkv_width()});
  const auto source = [](std::size_t column) {
    const std::size_t head = column / kDim, i = column % kDim;
    if (head < kH) return column;
    const std::size_t value = head >= 2 * kH, of = (head - kH) % kH;
    return (kH + value * kG + of / (kH / kG)) * kDim + i;
  };
  for (std::size_t t = 0; t < kS; ++t)
    for (std::size_t j = 0; j < full.qkv_width(); ++j) repeated(t, j) = qkv(t, source(j));
  const Run<float> a = attend(exec, qkv, grouped), b = attend(exec, repeated, full);
  CHECK(same_bits(a.y, b.y));
  CHECK(same_bits(a.lse, b.lse));
  Tensor<float, 2> summed = make_tensor<float, 2>({kS, grouped.qkv_width()});
  for (std::size_t t = 0; t < kS; ++t)
    for (std::size_t j = 0; j < full.qkv_width(); ++j) summed(t, source(j)) += b.d_qkv(t, j);
  CHECK(relative_error(values(a.d_qkv), values(summed)) < 1e-6);
}

TEMPLATE_TEST_CASE("attention: scores too large for exp still give the value of the best key", "[ops][attention]",
                   float, double) {
  using T = TestType;
  Exec exec;
  const AttentionShape shape{1, 40, 1, 1, 1};
  Tensor<T, 2> qkv = make_tensor<T, 2>({40, 3});
  for (std::size_t t = 0; t < 40; ++t) qkv(t, 0) = 1000, qkv(t, 1) = static_cast<T>(t), qkv(t, 2) = static_cast<T>(t);
  const Run<T> run = attend(exec, qkv, shape);
  for (std::size_t t = 0; t < 40; ++t) {
    CHECK(run.y(t, 0) == static_cast<T>(t));
    CHECK(run.lse(t, 0) == static_cast<T>(1000 * t));
  }
}

TEST_CASE("attention: bad shapes are refused with what came and what was expected", "[ops][attention]") {
  ExecOptions options;
  options.num_threads = 1;
  Exec exec(options);
  const AttentionShape shape{1, 2, 2, 1, 4};
  Tensor<float, 2> qkv = make_tensor<float, 2>({2, 16}), y = make_tensor<float, 2>({2, 8}),
                   small = make_tensor<float, 2>({1, 5});
  Tensor<float, 2> scratch = scratch_of<float>(exec, shape), lse = make_tensor<float, 2>({2, 2});
  CHECK_THROWS_WITH(causal_attention_forward<float>(exec, y, {}, y, shape, scratch),
                    "causal_attention_forward: qkv is [2, 8], expected [2, 16]");
  CHECK_THROWS_WITH(causal_attention_forward<float>(exec, y, y, qkv, shape, scratch),
                    "causal_attention_forward: lse is [2, 8], expected [2, 2]");
  CHECK_THROWS_WITH(causal_attention_backward<float>(exec, y, y, y, lse, qkv, shape, scratch),
                    "causal_attention_backward: d_qkv is [2, 8], expected [2, 16]");
  CHECK_THROWS_WITH(causal_attention_forward<float>(exec, y, {}, qkv, shape, small),
                    "causal_attention_forward: scratch is [1, 5], expected at least [1, " +
                        std::to_string(attention_scratch_size(shape)) + "]");
  CHECK_THROWS_WITH(
      causal_attention_forward<float>(exec, y, {}, qkv, AttentionShape{1, 2, 3, 2, 4}, scratch),
      "causal_attention_forward: batch_size 1, seq_len 2, num_heads 3, num_kv_heads 2, head_dim 4; expected "
      "positive sizes and num_heads a multiple of num_kv_heads");
}
