// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "exit_codes.hpp"

namespace cli {

namespace {

double clock_seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

double wall_seconds() { return clock_seconds(CLOCK_MONOTONIC); }
double cpu_seconds() { return clock_seconds(CLOCK_PROCESS_CPUTIME_ID); }

std::uint64_t peak_rss_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t physical_memory_bytes() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void require_memory(const std::string& what, double bytes) {
  auto available = static_cast<double>(physical_memory_bytes());
  const char* of = "this machine has ";
  for (const auto resource : {RLIMIT_AS, RLIMIT_DATA}) {
    rlimit limit = {};
    if (getrlimit(resource, &limit) != 0 || static_cast<double>(limit.rlim_cur) >= available) continue;
    available = static_cast<double>(limit.rlim_cur);
    of = "this process may use ";
  }
  if (bytes <= available) return;
  throw BadInput(what + " needs " + bytes_text(bytes) + " of memory, " + of + bytes_text(available));
}

std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text;
  bool is_first = true;
  for (std::string word; std::getline(file, word, '\0'); is_first = false) {
    if (is_first) {
      text = word.substr(word.rfind('/') + 1);
      continue;
    }
    constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,:+%@";
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      text += ' ' + word;
      continue;
    }
    text += " '";
    for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += '\'';
  }
  return text;
}

Json cpu_info() {
  std::string model = "unknown";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) {
      model = line.substr(line.find(": ") + 2);
      break;
    }
  }
  return {{"model", model}, {"logical_cores", std::thread::hardware_concurrency()}};
}

std::string bytes_text(double bytes) {
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (bytes < 1024) break;
    bytes /= 1024;
    unit = next;
  }
  return fixed(bytes, 1) + " " + unit;
}

std::string count_text(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string fixed(double value, int decimals) {
  char text[400];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

}  // namespace cli
