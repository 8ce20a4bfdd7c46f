// SPDX-License-Identifier: Apache-2.0
// The one exception type of the library, and the helpers that build its messages.
#pragma once

#include <cstdint>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace minimoe {

enum class ErrorCode : std::int32_t {
  kInvalidArgument = 1,  ///< a caller's value is outside what is allowed
  kOutOfMemory = 2,
  kIo = 3,           ///< the operating system refused a file operation
  kCorruptFile = 4,  ///< a file's content is not what its format promises
  kNonFinite = 5,    ///< a loss, gradient or logit is NaN or infinite
  kUnsupported = 6,  ///< valid, but this build or machine cannot do it
  kInternal = 7,     ///< a bug of ours
  kShape = 8,        ///< sizes that do not fit each other
  kCancelled = 11,   ///< a CancelFlag was fired
};

/// Thrown by every fallible function. The message says where, what came, and what was allowed:
/// `moe_layer.forward: x is [128, 64], expected [T, 48] (d_model = 48)`.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Joins its arguments as text, independent of the process locale.
template <class... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  out.exceptions(std::ios::badbit);  // else a failed allocation would silently cut the text
  out.imbue(std::locale::classic());
  (out << ... << args);
  return out.str();
}

/// A shape that is printed only if the message it stands in is built: `[128, 64]`.
template <class Container>
struct ShapeText {
  const Container& shape;

  friend std::ostream& operator<<(std::ostream& out, const ShapeText& text) {
    out << '[';
    const char* separator = "";
    for (const auto extent : text.shape) {
      out << separator << extent;
      separator = ", ";
    }
    return out << ']';
  }
};

template <class Container>
ShapeText<Container> shape_string(const Container& shape) {
  return {shape};
}

/// Throws Error(kInvalidArgument, message parts) unless `condition`.
template <class... Args>
void require(bool condition, const Args&... message) {
  if (!condition) throw Error(ErrorCode::kInvalidArgument, concat(message...));
}

/// Throws one Error(kInvalidArgument) that lists every problem; nothing when there is none.
void require_no_problems(const std::vector<std::string>& problems);

/// The candidate with the smallest edit distance to `word`; empty when none is close enough to be a likely typo.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace minimoe
