// SPDX-License-Identifier: Apache-2.0
// The header alone, as C++17, warning free.
#include <minimoe.hpp>

static_assert(__cplusplus < 202002L);
static_assert(!std::is_copy_constructible_v<minimoe::capi::Trainer>);
static_assert(!std::is_copy_constructible_v<minimoe::capi::MoECache>);
static_assert(std::is_nothrow_move_constructible_v<minimoe::capi::Model>);
