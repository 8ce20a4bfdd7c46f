# SPDX-License-Identifier: Apache-2.0
"""Stopping a call from another thread."""

from __future__ import annotations

from . import _calls as raw
from ._handle import Handle, another_owner


class CancelToken(Handle[raw.minimoe_cancel_token]):
    """Stops calls that were given it, at the next micro-batch, batch or token. Any thread may fire it; it stays fired.

    Ctrl-C needs no token. It fires the one that the call on the main thread was given, if any.
    """

    __slots__ = ()

    def __init__(self) -> None:
        self._raw = raw.minimoe_cancel_token_create()

    def fire(self) -> None:
        """Stops what was given this token: it raises Cancelled."""
        raw.minimoe_cancel_token_fire(self._handle)

    @property
    def fired(self) -> bool:
        """Whether it was fired."""
        return raw.minimoe_cancel_token_fired(self._handle)

    def __copy__(self) -> CancelToken:
        """Another object over the same token."""
        copy = CancelToken.__new__(CancelToken)
        copy._raw = another_owner(self._handle.another_owner())
        return copy

    def __repr__(self) -> str:
        return "<CancelToken, closed>" if self.closed else f"<CancelToken, {'fired' if self.fired else 'not fired'}>"


def raw_token(cancel: CancelToken | None) -> raw.minimoe_cancel_token | None:
    """@private"""
    if cancel is None:
        return None
    if not isinstance(cancel, CancelToken):
        raise TypeError(f"cancel: expected a CancelToken or None, got {type(cancel).__name__}")
    return cancel._handle
