// SPDX-License-Identifier: Apache-2.0
// What holds for every op alike: it equals plain loops, and its bits do not depend on the number of threads.
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
