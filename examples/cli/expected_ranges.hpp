// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cli {

/// docs/lab-00/expected.json as it was when the program was built: an installed program has no docs/. Empty: none.
extern const char* const kExpectedRanges;

}  // namespace cli
