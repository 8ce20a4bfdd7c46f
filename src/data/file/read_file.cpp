// SPDX-License-Identifier: Apache-2.0
#include "data/file/read_file.hpp"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "core/sha256.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

[[noreturn]] void fail(ErrorCode code, const std::string& path, const std::string& what) {
  throw Error(code, concat(path, ": ", what));
}

std::size_t read_some(std::FILE* file, const std::string& path, char* into, std::size_t size) {
  const std::size_t count = std::fread(into, 1, size, file);
  if (count < size && std::ferror(file)) {
    fail(ErrorCode::kIo, path, "cannot be read: " + std::generic_category().message(errno));
  }
  return count;
}

using Bytes = std::unique_ptr<char[], ReturnBytes>;

Bytes take_bytes(MemoryResource* resource, std::size_t size) {
  return Bytes(static_cast<char*>(resource->allocate(size, kAlignment)), {resource, size});
}

FileContent read_plain(std::FILE* file, const std::string& path, std::size_t size, MemoryResource* resource) {
  FileContent content;
  content.bytes = take_bytes(resource, size);
  content.size = content.capacity = size;
  const std::size_t count = read_some(file, path, content.bytes.get(), size);
  if (count < size) fail(ErrorCode::kIo, path, concat("has ", size, " bytes, but only ", count, " could be read"));
  Sha256 sha256;
  sha256.update(content.view());
  content.sha256 = sha256.hex();
  return content;
}

// The size that the last member's trailer states: a first guess only, since it is modulo 2^32 and of one member.
std::size_t stated_size(std::FILE* file, const std::string& path, std::size_t compressed_size) {
  unsigned char trailer[4] = {};
  if (compressed_size < 18 || std::fseek(file, -4, SEEK_END) != 0) return 0;
  read_some(file, path, reinterpret_cast<char*>(trailer), 4);
  if (std::fseek(file, 0, SEEK_SET) != 0) fail(ErrorCode::kIo, path, "cannot be read from its beginning again");
  const std::size_t stated = trailer[0] | trailer[1] << 8 | trailer[2] << 16 | std::size_t{trailer[3]} << 24;
  constexpr std::size_t kLargestDeflateRatio = 1032;
  return std::min(stated, compressed_size * kLargestDeflateRatio);
}

class Inflater {
 public:
  Inflater() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream stream = {};
};

void grow(FileContent& content, std::size_t capacity, MemoryResource* resource) {
  Bytes larger = take_bytes(resource, capacity);
  if (content.size > 0) std::memcpy(larger.get(), content.bytes.get(), content.size);
  content.bytes = std::move(larger);
  content.capacity = capacity;
}

[[noreturn]] void fail_as_larger(const std::string& path, std::size_t max_bytes) {
  fail(ErrorCode::kCorruptFile, path, concat("is larger than ", max_bytes, " bytes"));
}

FileContent read_gzip(std::FILE* file, const std::string& path, std::size_t compressed_size, MemoryResource* resource,
                      std::size_t max_bytes) {
  FileContent content;
  // One byte more than stated, so that the buffer is never full at the end of a file that states its size.
  grow(content, std::min(stated_size(file, path, compressed_size), max_bytes) + 1, resource);
  Sha256 sha256;
  Inflater inflater;
  z_stream& stream = inflater.stream;
  constexpr std::size_t kChunk = std::size_t{1} << 18;
  const auto chunk = std::make_unique_for_overwrite<char[]>(kChunk);
  bool member_ended = false;
  for (std::size_t count; (count = read_some(file, path, chunk.get(), kChunk)) > 0;) {
    sha256.update({chunk.get(), count});
    stream.next_in = reinterpret_cast<Bytef*>(chunk.get());
    stream.avail_in = static_cast<uInt>(count);
    do {
      if (member_ended) inflateReset(&stream);
      if (content.size > max_bytes) fail_as_larger(path, max_bytes);
      if (content.size == content.capacity) {
        grow(content, std::min(2 * content.capacity, max_bytes + 1), resource);
      }
      const std::size_t room = std::min<std::size_t>(content.capacity - content.size, std::size_t{1} << 30);
      stream.next_out = reinterpret_cast<Bytef*>(content.bytes.get() + content.size);
      stream.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream, Z_NO_FLUSH);
      content.size += room - stream.avail_out;
      member_ended = status == Z_STREAM_END;
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        fail(ErrorCode::kCorruptFile, path,
             concat("gzip data is damaged after ", content.size, " decompressed bytes (",
                    stream.msg ? stream.msg : "no reason given", ")"));
      }
    } while (stream.avail_in > 0 || (stream.avail_out == 0 && !member_ended));
  }
  if (!member_ended) {
    fail(ErrorCode::kCorruptFile, path,
         concat("gzip data ends early, after ", content.size, " decompressed bytes: the file is truncated"));
  }
  if (content.size > max_bytes) fail_as_larger(path, max_bytes);
  content.sha256 = sha256.hex();
  return content;
}

}  // namespace

FileContent read_file(const std::string& path, MemoryResource* resource, std::size_t max_bytes) {
  if (!resource) resource = std::pmr::get_default_resource();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) fail(ErrorCode::kIo, path, "there is no such file");
  if (error) fail(ErrorCode::kIo, path, "cannot be opened: " + error.message());
  if (std::filesystem::is_directory(status)) fail(ErrorCode::kIo, path, "is a directory, expected a file");
  if (!std::filesystem::is_regular_file(status)) {
    fail(ErrorCode::kIo, path, "is a device, socket or pipe, expected a regular file");
  }
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) fail(ErrorCode::kIo, path, "cannot be opened: " + std::generic_category().message(errno));
  const auto size = static_cast<std::size_t>(std::filesystem::file_size(path, error));
  if (error) fail(ErrorCode::kIo, path, "has no size: " + error.message());
  if (size == 0) fail(ErrorCode::kCorruptFile, path, "is empty");
  const bool is_gzip = is_gzip_name(path);
  if (!is_gzip && size > max_bytes) fail_as_larger(path, max_bytes);
  try {
    FileContent content =
        is_gzip ? read_gzip(file.get(), path, size, resource, max_bytes) : read_plain(file.get(), path, size, resource);
    if (content.size == 0) fail(ErrorCode::kCorruptFile, path, "is empty once decompressed");
    return content;
  } catch (const std::bad_alloc&) {
    fail(ErrorCode::kOutOfMemory, path, concat("does not fit into memory (", size, " bytes on disk)"));
  }
}

bool is_gzip_name(std::string_view path) { return path.ends_with(".gz"); }

}  // namespace minimoe
