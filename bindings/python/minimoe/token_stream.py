# SPDX-License-Identifier: Apache-2.0
"""A continuation that is pulled, token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _calls as raw
from ._arrays import filled, tokens_of
from ._handle import Handle
from .cancel import CancelToken, raw_token
from .config import _parse

if TYPE_CHECKING:
    from .model import Model


class TokenStream(Handle[raw.minimoe_token_stream]):
    """An iterator of token ids; `Model.stream` makes it. It keeps its model alive, and the keys and values of the text so
    far, so that a token costs one token. Unsupported once the model's parameters have changed. A token that Ctrl-C keeps
    from being returned is in `tokens`.

        for token in model.stream(dataset.encode("the "), temperature=0.8, top_p=0.9):
            print(dataset.decode([token]), end="", flush=True)
    """

    __slots__ = ("_cancel",)

    def __init__(self, model: Model, prompt: Any, options: str, cancel: CancelToken | None = None) -> None:
        self._cancel = raw_token(cancel)
        self._raw = raw.minimoe_token_stream_create(model._handle, tokens_of("prompt", prompt), options)

    def __iter__(self) -> TokenStream:
        return self

    def __next__(self) -> int:
        token = raw.minimoe_token_stream_next(self._handle, self._cancel)
        if token < 0:
            raise StopIteration
        return token

    @property
    def tokens(self) -> npt.NDArray[np.int32]:
        """The ids drawn so far, without the prompt."""
        return filled(np.int32, lambda out: raw.minimoe_token_stream_tokens(self._handle, out))

    def logits(self) -> npt.NDArray[np.float32]:
        """Those that the last token was drawn from, [V]; none before the first and after a failure."""
        return filled(np.float32, lambda out: raw.minimoe_token_stream_logits(self._handle, out))

    def info(self) -> dict[str, Any]:
        """{"num_tokens", "end": None, "max_new_tokens", "stop_token" or "max_seq_len", "memory_bytes",
        "packed_weights_bytes"}"""
        result: dict[str, Any] = _parse(raw.minimoe_token_stream_info(self._handle))
        return result

    def __repr__(self) -> str:
        return "<TokenStream, closed>" if self.closed else f"<TokenStream, {self.info()['num_tokens']} tokens>"
