# SPDX-License-Identifier: Apache-2.0
"""What every object over a handle of the library has in common."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Generic, TypeVar

from .errors import ClosedError, OutOfMemory

Raw = TypeVar("Raw")
Self = TypeVar("Self", bound="Handle[object]")


class Handle(Generic[Raw]):
    """Owns a handle. It ends when the last object that uses it is gone, or with `close()`."""

    __slots__ = ("__weakref__", "_raw")
    _raw: Raw | None

    @property
    def _handle(self) -> Raw:
        handle = self._raw
        if handle is None:
            raise ClosedError(f"{type(self).__name__}: it is closed")
        return handle

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._raw is None

    def close(self) -> None:
        """Lets go of the handle; later calls raise ClosedError. One that another thread is in runs to its end first."""
        self._raw = None

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} cannot be pickled")

    def __enter__(self: Self) -> Self:
        self._handle  # noqa: B018  (refuses a closed one)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()


def another_owner(owner: Raw | None) -> Raw:
    """What `another_owner` of the raw layer gave, unless it failed."""
    if owner is None:
        raise OutOfMemory("no other owner of the handle could be made")
    return owner


def expect(name: str, value: object, kind: type) -> None:
    """TypeError that names the argument unless it is of the kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected a {kind.__name__}, got {type(value).__name__}")
