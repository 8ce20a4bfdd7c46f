// SPDX-License-Identifier: Apache-2.0
#include "error.hpp"

#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>

namespace minimoe::capi {
namespace {

// Length of the valid UTF-8 character that begins at `at`; 0 when there is none.
std::size_t character_length(const unsigned char* at) {
  const std::size_t length = at[0] < 0x80   ? 1
                             : at[0] < 0xc2 ? 0
                             : at[0] < 0xe0 ? 2
                             : at[0] < 0xf0 ? 3
                             : at[0] < 0xf5 ? 4
                                            : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at[i] & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
  const bool surrogate = at[0] == 0xed && at[1] >= 0xa0;
  const bool beyond = at[0] == 0xf4 && at[1] >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

// Copies whole characters while they fit; what is not UTF-8 becomes '?'.
minimoe_status report(minimoe_error* err, minimoe_status code, const char* message) noexcept {
  if (!err) return code;
  err->code = code;
  err->reserved = 0;
  const auto* from = reinterpret_cast<const unsigned char*>(message);
  std::size_t used = 0;
  while (*from != 0) {
    const std::size_t length = character_length(from);
    if (used + (length > 0 ? length : 1) >= sizeof(err->message)) break;
    if (length == 0) {
      err->message[used++] = '?';
      ++from;
    } else {
      std::memcpy(err->message + used, from, length);
      used += length;
      from += length;
    }
  }
  err->message[used] = '\0';
  return code;
}

}  // namespace

minimoe_status report_exception(minimoe_error* err) noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return report(err, static_cast<minimoe_status>(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return report(err, MINIMOE_E_OUT_OF_MEMORY, "out of memory");
  } catch (const std::length_error&) {
    return report(err, MINIMOE_E_OUT_OF_MEMORY, "out of memory: a size is more than memory can address");
  } catch (const std::system_error& error) {
    const bool resources =
        error.code() == std::errc::resource_unavailable_try_again || error.code() == std::errc::not_enough_memory;
    return report(err, resources ? MINIMOE_E_OUT_OF_MEMORY : MINIMOE_E_INTERNAL, error.what());
  } catch (const std::exception& error) {
    return report(err, MINIMOE_E_INTERNAL, error.what());
  } catch (...) {
    return report(err, MINIMOE_E_INTERNAL, "an unknown exception");
  }
}

}  // namespace minimoe::capi
