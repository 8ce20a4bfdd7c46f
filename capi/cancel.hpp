// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/core/cancel.hpp>

#include "handle.hpp"

struct minimoe_cancel_token : minimoe::capi::Handle {
  static constexpr minimoe::capi::Kind kKind = minimoe::capi::Kind::kCancelToken;
  minimoe_cancel_token() : Handle(kKind) {}

  minimoe::CancelFlag flag;
};

namespace minimoe::capi {

/// A caller's token, kept alive for the length of a call; NULL is never fired.
class OptionalCancel {
 public:
  OptionalCancel(const char* function, minimoe_cancel_token* token)
      : token_(token ? &checked(function, "cancel", token) : nullptr) {
    if (token_) token_->retain();
  }
  ~OptionalCancel() { release(token_); }
  OptionalCancel(const OptionalCancel&) = delete;
  OptionalCancel& operator=(const OptionalCancel&) = delete;

  const CancelFlag* flag() const { return token_ ? &token_->flag : nullptr; }

 private:
  minimoe_cancel_token* token_;
};

}  // namespace minimoe::capi
