// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cli {

/// The style sheet of report.html: light, dark, and A4.
extern const char* const kReportStyle;

}  // namespace cli
