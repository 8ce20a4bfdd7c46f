#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds our byte-level BPE against the tokenizers library: merges and ids of training, and ids of our tokenizer.json in it.

Usage: compare_tokenizers.py TEST_PROGRAM [FILE VOCAB ...]. Needs the package tokenizers (in this Python, or in the one that
$TOKENIZERS_PYTHON names); without it exit code 77. Without files: texts made here.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

try:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
except ImportError:
    other = os.environ.get("TOKENIZERS_PYTHON", "")
    if other and other != sys.executable:
        os.execv(other, [other, *sys.argv])
    print("skipped: no tokenizers; pip install tokenizers, or set TOKENIZERS_PYTHON to a Python that has it")
    sys.exit(77)

WORDS = "the of and to in is you that it he was for on are as with his they I at be this have from or one had by word".split()
ACCENTED = "niño corazón pingüino été ñandú Straße Ελλάδα Москва 日本語 ١٢٣ 五 naïve œuvre".split()


def prose(seed, size):
    """Words of Zipf's frequencies with endings, numbers, punctuation, contractions and white space of all sorts."""
    rng, text = random.Random(seed), ""
    while len(text) < size:
        word = WORDS[min(int(rng.paretovariate(0.8)) - 1, len(WORDS) - 1)]
        word = rng.choice([word, word, word.capitalize(), word + rng.choice(["s", "ed", "ing", "'s", "'ll", "'T", "'re"]),
                           rng.choice(ACCENTED), str(rng.randrange(100000)), rng.choice("!?.,;:-()\"'&*#") * rng.randrange(1, 4)])
        text += word + rng.choice([" "] * 12 + ["", "\n", "\n\n", "  ", " \t", "\u00a0", "\r\n", " \u3000", "\u2028"])
    return text


def every_script():
    """Each character below U+20000, and of large blocks each 64th and the last: between letters, between digits, and between
    marks, so that its class decides the pieces."""
    blocks = [(0x3400, 0x4DC0), (0x4E00, 0xA000), (0xAC00, 0xD7A4), (0xE000, 0xF900), (0x17000, 0x18D00), (0x1B170, 0x1BC00),
              (0x20000, 0x110000)]
    ends = {0x2A6DF, 0x2A6E0, 0x2B739, 0x2B73A, 0x2EE5D, 0x2EE5E, 0x323AF, 0x323B0} | {b for block in blocks for b in block}
    characters = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 and
                  (c % 64 == 0 or c in ends or c + 1 in ends or not any(a <= c < b for a, b in blocks))]
    return "".join(f"a{c}a1{c}1!{c}!\n" for c in characters)


def check(program, directory, name, text, vocab):
    path = pathlib.Path(directory) / name
    path.write_bytes(text.encode())
    subprocess.run([program, "[.bpe_sample]"], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "MINIMOE_SAMPLE_FILE": str(path), "MINIMOE_SAMPLE_VOCAB": str(vocab)})
    ours = json.loads(pathlib.Path(f"{path}.tokenizer.json").read_text())
    ids = [int(line) for line in pathlib.Path(f"{path}.ids").read_text().split()]

    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.train_from_iterator([text], trainers.BpeTrainer(vocab_size=vocab, show_progress=False,
                                                           initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(theirs.to_str())["model"]
    assert model["vocab"] == ours["model"]["vocab"], f"{name}: other vocabularies"
    assert model["merges"] == ours["model"]["merges"], f"{name}: other merges"
    assert theirs.encode(text).ids == ids, f"{name}: other ids"

    loaded = Tokenizer.from_file(f"{path}.tokenizer.json")
    assert loaded.encode(text).ids == ids, f"{name}: other ids from our file"
    assert loaded.decode(ids, skip_special_tokens=False) == text, f"{name}: decoded to another text"
    print(f"{name}: {len(text)} characters, {len(ours['model']['merges'])} merges, {len(ids)} ids, all equal", flush=True)


def main(program, files):
    with tempfile.TemporaryDirectory() as directory:
        for file, vocab in zip(files[::2], files[1::2]):
            check(program, directory, pathlib.Path(file).name, pathlib.Path(file).read_bytes().decode(), int(vocab))
        if files:
            return
        for seed, vocab in enumerate((256, 300, 1000, 5000)):
            check(program, directory, f"prose {seed}", prose(seed, 100000), vocab)
        rng = random.Random(5)
        for number in range(20):  # few letters: many equal counts, and tokens that come about in two ways
            letters = "ab" if number % 2 else "abc "
            check(program, directory, f"letters {number}", "".join(rng.choice(letters) for _ in range(300)), 256 + 4 * number)
        check(program, directory, "every script", every_script(), 300)


main(sys.argv[1], sys.argv[2:])
