// SPDX-License-Identifier: Apache-2.0
// Does a run of the lab protocol come out as the project's own did?
#pragma once

#include <filesystem>

namespace cli {

/// @throws BadInput when the program was built without docs/lab-00/expected.json.
void require_expected_ranges();

/// Prints for each figure whether the mean over seeds in `directory`/manifest.json lies within mean -+ 2 standard
/// deviations of the project's seeds. Times are no part of it. @return true when all do.
/// @throws BadInput when there is no manifest, or when it is of another protocol.
bool check_comparison(const std::filesystem::path& directory, bool as_json);

}  // namespace cli
