# SPDX-License-Identifier: Apache-2.0
"""Arrays in and out. Buffers are passed on as they are: the raw layer refuses what would need a copy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import ShapeError

Scalar = TypeVar("Scalar", bound=np.generic)


def tokens_of(name: str, tokens: Any) -> Any:
    """Token ids: anything with a buffer as it is; a list or tuple of ints becomes an int32 array."""
    if not isinstance(tokens, (list, tuple)):
        return tokens
    try:
        array = np.array(tokens)
    except ValueError as error:
        raise ShapeError(f"{name}: {error}") from None
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers")
    limits = np.iinfo(np.int32)
    if array.size and not limits.min <= array.min() <= array.max() <= limits.max:
        raise ValueError(f"{name}: a number is outside of int32")
    return array.astype(np.int32)


def flags_of(name: str, flags: Any) -> Any:
    """`valid` and `classes`: a list or tuple becomes a uint8 array; None and buffers pass."""
    if not isinstance(flags, (list, tuple)):
        return flags
    try:
        array = np.array(flags, dtype=np.int64)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None
    if array.size and not 0 <= array.min() <= array.max() <= 255:
        raise ValueError(f"{name}: a number is outside of 0..255")
    return array.astype(np.uint8)


def shape_of(array: Any) -> tuple[int, ...]:
    """The shape of an array or buffer."""
    shape = getattr(array, "shape", None)
    return tuple(shape if shape is not None else memoryview(array).shape or ())


def sequence_length(name: str, tokens: Any, seq_len: int | None) -> int:
    """`seq_len`, or that of tokens [S] or [B, S]."""
    if seq_len is not None:
        return seq_len
    if not hasattr(tokens, "shape") and not isinstance(tokens, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name}: expected an array of int32 or a list of ints, got {type(tokens).__name__}")
    shape = shape_of(tokens)
    if len(shape) not in (1, 2):
        raise ShapeError(f"{name}: expected [S] or [B, S], got {list(shape)}")
    return shape[-1]


def like_shape(name: str, array: Any, shape: tuple[int, ...], *, flat: bool = True) -> None:
    """ShapeError unless an output array has this shape, or is one-dimensional with as many elements."""
    got = shape_of(array)
    if got != shape and not (flat and got == (math.prod(shape),)):
        raise ShapeError(f"{name}: expected {list(shape)}, got {list(got)}")


def filled(dtype: type[Scalar], call: Callable[[Any], int]) -> npt.NDArray[Scalar]:
    """The elements of call(out), which is asked for their number first."""
    out = np.empty(call(None), dtype)
    count = call(out)
    return out if count == out.size else out[:count]


Integers = Sequence[int] | npt.NDArray[np.int32]
