// SPDX-License-Identifier: Apache-2.0
// What runs of the router laboratory showed: JSON in, JSON out. minimoe.h has the shapes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minimoe {

/// Of either text.
inline constexpr std::size_t kMostRunBytes = std::size_t{1} << 30;

/// What a break showed: which signal told and from when on, what is commonly said held against the figures, and how the
/// broken weights fared under the fix. As minimoe_break_findings.
/// @param where begins every message
/// @throws Error(kInvalidArgument) with the path of what is missing, unknown, there twice or of another kind.
std::string break_findings(std::string_view json, const std::string& where = "break_findings");

/// What one finished run showed, window by window. As minimoe_run_findings; the rest as break_findings.
std::string run_findings(std::string_view json, const std::string& where = "run_findings");

}  // namespace minimoe
