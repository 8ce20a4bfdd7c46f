// SPDX-License-Identifier: Apache-2.0
#include "event_file.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "crc32c.hpp"
#include "exit_codes.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

// The end is ours: TensorBoard reads any, and event files of other writers are to be left alone.
constexpr std::string_view kEventFileStart = "events.out.tfevents.", kEventFileEnd = ".minimoe";

void add_little_endian(std::string& bytes, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i & 255);
}

std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8;
}

// Protocol buffers' wire format: varints, and fields by number, each with how its value is laid out.
void add_varint(std::string& bytes, std::uint64_t value) {
  for (; value >= 128; value >>= 7) bytes += static_cast<char>((value & 127) | 128);
  bytes += static_cast<char>(value);
}

enum WireType : std::uint32_t { kVarint = 0, kEightBytes = 1, kLengthAndBytes = 2, kFourBytes = 5 };

std::string field_key(std::uint32_t number, WireType type) {
  std::string key;
  add_varint(key, number << 3 | type);
  return key;
}

std::string varint_field(std::uint32_t number, std::uint64_t value) {
  std::string field = field_key(number, kVarint);
  add_varint(field, value);
  return field;
}

std::string double_field(std::uint32_t number, double value) {
  std::string field = field_key(number, kEightBytes);
  add_little_endian(field, std::bit_cast<std::uint64_t>(value), 8);
  return field;
}

std::string bytes_field(std::uint32_t number, std::string_view bytes) {
  std::string field = field_key(number, kLengthAndBytes);
  add_varint(field, bytes.size());
  return field.append(bytes);
}

std::string doubles_field(std::uint32_t number, const std::vector<double>& values) {
  std::string packed;
  for (const double value : values) add_little_endian(packed, std::bit_cast<std::uint64_t>(value), 8);
  return bytes_field(number, packed);
}

// Length, masked CRC-32C of it, the bytes, masked CRC-32C of them.
std::string event_record(std::string_view bytes) {
  std::string record;
  add_little_endian(record, bytes.size(), 8);
  add_little_endian(record, masked_crc(record), 4);
  record += bytes;
  add_little_endian(record, masked_crc(bytes), 4);
  return record;
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Readers take files in the order of their names, so a clock that was set back must not name one before the last.
AppendedFile new_event_file(const fs::path& directory) {
  auto second = static_cast<unsigned long long>(seconds_since_1970());
  for (const fs::path& file : event_files(directory)) {
    const std::string name = file.filename().string();
    unsigned long long earlier = 0;
    std::from_chars(name.data() + kEventFileStart.size(), name.data() + name.size(), earlier);
    second = std::max(second, earlier + 1);
  }
  char number[32];
  std::snprintf(number, sizeof number, "%010llu", second);
  return {directory / (std::string(kEventFileStart) + number + std::string(kEventFileEnd)), "wx"};
}

}  // namespace

void Summary::add_value(std::string_view tag, std::string_view field) {
  message_ += bytes_field(1, bytes_field(1, tag).append(field));  // Summary.value, Summary.Value.tag
}

void Summary::add_scalar(std::string_view tag, double value) {
  std::string field = field_key(2, kFourBytes);  // Summary.Value.simple_value
  add_little_endian(field, std::bit_cast<std::uint32_t>(static_cast<float>(value)), 4);
  add_value(tag, field);
}

void Summary::add_histogram(std::string_view tag, const std::vector<double>& counts) {
  double num = 0, sum = 0, sum_squares = 0;
  std::vector<double> limits;
  for (const double count : counts) {
    const auto middle = static_cast<double>(limits.size()) + 0.5;
    num += count;
    sum += count * middle;
    sum_squares += count * middle * middle;
    limits.push_back(static_cast<double>(limits.size()) + 1);
  }
  const std::string histogram = double_field(1, 0) + double_field(2, static_cast<double>(counts.size())) +
                                double_field(3, num) + double_field(4, sum) + double_field(5, sum_squares) +
                                doubles_field(6, limits) + doubles_field(7, counts);  // HistogramProto
  add_value(tag, bytes_field(5, histogram));                                          // Summary.Value.histo
}

EventFile::EventFile(const fs::path& directory, std::int64_t first_step) : file_(new_event_file(directory)) {
  append_event(0, bytes_field(3, "brain.Event:2"));  // Event.file_version
  if (first_step <= 1) return;
  append_event(first_step, bytes_field(7, varint_field(1, 1)));  // Event.session_log, SessionLog.status = START
}

void EventFile::append(std::int64_t step, const Summary& summary) {
  append_event(step, bytes_field(5, summary.message_));  // Event.summary
}

void EventFile::append_event(std::int64_t step, std::string_view field) {
  const std::string head = double_field(1, seconds_since_1970()) + varint_field(2, static_cast<std::uint64_t>(step));
  file_.write(event_record(head + std::string(field)));  // Event.wall_time, Event.step
}

std::vector<fs::path> event_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kEventFileStart) && name.ends_with(kEventFileEnd)) files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace cli
