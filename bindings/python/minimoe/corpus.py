# SPDX-License-Identifier: Apache-2.0
"""A text to look into: the embedded grammar corpus, or a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import _calls as raw
from .config import text_of
from .dataset import Dataset
from .errors import Unsupported
from .options import Options, raw_options


class Sentence(NamedTuple):
    """A sentence of the grammar corpus."""

    text: str
    tokens: list[int]
    classes: list[str]
    """The class name of each token: "verb", "noun", ..."""
    kind: str
    """The drill that made it."""


class Corpus(Dataset):
    """A dataset whose tokens are words or bytes of a text.

        corpus = Corpus()                        # the embedded grammar tutor, English and Spanish
        corpus = Corpus(languages=["es"])
        corpus = Corpus("book.txt")              # UTF-8 text, CoNLL-U (also .gz), nanoGPT .bin

    Keywords are keys of the configuration's "data" part. Without an end, and the same for the same seed:

        for sentence in corpus.sentences("train", 3): print(sentence.text)
    """

    __slots__ = ()

    def __init__(self, corpus: str | os.PathLike[str] = "grammar", *, options: Options | None = None,
                 **data: Any) -> None:
        data["corpus"] = os.fspath(corpus)
        self._raw = raw.minimoe_dataset_open(text_of({"data": data}), raw_options(options))

    def sentences(self, split: str = "train", count: int | None = None, *, seed: int = 36000) -> Iterator[Sentence]:
        """The first `count` sentences of a split, None for all there are ("train" has no end). Only of the grammar
        corpus: Unsupported for others, which have `windows`."""
        first = self.sentence(split, 0, seed=seed)
        if first is None:
            raise Unsupported(f"sentences: {self.name} is not made of sentences; it has windows")
        names = self.class_names
        return (self._sentence(split, index, seed, names)
                for index in (itertools.count() if count is None else range(count)))

    def _sentence(self, split: str, index: int, seed: int, names: list[str]) -> Sentence:
        found = self.sentence(split, index, seed=seed)
        assert found is not None
        tokens: list[int] = found["tokens"]
        return Sentence(self.decode(tokens).strip(), tokens, [names[i] for i in found["classes"]], found["kind"])

    def words(self) -> list[str]:
        """The text of each token id: a word of the grammar corpus and of CoNLL-U, a byte of a text."""
        return [self.decode([token]) for token in range(self.vocab_size)]
