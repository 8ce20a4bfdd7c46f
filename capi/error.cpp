// SPDX-License-Identifier: Apache-2.0
#include "error.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace minimoe::capi {
namespace {

// Length of the valid UTF-8 character that begins at `at`, in a text that ends with NUL; 0 when there is none.
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

constexpr std::string_view kGap = " ... ";
constexpr std::size_t kHeadSize = 400;  // the end, where the reason stands behind a path or name, gets more

// Copies the whole characters of `from`; what is not UTF-8 becomes '?', so that no length changes.
char* copy_text(char* to, std::string_view from) noexcept {
  while (!from.empty()) {
    const std::size_t length = character_length(reinterpret_cast<const unsigned char*>(from.data()));
    if (length > from.size()) break;
    if (length == 0) {
      *to++ = '?';
      from.remove_prefix(1);
    } else {
      to = std::copy_n(from.data(), length, to);
      from.remove_prefix(length);
    }
  }
  return to;
}

// The last `size` bytes of a longer text, from the beginning of a character on.
std::string_view tail_of(std::string_view text, std::size_t size) noexcept {
  text.remove_prefix(text.size() - size);
  for (int i = 0; i < 3 && (static_cast<unsigned char>(text.front()) & 0xc0) == 0x80; ++i) text.remove_prefix(1);
  return text;
}

minimoe_status report(minimoe_error* err, minimoe_status code, std::string_view message) noexcept {
  if (!err) return code;
  err->code = code;
  err->reserved = 0;
  char* to = err->message;
  constexpr std::size_t kRoom = sizeof(err->message) - 1;
  if (message.size() > kRoom) {
    to = copy_text(to, message.substr(0, kHeadSize));
    to = copy_text(to, kGap);
    message = tail_of(message, kRoom - kHeadSize - kGap.size());
  }
  *copy_text(to, message) = '\0';
  return code;
}

}  // namespace

minimoe_status report_exception(minimoe_error* err) noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return report(err, static_cast<minimoe_status>(error.code()), error.what());
  } catch (const OutOfMemory& error) {
    char message[80] = "out of memory: no block of ";
    char* const end = std::to_chars(message + std::strlen(message), std::end(message), error.bytes()).ptr;
    std::copy_n(" bytes", sizeof(" bytes"), end);
    return report(err, MINIMOE_E_OUT_OF_MEMORY, message);
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
