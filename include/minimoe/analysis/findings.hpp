// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace minimoe {

/// What a comparison found, as Markdown of 300 to 600 words that answers six questions: lower perplexity? how many more
/// parameters? was balancing working? linguistic or arbitrary specialisation? longer, and why? adopt? Each sentence is
/// chosen by the figures; the verdict is compare_verdict's, taken anew from them.
/// @param manifest_json  manifest.json of `minimoe compare`: seeds, steps, the four variants with their spread over
/// seeds,
///                       config; entropy_floor, health and specialisation may be null or missing, and the text says so
/// @param where          begins every message
/// @throws Error(kInvalidArgument) with the path of what is missing, null where a number belongs (NaN), or of another
///         kind.
std::string findings_markdown(std::string_view manifest_json, const std::string& where = "findings");

}  // namespace minimoe
