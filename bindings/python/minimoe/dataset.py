# SPDX-License-Identifier: Apache-2.0
"""Where tokens come from."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _calls as raw
from ._arrays import filled, flags_of, tokens_of
from ._handle import Handle, another_owner
from .config import Config, _parse, text_of, to_json
from .errors import Unsupported
from .options import Options, raw_options


class Window(NamedTuple):
    """seq_len + 1 tokens: `inputs` and, shifted by one, `targets`."""

    tokens: npt.NDArray[np.int32]
    classes: npt.NDArray[np.uint8]
    """As many, or none when the dataset has no class names."""

    @property
    def inputs(self) -> npt.NDArray[np.int32]:
        """All but the last token."""
        return self.tokens[:-1]

    @property
    def targets(self) -> npt.NDArray[np.int32]:
        """All but the first."""
        return self.tokens[1:]


class Dataset(Handle[raw.minimoe_dataset]):
    """Tokens to train on and to evaluate with.

    `Dataset.open` reads what a configuration's "data" part names, `Dataset.borrow` lends arrays without a copy, and
    `Dataset(vocab_size)` is empty, for `append`. A split is "train" or "val"; the grammar corpus has "held-out-verbs"
    and "held-out-combinations" too.
    """

    __slots__ = ()

    def __init__(self, vocab_size: int, *, val_fraction: float = 0.1, name: str = "memory",
                 class_names: Sequence[str] = (), options: Options | None = None) -> None:
        """An empty dataset of token ids 0..vocab_size-1; the last `val_fraction` (0..0.5) of them validate."""
        text = _description(vocab_size, val_fraction, name, class_names)
        self._raw = raw.minimoe_dataset_create(text, raw_options(options))

    @classmethod
    def _of(cls, handle: raw.minimoe_dataset) -> Any:
        dataset = cls.__new__(cls)
        dataset._raw = handle
        return dataset

    @classmethod
    def open(cls, corpus: str | os.PathLike[str] | None = None, /, *, config: Mapping[str, Any] | str | None = None,
             options: Options | None = None, **data: Any) -> Dataset:
        """What the "data" part of `config` names: the embedded grammar corpus ("grammar"), UTF-8 text, CoNLL-U (also
        .gz) or nanoGPT .bin. `corpus` and further keywords (`format`, `languages`, `val_fraction`, ...) are keys of
        that part."""
        if corpus is not None:
            data["corpus"] = os.fspath(corpus)
        whole = Config(config).updated({"data": data})
        result: Dataset = Dataset._of(raw.minimoe_dataset_open(text_of(whole), raw_options(options)))
        return result

    @classmethod
    def from_array(cls, tokens: Any, vocab_size: int, *, classes: Any = None, val_fraction: float = 0.1,
                   name: str = "memory", class_names: Sequence[str] = (), options: Options | None = None) -> Dataset:
        """A dataset with a copy of `tokens` (as `append`)."""
        dataset = Dataset(vocab_size, val_fraction=val_fraction, name=name, class_names=class_names, options=options)
        dataset.append(tokens, classes)
        return dataset

    @classmethod
    def borrow(cls, tokens: Any, vocab_size: int, *, classes: Any = None, val_fraction: float = 0.1,
               name: str = "memory", class_names: Sequence[str] = ()) -> Dataset:
        """A dataset over an int32 or uint16 array, np.memmap included, without a copy. The array is kept alive, and
        must not change, until the dataset and everything trained on it are gone."""
        text = _description(vocab_size, val_fraction, name, class_names)
        call = raw.mm_dataset_borrow_u16 if _is_uint16(tokens) else raw.mm_dataset_borrow_i32
        result: Dataset = Dataset._of(call(text, tokens, classes))
        return result

    def append(self, tokens: Any, classes: Any = None) -> None:
        """Appends tokens (an int32 or uint16 array, or a list) to a dataset made for it.

        classes: each token's index into class_names (uint8), exactly when the dataset has class names.
        """
        tokens = tokens_of("tokens", tokens)
        call = raw.minimoe_dataset_append_u16 if _is_uint16(tokens) else raw.minimoe_dataset_append_i32
        call(self._handle, tokens, flags_of("classes", classes))

    def info(self) -> dict[str, Any]:
        """{"name", "sha256", "vocab_size", "class_names", "memory_bytes", "splits"}"""
        result: dict[str, Any] = _parse(raw.minimoe_dataset_info(self._handle))
        return result

    @property
    def name(self) -> str:
        """"grammar", a file's name, or that of the constructor."""
        result: str = self.info()["name"]
        return result

    @property
    def vocab_size(self) -> int:
        """Token ids are 0..vocab_size-1."""
        result: int = self.info()["vocab_size"]
        return result

    @property
    def class_names(self) -> list[str]:
        """Names of the token classes; empty without them."""
        result: list[str] = self.info()["class_names"]
        return result

    @property
    def splits(self) -> list[str]:
        """Those with evaluation windows."""
        result: list[str] = self.info()["splits"]
        return result

    def fit_config(self, config: Mapping[str, Any] | str | None = None, /, **keywords: Any) -> Config:
        """The resolved configuration, with model.vocab_size set to that of the dataset where it was 0."""
        return Config(_parse(raw.minimoe_dataset_fit_config(self._handle, text_of(Config(config, **keywords)))))

    def tokenizer(self) -> str:
        """The alphabet as a tokenizer.json of Hugging Face's tokenizers, which gives the ids of `encode`."""
        return raw.minimoe_dataset_tokenizer(self._handle)

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """Tokens of a text in the dataset's own alphabet; one in memory reads decimal ids between white space."""
        return filled(np.int32, lambda out: raw.minimoe_dataset_encode(self._handle, text, out))

    def decode(self, tokens: Any) -> str:
        """Text of tokens, for people; the inverse of encode up to white space."""
        return raw.minimoe_dataset_decode(self._handle, tokens_of("tokens", tokens))

    def num_windows(self, split: str, seq_len: int) -> int:
        """Evaluation windows of seq_len + 1 tokens; 0 for "train", whose windows have no end."""
        return raw.minimoe_dataset_num_windows(self._handle, split, seq_len)

    def window(self, split: str, index: int, seq_len: int, *, seed: int = 36000) -> Window:
        """Window `index` of a split. `seed` (that of train.seed) chooses the stream of "train"; others ignore it."""
        sizes = raw.minimoe_dataset_window(self._handle, split, seed, index, seq_len, None, None)
        tokens, classes = np.empty(sizes[0], np.int32), np.empty(sizes[1], np.uint8)
        raw.minimoe_dataset_window(self._handle, split, seed, index, seq_len, tokens, classes)
        return Window(tokens, classes)

    def windows(self, split: str, seq_len: int, count: int | None = None, *, seed: int = 36000) -> Iterator[Window]:
        """The first `count` windows of a split (None: all; those of "train" have no end)."""
        if count is None and split != "train":
            count = self.num_windows(split, seq_len)
        indices = itertools.count() if count is None else range(count)
        return (self.window(split, index, seq_len, seed=seed) for index in indices)

    def sentence(self, split: str, index: int, *, seed: int = 36000) -> dict[str, Any] | None:
        """{"tokens", "classes", "kind"} of the grammar corpus; None for a dataset that is not made of sentences."""
        try:
            text = raw.minimoe_dataset_sentence(self._handle, split, seed, index)
        except Unsupported:
            return None
        result: dict[str, Any] = _parse(text)
        return result

    def entropy_floor(self, split: str, seq_len: int, num_windows: int = 0) -> float | None:
        """The loss, in nats a token, that no model can expect to go below on the first windows (0: all of them, except
        for "train"); None where the true distribution is not known."""
        try:
            return raw.minimoe_dataset_entropy_floor(self._handle, split, seq_len, num_windows)
        except Unsupported:
            return None

    def __copy__(self) -> Dataset:
        """Another object over the same dataset."""
        result: Dataset = type(self)._of(another_owner(self._handle.another_owner()))
        return result

    def __repr__(self) -> str:
        if self.closed:
            return f"<{type(self).__name__}, closed>"
        info = self.info()
        return f"<{type(self).__name__} {info['name']!r}, {info['vocab_size']} token ids>"


def _description(vocab_size: int, val_fraction: float, name: str, class_names: Sequence[str]) -> str:
    if isinstance(class_names, str):
        raise TypeError("class_names: expected a sequence of str, got str")
    return to_json("dataset", {"vocab_size": vocab_size, "val_fraction": val_fraction, "name": name,
                               "class_names": list(class_names)})


def _is_uint16(tokens: Any) -> bool:
    try:
        return memoryview(tokens).format in ("H", "=H", "<H", ">H")
    except (TypeError, ValueError, BufferError):
        return False
