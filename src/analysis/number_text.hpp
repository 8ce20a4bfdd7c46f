// SPDX-License-Identifier: Apache-2.0
// Numbers as a reader wants them, the same in every locale.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace minimoe {

/// 1.25 with 1 decimal is "1.2"; never "-0.0".
std::string fixed_text(double value, int decimals);
/// "+0.0012", "-0.0012", "0.0000".
std::string signed_text(double value, int decimals);
/// 1234567 is "1,234,567".
std::string count_text(std::uint64_t count);
/// 0.87 is "87 %"; below ten with a decimal, "4.2 %".
std::string percent_text(double share);
/// A probability as "1e-09".
std::string chance_text(double probability);
/// "expert 3", "experts 0, 4 and 7", "experts 0, 1, 2 and 9 more"
std::string experts_text(const std::vector<std::size_t>& experts);

}  // namespace minimoe
