// SPDX-License-Identifier: Apache-2.0
#include "analysis/number_text.hpp"

#include <charconv>

#include "minimoe/core/error.hpp"

namespace minimoe {

std::string fixed_text(double value, int decimals) {
  char digits[400];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals);
  require(error == std::errc(), "fixed_text: ", value, " has too many digits");
  std::string text(digits, end);
  const bool is_zero = text.find_first_of("123456789nf") == std::string::npos;  // of nan, inf
  return is_zero && text.front() == '-' ? text.substr(1) : text;
}

std::string signed_text(double value, int decimals) {
  std::string text = fixed_text(value, decimals);
  const bool is_zero = text.find_first_of("123456789") == std::string::npos;
  return is_zero || text.front() == '-' ? text : '+' + text;
}

std::string count_text(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string percent_text(double share) { return fixed_text(100 * share, 100 * share < 9.95 ? 1 : 0) + " %"; }

std::string chance_text(double probability) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, probability, std::chars_format::scientific, 0).ptr};
}

std::string experts_text(const std::vector<std::size_t>& experts) {
  constexpr std::size_t kMost = 8;
  std::string text = experts.size() == 1 ? "expert " : "experts ";
  const std::size_t shown = experts.size() > kMost ? kMost - 1 : experts.size();
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) text += i + 1 == experts.size() ? " and " : ", ";
    text += std::to_string(experts[i]);
  }
  if (shown < experts.size()) text += " and " + std::to_string(experts.size() - shown) + " more";
  return text;
}

}  // namespace minimoe
