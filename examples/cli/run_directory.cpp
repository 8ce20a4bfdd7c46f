// SPDX-License-Identifier: Apache-2.0
#include "run_directory.hpp"

#include "atomic_file.hpp"
#include "exit_codes.hpp"
#include "metrics_outputs.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxMetricsBytes = std::size_t{1} << 32;

Json without_name(Json corpus) {
  if (corpus.is_object()) corpus.erase("name");
  return corpus;
}

}  // namespace

void make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path, error)) {
    throw BadInput("cannot make directory " + path.string() + ": " +
                   (error ? error.message() : std::string("a file has this name")));
  }
}

void refuse_existing_outputs(const fs::path& directory, bool allowed, const std::string& remedy) {
  std::error_code error;
  if (allowed) return;
  for (const char* name : {"config.json", "metrics.jsonl", "checkpoint.safetensors", "result.json", "manifest.json",
                           "metrics.csv", "tokenizer.json", "tokenizer_config.json"}) {
    if (fs::exists(directory / name, error)) {
      throw BadInput(directory.string() + " already holds a run (" + name + "); " + remedy);
    }
  }
}

std::vector<fs::path> derived_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const char* name :
       {"specialisation.json", "capacity.json", "trace.jsonl", "trace.csv", "findings.md", "report.html"}) {
    files.push_back(directory / name);
  }
  for (const char* picture : {"routing-analysis", "expert-by-class"}) {
    for (const char* end : {".png", ".svg", ".gp", ".dat"}) files.push_back(directory / (picture + std::string(end)));
  }
  return files;
}

void remove_files(const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    std::error_code error;
    fs::remove(file, error);
    if (error) throw BadInput("cannot remove " + file.string() + ": " + error.message());
  }
}

void RunDirectory::begin(const Json& config, const Json& corpus, const Json& tokenizer) {
  make_directories(path_);
  write_file_atomically(this->corpus(), json_text(corpus, 2) + "\n");
  write_file_atomically(this->config(), json_text(config, 2) + "\n");
  remove_files({checkpoint(), result(), health(), this->tokenizer(), tokenizer_config()});
  if (!tokenizer.is_null()) write_file_atomically(this->tokenizer(), json_text(tokenizer) + "\n");
  remove_files(derived_files(path_));
  remove_files(metrics_output_files(path_));
  metrics_file_.emplace(metrics(), "w");
}

void RunDirectory::remove() {
  remove_files(derived_files(path_));
  remove_files(metrics_output_files(path_));
  remove_files({result(), health(), checkpoint(), metrics(), config(), corpus(), tokenizer(), tokenizer_config()});
  std::error_code error;
  fs::remove(path_, error);  // fails when something else is in it, which is none of ours
}

std::vector<Json> RunDirectory::resume(std::int64_t step, const Json& config, const Json& corpus) {
  const Json before = Json::parse(read_whole_file(this->corpus(), kMaxMetricsBytes), nullptr, false);
  if (without_name(before) != without_name(corpus)) {
    throw BadInput("--resume: the data is " + json_text(corpus) + ", but " + this->corpus().string() + " says " +
                   json_text(before));
  }
  const std::string text = read_whole_file(metrics(), kMaxMetricsBytes);
  std::vector<Json> lines;
  std::size_t begin = 0;
  while (static_cast<std::int64_t>(lines.size()) < step) {
    const std::size_t end = text.find('\n', begin);
    const Json line = end == std::string::npos ? Json() : Json::parse(text.substr(begin, end - begin), nullptr, false);
    const auto number = static_cast<std::int64_t>(lines.size()) + 1;
    if (!line.is_object() || !line.contains("step") || line.at("step") != number) {
      throw BadInput(metrics().string() + ":" + std::to_string(number) + ": no line of step " + std::to_string(number) +
                     ", but the checkpoint is at step " + std::to_string(step));
    }
    lines.push_back(line);
    begin = end + 1;
  }
  if (begin != text.size()) write_file_atomically(metrics(), text.substr(0, begin));
  std::error_code error;
  const bool is_known = fs::exists(this->config(), error) &&
                        Json::parse(read_whole_file(this->config(), kMaxMetricsBytes), nullptr, false) == config;
  if (!is_known) write_file_atomically(this->config(), json_text(config, 2) + "\n");
  metrics_file_.emplace(metrics(), "a");
  return lines;
}

}  // namespace cli
