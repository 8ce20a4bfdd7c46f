// SPDX-License-Identifier: Apache-2.0
// What holds for every op alike: it equals plain loops, and its bits do not depend on the number of threads.
#include "minimoe/ops/activation.hpp"
#include "minimoe/ops/adamw.hpp"
#include "minimoe/ops/attention.hpp"
#include "minimoe/ops/cross_entropy.hpp"
#include "minimoe/ops/embedding.hpp"
#include "minimoe/ops/linear.hpp"
#include "minimoe/ops/norm.hpp"
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/ops_run.hpp"
#include "support/test_tensors.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

ExecOptions options(int num_threads, InstructionSet set = InstructionSet::kAuto) {
  ExecOptions result;
  result.num_threads = num_threads;
  result.instruction_set = set;
  return result;
}

// One token; odd sizes; several tiles and blocks with grouped heads; a head wider than a vector.
const OpsShape kShapes[] = {{1, 1, 3, 1, 2, 1, 1, 2},
                            {2, 7, 5, 19, 11, 3, 1, 6},
                            {3, 75, 37, 50, 130, 4, 2, 16},
                            {1, 129, 64, 33, 9, 2, 2, 40}};

}  // namespace

TEMPLATE_TEST_CASE("ops: forward and backward equal plain loops on every instruction set", "[ops][oracle]", float,
                   double) {
  for (const OpsShape& shape : kShapes) {
    const std::vector<NamedValues> expected = run_reference_ops(shape, sizeof(TestType) == 4);
    for (const InstructionSet set : available_instruction_sets()) {
      Exec exec(options(1, set));
      const std::vector<NamedValues> got = run_ops<TestType>(exec, shape);
      REQUIRE(got.size() == expected.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        INFO(got[i].name << " on " << instruction_set_name(set) << ", seq_len " << shape.seq_len);
        REQUIRE(got[i].name == expected[i].name);
        // The slopes of the activations come from differences in the oracle.
        const bool differenced = got[i].name.find("lu d_x") != std::string::npos || got[i].name == "swiglu d_gate";
        CHECK(relative_error(got[i].values, expected[i].values) <
              (differenced ? std::max(1e-11, kOracleError<TestType>) : kOracleError<TestType>));
      }
    }
  }
}

TEMPLATE_TEST_CASE("ops: the same bits come out for 1, 2, 3 and 8 threads", "[ops][threads]", float, double) {
  const OpsShape shape{5, 70, 80, 150, 90, 4, 2, 16};
  Exec one(options(1));
  const std::vector<NamedValues> expected = run_ops<TestType>(one, shape);
  for (const int num_threads : {2, 3, 8}) {
    Exec exec(options(num_threads));
    const std::vector<NamedValues> got = run_ops<TestType>(exec, shape);
    for (std::size_t i = 0; i < got.size(); ++i) {
      INFO(got[i].name << " with " << num_threads << " threads");
      CHECK(same_bits(got[i].values, expected[i].values));
    }
  }
}

TEST_CASE("ops: nothing is allocated after the first call", "[ops][memory]") {
  Exec exec(options(2));
  const AttentionShape shape{4, 64, 2, 1, 16};
  const std::size_t tokens = shape.num_tokens(), D = 64;
  const std::vector<std::int32_t> ids = random_ids(tokens, 64, "ids");
  const View<const std::int32_t, 1> id_view(ids.data(), {tokens});
  const Tensor<float, 2> square = random_tensor<float, 2>({D, D}, "square");
  const Tensor<float, 1> weight = random_tensor<float, 1>({D}, "weight");
  Tensor<float, 2> x = random_tensor<float, 2>({tokens, D}, "x"), y = x, d_square = square, m1 = square, m2 = square;
  Tensor<float, 2> attended = random_tensor<float, 2>({tokens, shape.width()}, "attended");
  Tensor<float, 2> lse = random_tensor<float, 2>({tokens, 2}, "lse");
  Tensor<float, 2> scratch = make_tensor<float, 2>({2, attention_scratch_size(shape)});
  Tensor<float, 1> d_weight = weight, d_bias = weight, mean = make_tensor<float, 1>({tokens}), rstd = mean;
  const auto flat = [](Tensor<float, 2>& tensor) { return View<float, 2>(tensor).flat(); };
  std::uint64_t before = 0;
  for (int call = 0; call < 2; ++call) {
    before = minimoe_test::num_allocations();
    token_embedding_forward<float>(exec, x, id_view, square);
    token_embedding_backward<float>(exec, d_square, x, id_view);
    layer_norm_forward<float>(exec, y, mean, rstd, x, weight, weight, 1e-5);
    layer_norm_backward<float>(exec, y, d_weight, d_bias, x, x, weight, mean, rstd);
    linear_forward<float>(exec, y, x, square, weight);
    linear_backward<float>(exec, y, d_square, d_bias, x, x, square);
    gelu_forward<float>(exec, flat(y), flat(x), Gelu::kTanh);
    causal_attention_forward<float>(exec, attended, lse, y, shape, scratch);
    causal_attention_backward<float>(exec, y, attended, attended, lse, x, shape, scratch);
    cross_entropy_forward<float>(exec, mean, x, id_view);
    cross_entropy_backward<float>(exec, y, x, mean, id_view, 1);
    adamw_update<float>(exec, flat(d_square), flat(m1), flat(m2), View<const float, 2>(square).flat(), {});
    sum_of_squares<float>(exec, flat(x));
  }
  CHECK(minimoe_test::num_allocations() == before);
}
