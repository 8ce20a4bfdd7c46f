# SPDX-License-Identifier: Apache-2.0
"""Makes unicode_classes.cpp: which code points are letters (category L), numbers (N) and White_Space.

Usage: make_unicode_classes.py > unicode_classes.cpp. Needs the package unicodedata2 of the version of Unicode below, which
is that of the PyPI package tokenizers 0.22 and 0.23.
"""
import unicodedata2

UNICODE = "16.0.0"
SPACE = [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]  # PropList.txt
HEAD = f"""\
// SPDX-License-Identifier: Apache-2.0
// Made by make_unicode_classes.py from Unicode {UNICODE}.
#include "data/bpe/unicode_classes.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace minimoe {{
namespace {{

// Where a run of code points of one class begins, times 4, plus the class.
// clang-format off
constexpr std::uint32_t kRuns[] = {{
"""
TAIL = """\
};
// clang-format on

}  // namespace

UnicodeClass unicode_class(char32_t code_point) {
  const auto after = std::upper_bound(std::begin(kRuns), std::end(kRuns), code_point * std::uint32_t{4} + 3);
  return static_cast<UnicodeClass>(*std::prev(after) & 3);
}

}  // namespace minimoe
"""


def class_of(code_point):
    if code_point in SPACE:
        return 3
    return {"L": 1, "N": 2}.get(unicodedata2.category(chr(code_point))[0], 0)


def main():
    assert unicodedata2.unidata_version == UNICODE
    runs, last = [], None
    for code_point in range(0x110000):
        found = class_of(code_point)
        if found != last:
            runs.append(str(code_point * 4 + found))
        last = found
    print(HEAD, end="")
    line = "   "
    for run in runs:
        if len(line) + len(run) + 2 > 120:
            print(line)
            line = "   "
        line += f" {run},"
    print(line)
    print(TAIL, end="")


main()
