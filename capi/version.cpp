// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "arguments.hpp"
#include "core/json_writer.hpp"
#include "minimoe/core/exec.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace minimoe::capi {
namespace {

struct Version {
  std::int32_t major, minor, patch;
  explicit Version(std::int32_t number) : major(number / 1000000), minor(number / 1000 % 1000), patch(number % 1000) {}
  std::string text() const { return concat(major, ".", minor, ".", patch); }
};

// The processor's own name for itself, "" where it has none.
std::string cpu_name() {
  std::string name;
#if defined(__x86_64__)
  constexpr unsigned kFirst = 0x80000002, kLast = 0x80000004;
  unsigned words[4];
  if (unsigned(__get_cpuid_max(0x80000000, nullptr)) < kLast) return name;
  for (unsigned leaf = kFirst; leaf <= kLast; ++leaf) {
    __get_cpuid(leaf, &words[0], &words[1], &words[2], &words[3]);
    name.append(reinterpret_cast<const char*>(words), sizeof(words));
  }
  name.resize(std::min(name.find('\0'), name.size()));
  name.erase(name.find_last_not_of(' ') + 1);
  name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
#endif
  return name;
}

std::string build_info() {
#ifdef __clang__
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
  std::vector<std::string> sets, backends = {"native"};
  for (const InstructionSet set : available_instruction_sets()) sets.push_back(instruction_set_name(set));
#if defined(MINIMOE_WITH_BLAS)
  backends.push_back("blas");
#endif
  JsonWriter out;
  out.begin('{').member("version", minimoe_version_string()).member("compiler", compiler);
  out.member("build_type", MINIMOE_BUILD_TYPE).member("matmul_backends", backends).member("cpu", cpu_name());
  out.member("num_cores", Exec::resolved_num_threads({})).member("instruction_sets", sets);
  return out.end('}').text();
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

int32_t minimoe_version_number(void) { return MINIMOE_VERSION_NUMBER; }

const char* minimoe_version_string(void) { return MINIMOE_VERSION_TEXT; }

minimoe_status minimoe_check_version(int32_t header_version, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Version header(header_version), library(MINIMOE_VERSION_NUMBER);
    const bool same = header.major == library.major && (library.major > 0 || header.minor == library.minor);
    if (header_version < 0 || !same || header_version > MINIMOE_VERSION_NUMBER) {
      fail(MINIMOE_E_VERSION, where, ": the program was compiled for version ", header.text(), ", the library is ",
           library.text());
    }
  });
}

const char* minimoe_status_name(int32_t code) {
  switch (code) {
#define MINIMOE_NAME(status) \
  case status:               \
    return #status
    MINIMOE_NAME(MINIMOE_OK);
    MINIMOE_NAME(MINIMOE_E_INVALID_ARGUMENT);
    MINIMOE_NAME(MINIMOE_E_OUT_OF_MEMORY);
    MINIMOE_NAME(MINIMOE_E_IO);
    MINIMOE_NAME(MINIMOE_E_CORRUPT_FILE);
    MINIMOE_NAME(MINIMOE_E_NON_FINITE);
    MINIMOE_NAME(MINIMOE_E_UNSUPPORTED);
    MINIMOE_NAME(MINIMOE_E_INTERNAL);
    MINIMOE_NAME(MINIMOE_E_SHAPE);
    MINIMOE_NAME(MINIMOE_E_BUFFER_TOO_SMALL);
    MINIMOE_NAME(MINIMOE_E_BUSY);
    MINIMOE_NAME(MINIMOE_E_CANCELLED);
    MINIMOE_NAME(MINIMOE_E_FORKED);
    MINIMOE_NAME(MINIMOE_E_VERSION);
#undef MINIMOE_NAME
    default:
      return "MINIMOE_E_?";
  }
}

minimoe_status minimoe_build_info(char* buf, size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err,
                 [&](const char* where) { TextOutput(where, buf, buf_cap, buf_needed).write(build_info()); });
}
