// SPDX-License-Identifier: Apache-2.0
// TensorBoard's event files: records of serialized tensorflow.Event messages, of which the few fields that carry
// scalars and histograms are written here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "appended_file.hpp"

namespace cli {

/// One tensorflow.Summary: what is told about one step.
class Summary {
 public:
  void add_scalar(std::string_view tag, double value);  ///< kept in single precision
  /// counts[i] things between i and i + 1.
  void add_histogram(std::string_view tag, const std::vector<double>& counts);

 private:
  friend class EventFile;
  void add_value(std::string_view tag, std::string_view field);

  std::string message_;
};

class EventFile {
 public:
  /// A new file in `directory`, named after the time, and after all of ours that are there. @param first_step  readers
  /// forget what earlier files of the directory say of this step and later ones. @throws BadInput.
  EventFile(const std::filesystem::path& directory, std::int64_t first_step);

  /// One record. @throws RunFailed, as do the others.
  void append(std::int64_t step, const Summary& summary);
  void flush() { file_.flush(); }
  void sync() { file_.sync(); }

 private:
  void append_event(std::int64_t step, std::string_view field);

  AppendedFile file_;
};

/// The event files of this program in `directory`, which other writers may share; none when there is no such directory.
std::vector<std::filesystem::path> event_files(const std::filesystem::path& directory);

}  // namespace cli
