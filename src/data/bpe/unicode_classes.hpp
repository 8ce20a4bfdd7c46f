// SPDX-License-Identifier: Apache-2.0
// The classes of characters that GPT-2's splitting pattern tells apart.
#pragma once

#include <cstdint>

namespace minimoe {

enum class UnicodeClass : std::uint8_t {
  kOther,
  kLetter,  ///< category L
  kNumber,  ///< category N
  kSpace,   ///< property White_Space
};

/// Of Unicode 16. @param code_point  below 0x110000
UnicodeClass unicode_class(char32_t code_point);

}  // namespace minimoe
