// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "capi/small_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using minimoe_test::SmallRun;
using minimoe_test::TemporaryDirectory;

TEST_CASE("capi trainer: evaluating a split that the data does not have names those that it has", "[capi]") {
  SmallRun run;
  REQUIRE(run.create());
  minimoe_evaluation evaluation{};
  const auto refused = [&](const char* split) {
    CHECK(minimoe_trainer_evaluate(run.trainer, split, 0, nullptr, &evaluation, sizeof(evaluation), &run.error) ==
          MINIMOE_E_INVALID_ARGUMENT);
    return std::string(run.error.message);
  };
  CHECK(refused("held-out-verbs") ==
        "minimoe_trainer_evaluate: memory has no split held-out-verbs to evaluate, it has val");
  CHECK(refused("held-out-combinations") ==
        "minimoe_trainer_evaluate: memory has no split held-out-combinations to evaluate, it has val");
  CHECK(evaluation.struct_size == 0);
  CHECK(minimoe_trainer_evaluate(run.trainer, "val", 0, nullptr, &evaluation, sizeof(evaluation), &run.error) ==
        MINIMOE_OK);
}

TEST_CASE("capi trainer: a file of another model is MINIMOE_E_SHAPE, a damaged one MINIMOE_E_CORRUPT_FILE", "[capi]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("c.safetensors"), cut = directory.file("cut.safetensors");
  SmallRun run, wider;
  REQUIRE(run.create());
  REQUIRE(minimoe_trainer_save(run.trainer, path.c_str(), &run.error) == MINIMOE_OK);
  const std::string content = minimoe_test::read_file(path);
  minimoe_test::write_file(cut, content.substr(0, content.size() - 4));
  std::string other = minimoe_test::kSmallRun;
  other.replace(other.find("\"d_model\":8"), 11, "\"d_model\":16");
  REQUIRE(wider.create(other.c_str()));
  const auto weights = wider.weights();

  CHECK(minimoe_model_load_weights(wider.model, path.c_str(), nullptr) == MINIMOE_E_SHAPE);
  CHECK(minimoe_trainer_resume(wider.trainer, path.c_str(), &wider.error) == MINIMOE_E_SHAPE);
  CHECK(std::string(wider.error.message).find("model.d_model: 8 in the checkpoint, 16 here") != std::string::npos);
  for (SmallRun* any : {&run, &wider}) {
    CHECK(minimoe_model_load_weights(any->model, cut.c_str(), nullptr) == MINIMOE_E_CORRUPT_FILE);
    CHECK(minimoe_trainer_resume(any->trainer, cut.c_str(), nullptr) == MINIMOE_E_CORRUPT_FILE);
  }
  CHECK(wider.weights() == weights);
}
