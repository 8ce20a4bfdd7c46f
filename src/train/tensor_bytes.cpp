// SPDX-License-Identifier: Apache-2.0
#include "train/tensor_bytes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "train/atomic_file.hpp"

namespace minimoe {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read as they are in the file");

float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

float from_float16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, fraction = bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float small = static_cast<float>(fraction) * 0x1p-24f;  // a subnormal: exact in float
  return sign ? -small : small;
}

template <class T>
void convert(TensorType type, const char* bytes, std::size_t count, T* values) {
  const auto each = [&](auto raw, const auto& of) {
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&raw, bytes + i * sizeof raw, sizeof raw);
      values[i] = static_cast<T>(of(raw));
    }
  };
  switch (type) {
    case TensorType::kF64:
      return each(double{}, [](double v) { return v; });
    case TensorType::kF32:
      return each(float{}, [](float v) { return v; });
    case TensorType::kI32:
      throw Error(ErrorCode::kInternal, "tensors: I32 is not read");
    case TensorType::kBF16:
      return each(std::uint16_t{}, from_bfloat16);
    case TensorType::kF16:
      return each(std::uint16_t{}, from_float16);
  }
}

}  // namespace

int open_regular_file(const std::string& path, struct stat& status) {
  require(!path.empty() && path.find('\0') == std::string::npos, "read: the path is empty or has a NUL byte");
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw Error(ErrorCode::kIo, concat(path, ": cannot open: ", errno_text(errno)));
  const int failure = fstat(descriptor, &status) != 0 ? errno : 0;
  if (failure != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    throw Error(ErrorCode::kIo, failure != 0 ? concat(path, ": ", errno_text(failure)) : path + ": not a regular file");
  }
  return descriptor;
}

void read_exactly(int descriptor, const std::string& path, std::uint64_t offset, void* data, std::uint64_t size,
                  const std::string& what) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = pread(descriptor, at, std::min<std::uint64_t>(size, 1 << 30), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::kIo, concat(path, ": cannot read ", what, ": ", errno_text(errno)));
    if (got == 0) throw Error(ErrorCode::kIo, concat(path, ": cannot read ", what, ": the file became shorter"));
    at += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::uint64_t>(got);
  }
}

template <class T>
void read_values(int descriptor, const std::string& path, TensorType type, std::uint64_t offset, std::size_t count,
                 T* values, const std::string& what) {
  const std::size_t size = tensor_type_size(type);
  if (type == kTensorType<T>) return read_exactly(descriptor, path, offset, values, count * size, what);
  std::vector<char> buffer(std::min<std::size_t>(count * size, 65536));
  while (count > 0) {
    const std::size_t now = std::min(count, buffer.size() / size);
    read_exactly(descriptor, path, offset, buffer.data(), now * size, what);
    convert(type, buffer.data(), now, values);
    offset += now * size;
    values += now;
    count -= now;
  }
}
template void read_values(int, const std::string&, TensorType, std::uint64_t, std::size_t, float*, const std::string&);
template void read_values(int, const std::string&, TensorType, std::uint64_t, std::size_t, double*, const std::string&);

}  // namespace minimoe
