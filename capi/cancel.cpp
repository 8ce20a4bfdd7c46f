// SPDX-License-Identifier: Apache-2.0
#include "cancel.hpp"

#include <memory>

#include "arguments.hpp"

using namespace minimoe::capi;

minimoe_status minimoe_cancel_token_create(minimoe_cancel_token** out, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    *out = new minimoe_cancel_token;
  });
}

minimoe_status minimoe_cancel_token_retain(minimoe_cancel_token* token, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) { add_owner(where, "token", token); });
}

void minimoe_cancel_token_free(minimoe_cancel_token* token) { release(token); }

minimoe_status minimoe_cancel_token_fire(minimoe_cancel_token* token, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) { checked(where, "token", token).flag.fire(); });
}

minimoe_status minimoe_cancel_token_fired(const minimoe_cancel_token* token, int32_t* fired, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const auto& checked_token = checked(where, "token", const_cast<minimoe_cancel_token*>(token));
    check_pointer(where, "fired", fired);
    *fired = checked_token.flag.fired() ? 1 : 0;
  });
}
