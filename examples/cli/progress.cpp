// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "machine.hpp"

namespace cli {

namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kPlainLineSeconds = 5;
constexpr std::int64_t kBarWidth = 24;

std::string duration_text(double seconds) {
  const std::int64_t s = std::llround(seconds);
  char text[64];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", static_cast<long long>(s / 3600),
                  static_cast<long long>(s / 60 % 60), static_cast<long long>(s % 60));
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", static_cast<long long>(s / 60), static_cast<long long>(s % 60));
  }
  return text;
}

}  // namespace

Progress::Progress(std::string label, std::int64_t done, std::int64_t total, bool quiet)
    : label_(std::move(label)),
      start_step_(done),
      step_(done),
      total_(total),
      started_(wall_seconds()),
      drawn_at_(started_),
      quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::update(std::int64_t step, double loss, std::int64_t tokens) {
  step_ = step;
  loss_ = loss;
  tokens_ += tokens;
  if (quiet_) return;
  const double now = wall_seconds();
  if (now - drawn_at_ < (terminal_ ? kRedrawSeconds : kPlainLineSeconds)) return;
  drawn_at_ = now;
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", line(true).c_str());
    std::fflush(stderr);
    visible_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line(false).c_str());
  }
}

void Progress::clear() {
  if (!visible_) return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  visible_ = false;
}

void Progress::finish() {
  clear();
  if (!quiet_) std::fprintf(stderr, "%s\n", line(false).c_str());
}

std::string Progress::line(bool bar) const {
  const double elapsed = std::max(1e-9, wall_seconds() - started_);
  const std::int64_t done = step_ - start_step_;
  std::string text = label_ + "  ";
  if (bar) {
    const std::int64_t filled = total_ > 0 ? kBarWidth * step_ / total_ : 0;
    text += "[" + std::string(static_cast<std::size_t>(filled), '#') +
            std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "]  ";
  }
  text += "step " + std::to_string(step_) + "/" + std::to_string(total_);
  if (done == 0) return text + "  no step was trained";
  text += "  loss " + fixed(loss_, 3) + "  " +
          count_text(static_cast<std::uint64_t>(static_cast<double>(tokens_) / elapsed)) + " tokens/s";
  text += step_ < total_ && done > 0
              ? "  ETA " + duration_text(elapsed / static_cast<double>(done) * static_cast<double>(total_ - step_))
              : "  in " + duration_text(elapsed);
  return text;
}

}  // namespace cli
