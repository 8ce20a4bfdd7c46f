// SPDX-License-Identifier: Apache-2.0
#include "child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "exit_codes.hpp"
#include "machine.hpp"

extern char** environ;

namespace cli {

namespace {

constexpr std::size_t kMaxOutput = 1 << 16;
constexpr int kPollMilliseconds = 20;

// The signals that this program ignores would stay ignored in the child, and a full disk would pass unseen there.
pid_t spawn(const std::vector<std::string>& arguments, const std::filesystem::path& directory, int output, int* error) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGXFSZ);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = -1;
  *error = posix_spawnp(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

// Until the end of the output or the deadline.
void read_output(int from, double deadline, std::string& output) {
  for (;;) {
    pollfd waiting = {from, POLLIN, 0};
    const int ready = poll(&waiting, 1, kPollMilliseconds);
    if (wall_seconds() > deadline) return;
    if (ready <= 0) continue;
    char block[4096];
    const ssize_t got = read(from, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    if (output.size() < kMaxOutput) output.append(block, static_cast<std::size_t>(got));
  }
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
                      double timeout_seconds) {
  const double deadline = wall_seconds() + timeout_seconds;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw RunFailed(std::string("cannot make a pipe: ") + std::strerror(errno));
  int error = 0;
  const pid_t child = spawn(arguments, directory, ends[1], &error);
  close(ends[1]);
  ChildResult result;
  if (error != 0) {
    close(ends[0]);
    if (error == ENOENT || error == EACCES || error == ENOTDIR) return result;
    throw RunFailed("cannot start " + arguments.front() + ": " + std::strerror(error));
  }
  result.found = true;
  read_output(ends[0], deadline, result.output);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {  // it may close its output and go on
    if (wall_seconds() > deadline) {
      result.timed_out = true;
      kill(child, SIGKILL);
      while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      break;
    }
    poll(nullptr, 0, 1);
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

}  // namespace cli
