# SPDX-License-Identifier: Apache-2.0
"""What the dataset cases must give, from the definitions in capi/minimoe.h and docs, without the library."""
import hashlib
import json
import math

import formulas
import philox


class Tokens:
    """A dataset in memory or of a text file. `tokens` are divided into a training and a validation part."""

    def __init__(self, case, files):
        options = json.loads(case["json"])
        self.text = case["kind"] == "open"
        if self.text:
            data = options["data"]
            self.name, self.vocab_size, self.class_names = data["corpus"], 256, []
            self.bytes = files[data["corpus"]].encode()
            self.tokens, fraction = list(self.bytes), data.get("val_fraction", 0.1)
            self.sha256 = hashlib.sha256(self.bytes).hexdigest()
        else:
            self.name, self.vocab_size = options.get("name", "memory"), options["vocab_size"]
            self.class_names, fraction = options.get("class_names", []), options.get("val_fraction", 0.1)
            self.tokens = [formulas.token(case["data_tag"], i, case["vocab_size"]) for i in range(case["num_data"])]
            self.sha256 = ""
        self.num_train = len(self.tokens) - math.floor(len(self.tokens) * fraction + 0.5)

    def classes_of(self, tokens):
        return [t % len(self.class_names) for t in tokens] if self.class_names else []

    def num_windows(self, split, seq_len):
        return (len(self.tokens) - self.num_train) // (seq_len + 1) if split == "val" else 0

    def window(self, split, seed, index, seq_len):
        """None when there is no such window."""
        if split == "train":
            start = philox.below(seed, "data.train", index, self.num_train - seq_len)
        elif index < self.num_windows(split, seq_len):
            start = self.num_train + index * (seq_len + 1)
        else:
            return None
        return self.tokens[start:start + seq_len + 1]

    def decode(self, tokens):
        return bytes(tokens).decode() if self.text else " ".join(map(str, tokens))

    def encode(self, text):
        """None when the text has no tokens of this dataset."""
        if self.text:
            return list(text.encode())
        words = text.split()
        known = all(word.isdigit() and int(word) < self.vocab_size for word in words)
        return [int(word) for word in words] if known else None


INVALID = {"error": "MINIMOE_E_INVALID_ARGUMENT"}


def is_grammar(case):
    return case["kind"] == "open" and "corpus" not in json.loads(case["json"])["data"]


def given(config):
    """{path: value} of every key that a configuration states, for {"json": ..}."""
    paths = {}

    def walk(value, path):
        if isinstance(value, dict):
            for key, below in value.items():
                walk(below, f"{path}{key}/")
        else:
            paths[path[:-1]] = value
    walk(json.loads(config or "{}"), "")
    paths.pop("model/preset", None)
    return paths


def dataset(case, files):
    if is_grammar(case):  # its words are checked elsewhere; here all languages must agree
        splits, size = ["val", "held-out-verbs", "held-out-combinations"], {"count": case["seq_len"] + 1}
        return {"info": {"json": {"name": "grammar", "splits": splits}}, "window.tokens": size, "window.classes": size,
                "fitted": {"json": given(case["config"])}}
    source = Tokens(case, files)
    window = source.window(case["split"], case["seed"], case["index"], case["seq_len"])
    encoded = source.encode(case["text"])
    seq_len = json.loads(case["config"]).get("train", {}).get("seq_len", 64)
    fits = source.num_train > seq_len
    result = {
        "info": {"json": {"name": source.name, "sha256": source.sha256, "vocab_size": source.vocab_size,
                          "class_names": source.class_names, "splits": ["val"]}},
        "num_windows": source.num_windows(case["split"], case["seq_len"]),
        "window.tokens": INVALID if window is None else window,
        "window.classes": INVALID if window is None else source.classes_of(window),
        "encoded": INVALID if encoded is None else encoded,
        "sentence": None,
        "entropy_floor": None,
        "fitted": {"json": given(case["config"]) | {"model/vocab_size": source.vocab_size}} if fits else INVALID,
    }
    if window is not None:
        result["decoded"] = source.decode(window)
    return result


def file(case):
    data = case["text"].encode()
    return {"file": {"fnv1a64": f"{philox.fnv1a64(data):016x}", "size": len(data)}}
