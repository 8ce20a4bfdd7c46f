# SPDX-License-Identifier: Apache-2.0
"""Writes nmi.json: normalised mutual information as scikit-learn counts it (arithmetic mean of the entropies).

Usage: make_nmi.py OUT.json; needs scikit-learn. Labels are of this script's own generator, so a run repeats itself.
"""
import json
import sys

import sklearn
from sklearn.metrics import normalized_mutual_info_score


def labels(seed, count, size):
    """A linear congruential generator: the same labels on every machine."""
    state, drawn = seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        drawn.append((state >> 33) % size)
    return drawn


def case(name, experts, classes, num_experts, num_classes, top_k=1):
    """With K experts a token each assignment is a pair of its own."""
    repeated = [c for c in classes for _ in range(top_k)]
    return {"name": name, "num_experts": num_experts, "num_classes": num_classes, "top_k": top_k, "experts": experts,
            "classes": classes, "nmi": float(normalized_mutual_info_score(repeated, experts))}


def pairs(seed, count, size):
    """Two distinct experts a token."""
    first, step = labels(seed, count, size), labels(seed + 1, count, size - 1)
    return [e for a, b in zip(first, step) for e in (a, (a + 1 + b) % size)]


def main():
    noisy = labels(5, 120, 7)
    moved = [c % 4 if draw else other for c, draw, other in zip(noisy, labels(6, 120, 3), labels(7, 120, 4))]
    cases = [
        case("independent labels", labels(1, 60, 4), labels(2, 60, 5), 4, 5),
        case("expert follows class", [c % 4 for c in labels(3, 80, 6)], labels(3, 80, 6), 4, 6),
        case("equal labels", labels(4, 50, 3), labels(4, 50, 3), 3, 3),
        case("expert mostly follows class", moved, noisy, 4, 7),
        case("two experts a token", pairs(8, 70, 4), labels(9, 70, 5), 4, 5, 2),
        case("one expert has nearly all", [0] * 38 + [1, 2], labels(10, 40, 4), 3, 4),
        case("more experts than tokens of a class", labels(11, 90, 16), labels(12, 90, 2), 16, 2),
    ]
    document = {"scikit-learn": sklearn.__version__, "cases": cases}
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(document, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
