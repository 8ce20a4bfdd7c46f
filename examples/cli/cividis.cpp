// SPDX-License-Identifier: Apache-2.0
#include "cividis.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace cli {

namespace {

struct Colour {
  int red, green, blue;
};

constexpr std::array<Colour, 10> kAnchors = {{{254, 232, 56},
                                              {225, 204, 85},
                                              {195, 179, 105},
                                              {165, 156, 116},
                                              {138, 134, 120},
                                              {112, 113, 115},
                                              {87, 93, 109},
                                              {59, 73, 108},
                                              {18, 53, 112},
                                              {0, 34, 78}}};

std::string hex(const Colour& colour) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", colour.red & 255, colour.green & 255, colour.blue & 255);
  return text;
}

}  // namespace

std::string cividis(double part) {
  const double at = std::clamp(std::isfinite(part) ? part : 0.0, 0.0, 1.0) * (kAnchors.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(at), kAnchors.size() - 2);
  const double rest = at - static_cast<double>(low);
  const auto mix = [&](int Colour::*channel) {
    return static_cast<int>(std::lround((1 - rest) * kAnchors[low].*channel + rest * kAnchors[low + 1].*channel));
  };
  return hex({mix(&Colour::red), mix(&Colour::green), mix(&Colour::blue)});
}

std::string cividis_anchors() {
  std::string text;
  for (std::size_t i = 0; i < kAnchors.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(i) + " '" + hex(kAnchors[i]) + "'";
  }
  return text;
}

bool text_is_white(double part) { return part > 0.5; }

}  // namespace cli
