// SPDX-License-Identifier: Apache-2.0
// metrics.jsonl, line by line.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "json_text.hpp"

namespace cli {

/// Gives each line and its number, from 1, to `take`; empty lines are left out. A last line that is cut off, as a
/// killed run leaves it, is not taken. @return what to tell of such a line, or "". @throws BadInput for any other line
/// that is no JSON.
std::string read_metrics(const std::filesystem::path& path,
                         const std::function<void(Json line, std::size_t number)>& take);

/// All lines at once; none without the file. @param notes receives what read_metrics has to tell, if it is not null
/// @throws BadInput.
std::vector<Json> metrics_lines(const std::filesystem::path& path, std::vector<std::string>* notes = nullptr);

/// To be asked before anything is done: after a training the peak of memory is that of the training.
/// @throws BadInput when all lines at once need more memory than there is.
void require_memory_for_metrics(const std::filesystem::path& path);

}  // namespace cli
