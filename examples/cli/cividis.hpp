// SPDX-License-Identifier: Apache-2.0
// A scale of colours that grows evenly in lightness, for people who see colours and for those who do not, and on paper
// without any: Nuñez, Anderton and Renslow, "Optimizing colormaps with consideration for color vision deficiency",
// PLOS ONE 13(7), 2018. Dark is much here: paper is white.
#pragma once

#include <string>

namespace cli {

/// The colour of 0 (light) to 1 (dark): "#fee838".
std::string cividis(double part);
/// For gnuplot's `set palette defined`.
std::string cividis_anchors();
/// Whether a number on that colour is read better in white.
bool text_is_white(double part);

}  // namespace cli
