// SPDX-License-Identifier: Apache-2.0
#include "data/file/token_layout.hpp"

#include <cstdint>

#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kHeaderBytes = 256 * 4;

struct LlmcKind {
  std::int32_t mark, version;
  std::size_t width;
};
constexpr LlmcKind kLlmcKinds[] = {{20240520, 1, 2}, {20240801, 7, 4}};

std::int32_t int32_at(std::string_view file, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(file[offset + i])} << 8 * i;
  return static_cast<std::int32_t>(value);
}

const LlmcKind* kind_of(std::string_view file) {
  if (file.size() < 4) return nullptr;
  for (const LlmcKind& kind : kLlmcKinds) {
    if (int32_at(file, 0) == kind.mark) return &kind;
  }
  return nullptr;
}

template <class... Args>
[[noreturn]] void refuse(const std::string& path, const Args&... what) {
  throw Error(ErrorCode::kCorruptFile, concat(path, ": ", what...));
}

}  // namespace

TokenLayout raw_token_layout(std::string_view file, const std::string& path) {
  if (file.size() % 2 != 0) refuse(path, "has ", file.size(), " bytes, expected an even number (uint16 tokens)");
  return {0, 2, file.size() / 2};
}

TokenLayout llmc_token_layout(std::string_view file, const std::string& path) {
  if (file.size() < kHeaderBytes) {
    refuse(path, "has ", file.size(), " bytes, expected a header of ", kHeaderBytes, " (256 int32) and token ids");
  }
  const LlmcKind* kind = kind_of(file);
  if (!kind) {
    refuse(path, "offset 0: the mark is ", int32_at(file, 0), ", expected 20240520 (uint16) or 20240801 (uint32)");
  }
  if (const std::int32_t version = int32_at(file, 4); version != kind->version) {
    refuse(path, "offset 4: the version is ", version, ", expected ", kind->version, " after the mark ", kind->mark);
  }
  const std::size_t token_bytes = file.size() - kHeaderBytes;
  const std::int32_t count = int32_at(file, 8);
  if (count < 1 || token_bytes % kind->width != 0 || static_cast<std::size_t>(count) != token_bytes / kind->width) {
    refuse(path, "offset 8: the number of tokens is ", count, ", but ", token_bytes, " bytes of ", kind->width,
           " each follow the header, expected ", token_bytes / kind->width, " and at least 1");
  }
  return {kHeaderBytes, kind->width, static_cast<std::size_t>(count)};
}

bool has_llmc_mark(std::string_view file) { return kind_of(file) != nullptr; }

}  // namespace minimoe
