// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "json_text.hpp"

namespace cli {

/// The figures of a manifest.json, a column a variant, or of a result.json: columns with two blanks between them.
std::string report_table(const Json& manifest);

/// The command line that trains the same again, from the configuration in the files; `directory` is where they stand.
std::string report_command(const Json& manifest, const std::string& directory);

}  // namespace cli
