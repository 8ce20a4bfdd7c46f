// SPDX-License-Identifier: Apache-2.0
// Calls every function of minimoe.h with every argument, and every pair of arguments, replaced by what a caller can get
// wrong. Usage: argument_test DIRECTORY (to write into)
#include <cstdio>
#include <cstring>
#include <memory>

#include "frame.hpp"

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kPairsTried = 7;  // one in this many of those tried elsewhere, at 15 times the cost of a call
#else
constexpr int kPairsTried = 1;
#endif

struct Report {
  long calls = 0, failures = 0, by_status[MINIMOE_E_VERSION + 1] = {};
};

class Trial {
 public:
  Trial(const Function& function, const std::string& directory, Report& report)
      : function_(function), world_(directory), report_(report), needed_(function.parameters.size(), 0) {}

  void run() {
    if (takes_ownership() || learn_needed()) {
      list_variants();
      singles();
      pairs();
    }
  }

 private:
  // A handle that is freed cannot be given twice: only what must be left alone is tried.
  bool takes_ownership() const {
    const std::size_t length = std::strlen(function_.name);
    return length > 5 && std::strcmp(function_.name + length - 5, "_free") == 0;
  }

  std::vector<Valid> valid() {
    if (function_.before) function_.before(world_);
    return function_.valid(world_);
  }

  // Asks for sizes as a caller would: too little room, then what `needed` said.
  bool learn_needed() {
    minimoe_status status = MINIMOE_E_BUFFER_TOO_SMALL;
    for (int attempt = 0; attempt < 4 && status == MINIMOE_E_BUFFER_TOO_SMALL; ++attempt) {
      Frame frame(function_, valid(), needed_, {});
      const std::string broken = frame.run(true, &status);
      tell(broken, "valid", "", status);
      if (status != MINIMOE_E_BUFFER_TOO_SMALL) break;
      for (std::size_t i = 0; i < needed_.size(); ++i) {
        if (function_.parameters[i].role != Role::kOutput) continue;
        const std::size_t said = frame.needed_of(i + 2);  // values, values_cap, values_needed
        if (said < 1000000) needed_[i] = said;            // the pattern, for a second output that was not reached
      }
    }
    if (status != MINIMOE_OK) tell("the valid call fails", "valid", "", status);
    return status == MINIMOE_OK;
  }

  void list_variants() {
    for (std::size_t i = 0; i < function_.parameters.size(); ++i) {
      variants_.push_back(variants(function_, i, valid(), needed_, world_));
    }
  }

  void singles() {
    for (std::size_t i = 0; i < variants_.size(); ++i) {
      for (const Variant& v : variants_[i]) attempt({{i, &v}}, v.expect, v.code);
    }
  }

  // Long texts are tried alone: what is wrong with them does not depend on other arguments.
  static bool is_long(const Variant& v) { return v.content && v.content->size() > 2000; }

  void pairs() {
    for (std::size_t i = 0; i < variants_.size(); ++i) {
      for (std::size_t j = i + 1; j < variants_.size(); ++j) {
        const bool related = function_.parameters[i].group == function_.parameters[j].group;
        for (const Variant& a : variants_[i]) {
          for (const Variant& b : variants_[j]) {
            if (is_long(a) || is_long(b)) continue;
            if (++pair_ % (function_.pairs_tried * kPairsTried) != 0) continue;
            const bool fails = !related && (a.expect == Expect::kFailure || b.expect == Expect::kFailure);
            attempt({{i, &a}, {j, &b}}, fails ? Expect::kFailure : Expect::kEither, -1);
          }
        }
      }
    }
  }

  void attempt(const std::vector<Replacement>& replacements, Expect expect, minimoe_status code) {
    if (takes_ownership() && replacements[0].variant->expect == Expect::kEither) return;
    std::string what;
    for (const Replacement& r : replacements) {
      what += std::string(what.empty() ? "" : ", ") + function_.parameters[r.index].name + " " + r.variant->label;
      if (r.variant->value && function_.parameters[r.index].role != Role::kHandle)
        what += " (" + std::to_string(r.variant->value->bits) + ")";
    }
    minimoe_status status = MINIMOE_OK, silent = MINIMOE_OK;
    {
      Frame frame(function_, valid(), needed_, replacements);
      const std::string broken = frame.run(true, &status);
      tell(broken, what, "", status);
    }
    {
      Frame frame(function_, valid(), needed_, replacements);
      const std::string broken = frame.run(false, &silent);
      tell(broken, what, " (err NULL)", silent);
    }
    if (silent != status) tell("the status depends on err", what, "", silent);
    if (!function_.fallible) return;
    const bool must_fail = expect == Expect::kFailure || expect == Expect::kFailureAlone;
    if (must_fail && status == MINIMOE_OK) tell("succeeds", what, "", status);
    if (expect == Expect::kSuccess && status != MINIMOE_OK) tell("fails", what, "", status);
    if (must_fail && code >= 0 && status != code) tell("is not the right code", what, "", status);
  }

  void tell(const std::string& broken, const std::string& what, const char* how, minimoe_status status) {
    ++report_.calls;
    if (status >= 0 && status <= MINIMOE_E_VERSION) ++report_.by_status[status];
    if (broken.empty()) return;
    ++report_.failures;
    if (++told_ <= 10)
      std::printf("%s with %s%s: status %d: %s\n", function_.name, what.c_str(), how, status, broken.c_str());
  }

  const Function& function_;
  World world_;
  Report& report_;
  std::vector<std::size_t> needed_;  // elements of each output of the valid call
  std::vector<std::vector<Variant>> variants_;
  int pair_ = 0;
  int told_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  Report report;
  for (const Function& function : kFunctions) {
    if (argc > 2 && std::strcmp(argv[2], function.name) != 0) continue;
    const long before = report.calls;
    Trial(function, argv[1], report).run();
    if (argc > 2 || report.calls == before) std::printf("%-45s %ld calls\n", function.name, report.calls - before);
  }
  std::printf("%ld calls, %ld broken promises; by status:", report.calls, report.failures);
  for (const long count : report.by_status) std::printf(" %ld", count);
  std::printf("\n");
  if (argc == 2 && report.calls < 10000) {
    std::printf("expected 10000 calls or more\n");
    return 1;
  }
  return report.failures == 0 ? 0 : 1;
}
