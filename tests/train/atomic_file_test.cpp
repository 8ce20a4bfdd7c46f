// SPDX-License-Identifier: Apache-2.0
#include "train/atomic_file.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "minimoe/core/error.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

namespace minimoe {
namespace {

using minimoe_test::read_file;
using minimoe_test::TemporaryDirectory;
using minimoe_test::write_file;

/// Files of this process may not grow beyond `bytes`: what a full disk looks like, without one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

std::string io_error(const std::string& path) {
  try {
    AtomicFile file(path);
    file.write("new");
    file.commit();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kIo);
    return error.what();
  }
  return "(accepted)";
}

}  // namespace

TEST_CASE("atomic_file: the old file stays until commit, and no other file stays after it", "[atomic_file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("f");
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
    CHECK(read_file(path) == "old");
    file.write(" text");
    file.commit();
    CHECK(read_file(path) == "new text");
  }
  CHECK(read_file(path) == "new text");
  CHECK(directory.num_entries() == 1);
}

TEST_CASE("atomic_file: without commit nothing is left behind", "[atomic_file]") {
  const TemporaryDirectory directory;
  {
    AtomicFile file(directory.file("f"));
    file.write("new");
    CHECK(directory.num_entries() == 1);
  }
  CHECK(directory.num_entries() == 0);
}

TEST_CASE("atomic_file: when the disk is full the old file stays and the temporary one goes", "[atomic_file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("f");
  write_file(path, "old");
  std::string message;
  try {
    const FileSizeLimit limit(100000);
    AtomicFile file(path);
    for (int i = 0; i < 100; ++i) file.write(std::string(4096, 'x'));
    file.commit();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kIo);
    message = error.what();
  }
  CHECK(message == path + ": cannot write: File too large (errno 27)");
  CHECK(read_file(path) == "old");
  CHECK(directory.num_entries() == 1);
}

TEST_CASE("atomic_file: a path that cannot be written names the reason", "[atomic_file]") {
  const TemporaryDirectory directory;
  CHECK(io_error(directory.file("missing/f")).find("No such file or directory") != std::string::npos);
  write_file(directory.file("file"), "old");
  CHECK(io_error(directory.file("file/f")).find("Not a directory") != std::string::npos);
  CHECK(read_file(directory.file("file")) == "old");
  CHECK(io_error(directory.file("")).find("not a regular file") != std::string::npos);
  REQUIRE(mkfifo(directory.file("pipe").c_str(), 0600) == 0);
  CHECK(io_error(directory.file("pipe")).find("not a regular file") != std::string::npos);
  CHECK(io_error(directory.file(std::string(300, 'n'))).find("File name too long") != std::string::npos);
  CHECK(directory.num_entries() == 2);
}

TEST_CASE("atomic_file: a name may be as long as the file system allows", "[atomic_file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file(std::string(255, 'n'));
  AtomicFile file(path);
  file.write("x");
  file.commit();
  CHECK(read_file(path) == "x");
}

}  // namespace minimoe
