// SPDX-License-Identifier: Apache-2.0
// The memory of one call: inputs as long as they claim to be and no longer, outputs between canaries.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "call.hpp"
#include "variant.hpp"

/// Bytes of a known pattern, of which a call may change only those that it was given.
class Canary {
 public:
  explicit Canary(std::size_t size);
  unsigned char* data() { return memory_.get() + kGuard; }
  /// Whether all bytes but [0, written) have the pattern.
  bool intact_but(std::size_t written) const;
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kGuard = 64;
  static unsigned char pattern(std::size_t i) { return static_cast<unsigned char>(0xa5 ^ (i * 31)); }
  std::size_t size_;
  std::unique_ptr<unsigned char[]> memory_;
};

/// One replaced argument.
struct Replacement {
  std::size_t index;
  const Variant* variant;
};

class Frame {
 public:
  /// The arguments of a call that is valid but for the replacements. `needed`: elements of each output.
  Frame(const Function& function, const std::vector<Valid>& valid, const std::vector<std::size_t>& needed,
        const std::vector<Replacement>& replacements);
  ~Frame();
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  /// Calls, checks all that a call promises, ends what a success began. "" or what was broken.
  std::string run(bool with_err, minimoe_status* status);
  /// What a `needed` parameter received.
  std::size_t needed_of(std::size_t index);

 private:
  struct Slot {
    Value value;
    std::unique_ptr<unsigned char[]> input;  // exactly as many bytes as the call may read
    std::string input_copy;
    std::unique_ptr<Canary> output;
    const Variant* variant = nullptr;
  };
  void place(std::size_t index, const Valid& valid);
  void place_input(Slot& slot, const Parameter& parameter, std::string content);
  void place_output(Slot& slot, const Parameter& parameter, std::size_t bytes);
  std::size_t find(int group, Role role) const;  // the parameter's index, or npos
  std::string check_err(minimoe_status status, Canary& err) const;
  std::string check_outputs(minimoe_status status);
  std::string check_output(std::size_t index, minimoe_status status);
  std::size_t written_elements(std::size_t index);

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
  const Function& function_;
  const std::vector<std::size_t>& needed_;
  std::vector<Slot> slots_;
  int released_ = 0;  // calls of a release callback
};
