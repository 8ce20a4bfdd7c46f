// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/analysis/health.hpp>

namespace minimoe::capi {

/// The caller's options over `defaults`. @throws Error that lists every bad key.
HealthOptions input_health_options(const char* function, const char* json, std::size_t json_len,
                                   HealthOptions defaults);

}  // namespace minimoe::capi
