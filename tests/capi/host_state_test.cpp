// SPDX-License-Identifier: Apache-2.0
// The library changes nothing of its host's.
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include <cfenv>
#include <cstdio>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "capi/small_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace minimoe_test;

extern char** environ;

namespace {

std::set<std::string> entries(const char* directory) {
  std::set<std::string> names;
  DIR* open = opendir(directory);
  while (const dirent* entry = readdir(open)) names.insert(entry->d_name);
  names.erase(std::to_string(dirfd(open)));
  closedir(open);
  return names;
}

// Everything that a call could disturb, as text.
std::string host_state() {
  std::ostringstream state;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0) continue;
    state << "signal " << signal << ' ' << reinterpret_cast<void*>(action.sa_handler) << ' ' << action.sa_flags << '\n';
  }
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < NSIG; ++signal) state << sigismember(&mask, signal);
  state << "\nrounding " << fegetround() << '\n';
#if defined(__x86_64__)
  state << "mxcsr " << (_mm_getcsr() & ~0x3fu) << '\n';  // without the sticky flags of what was computed
#endif
  state << "locale " << setlocale(LC_ALL, nullptr) << '\n';
  state << "cwd " << std::filesystem::current_path() << '\n';
  for (char** variable = environ; *variable; ++variable) state << *variable << '\n';
  for (const std::string& name : entries("/proc/self/fd")) state << "descriptor " << name << '\n';
  return state.str();
}

// Sends descriptors 1 and 2 to a file while it lives.
class CapturedOutput {
 public:
  explicit CapturedOutput(const std::string& path) {
    std::fflush(nullptr);
    const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    for (int i = 0; i < 2; ++i) {
      saved_[i] = dup(i + 1);
      dup2(file, i + 1);
    }
    close(file);
  }
  ~CapturedOutput() {
    std::fflush(nullptr);
    for (int i = 0; i < 2; ++i) {
      dup2(saved_[i], i + 1);
      close(saved_[i]);
    }
  }
  CapturedOutput(const CapturedOutput&) = delete;
  CapturedOutput& operator=(const CapturedOutput&) = delete;

 private:
  int saved_[2];
};

// Each call of a whole life, good and bad ones; `check` is told the name after each.
template <class Check>
void live(const std::string& path, Check&& check) {
  SmallRun run(3);
  minimoe_error* const err = &run.error;
  char text[65536];
  const auto did = [&](const char* what, minimoe_status status, minimoe_status expected = MINIMOE_OK) {
    check(what, status == expected);
  };
  did("build_info", minimoe_build_info(text, sizeof(text), nullptr, err));
  did("config_keys", minimoe_config_keys(text, sizeof(text), nullptr, err));
  did("config_preset", minimoe_config_preset("lab", text, sizeof(text), nullptr, err));
  did("config_preset", minimoe_config_preset("laboratory", text, sizeof(text), nullptr, err),
      MINIMOE_E_INVALID_ARGUMENT);
  check("create", run.create());
  did("trainer_steps", run.steps(3));
  minimoe_evaluation evaluation;
  did("trainer_evaluate",
      minimoe_trainer_evaluate(run.trainer, "val", 0, nullptr, &evaluation, sizeof(evaluation), err));
  did("trainer_routing", minimoe_trainer_routing(run.trainer, MINIMOE_ROUTING_STEP, text, sizeof(text), nullptr, err));
  did("trainer_save", minimoe_trainer_save(run.trainer, path.c_str(), err));
  did("trainer_save", minimoe_trainer_save(run.trainer, (path + "/no/such").c_str(), err), MINIMOE_E_IO);
  did("trainer_resume", minimoe_trainer_resume(run.trainer, path.c_str(), err));
  minimoe_model* loaded = nullptr;
  did("model_load", minimoe_model_load(path.c_str(), &run.options, &loaded, err));
  const std::int32_t prompt = 3;
  std::int32_t ids[64];
  did("model_generate", minimoe_model_generate(loaded, &prompt, 1, nullptr, 0, nullptr, ids, 64, nullptr, err));
  minimoe_model_free(loaded);
  check("model_free", true);
  minimoe_moe_layer* layer = nullptr;
  did("moe_layer_create", minimoe_moe_layer_create(kSmallRun, std::strlen(kSmallRun), &run.options, &layer, err));
  const std::vector<float> x(16, 0.5f);
  float y[16];
  did("moe_layer_infer", minimoe_moe_layer_infer(layer, x.data(), 16, nullptr, 0, y, 16, nullptr, err));
  minimoe_moe_layer_free(layer);
  minimoe_dataset* grammar = nullptr;
  did("dataset_open", minimoe_dataset_open(nullptr, 0, nullptr, &grammar, err));
  did("dataset_info", minimoe_dataset_info(grammar, text, sizeof(text), nullptr, err));
  minimoe_dataset_free(grammar);
  run.free();
  check("free", true);
}

}  // namespace

TEST_CASE("capi: the host's state is the same after every call, and nothing is printed", "[capi]") {
  TemporaryDirectory directory;
  const std::string output = directory.file("output");
  std::vector<std::string> failed, disturbed;
  std::size_t num_calls = 0;
  {
    const CapturedOutput captured(output);
    // A host with settings of its own: they are to survive, too.
    struct sigaction ignore {
    }, before{};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGUSR1, &ignore, &before);
    setlocale(LC_ALL, "C.UTF-8");
#if defined(__x86_64__)
    const unsigned control = _mm_getcsr();
    _mm_setcsr(control | 0x8040);  // flush denormals
#endif
    const std::string at_start = host_state();
    live(directory.file("run.safetensors"), [&](const char* what, bool as_expected) {
      ++num_calls;
      if (!as_expected) failed.push_back(what);
      if (host_state() != at_start) disturbed.push_back(what);
    });
#if defined(__x86_64__)
    _mm_setcsr(control);
#endif
    setlocale(LC_ALL, "C");
    sigaction(SIGUSR1, &before, nullptr);
  }
  CHECK(failed == std::vector<std::string>());
  CHECK(disturbed == std::vector<std::string>());
  CHECK(num_calls > 15);
  CHECK(std::filesystem::file_size(output) == 0);
}

TEST_CASE("capi: the threads of handles end with them", "[capi]") {
  const std::size_t before = entries("/proc/self/task").size();
  {
    SmallRun run(4);
    REQUIRE(run.create());
    REQUIRE(run.steps(1) == MINIMOE_OK);
    CHECK(entries("/proc/self/task").size() == before + 3);
  }
  CHECK(entries("/proc/self/task").size() == before);
}
