# SPDX-License-Identifier: Apache-2.0
"""Exceptions by kind. Each is an `Error` and, where Python has a word for it, that builtin exception too."""

from __future__ import annotations

from . import _calls as raw


class Error(Exception):
    """A call that did not succeed.

    `code` is the status of the C interface, `status` its name; the message says where, what came and what is allowed.
    """

    code: int = raw.MINIMOE_E_INTERNAL

    @property
    def status(self) -> str:
        """The name of `code`: "MINIMOE_E_BUSY"."""
        return raw.minimoe_status_name(self.code)


class InvalidArgument(Error, ValueError):
    """A value is outside what is allowed."""

    code = raw.MINIMOE_E_INVALID_ARGUMENT


class ClosedError(InvalidArgument):
    """The object was closed."""


class ShapeError(Error, ValueError):
    """A count or shape does not fit the others, or the object."""

    code = raw.MINIMOE_E_SHAPE


class OutOfMemory(Error, MemoryError):
    """An allocation failed, or a thread could not be started."""

    code = raw.MINIMOE_E_OUT_OF_MEMORY


class FileError(Error, OSError):
    """The operating system refused a file operation."""

    code = raw.MINIMOE_E_IO


class CorruptFile(Error, OSError):
    """A file's content is not what its format promises."""

    code = raw.MINIMOE_E_CORRUPT_FILE


class NonFinite(Error, ArithmeticError):
    """A loss, gradient or logit is NaN or infinite."""

    code = raw.MINIMOE_E_NON_FINITE


class Unsupported(Error, NotImplementedError):
    """Valid, but this build, machine or object cannot do it."""

    code = raw.MINIMOE_E_UNSUPPORTED


class InternalError(Error, RuntimeError):
    """A bug of the library."""


class BufferTooSmall(Error, ValueError):
    """An output array has fewer elements than there are results."""

    code = raw.MINIMOE_E_BUFFER_TOO_SMALL


class Busy(Error, RuntimeError):
    """Another call is using the object, or the model already has a trainer. Nothing is queued: wait, or cancel it."""

    code = raw.MINIMOE_E_BUSY


class Cancelled(Error):
    """The cancel token that the call was given was fired."""

    code = raw.MINIMOE_E_CANCELLED


class Forked(Error, RuntimeError):
    """The object was inside a call of another thread when the process was forked."""

    code = raw.MINIMOE_E_FORKED


class VersionMismatch(Error, ImportError):
    """The extension and the library that it found do not fit together."""

    code = raw.MINIMOE_E_VERSION


_BY_CODE: dict[int, type[Error]] = {
    kind.code: kind
    for kind in (InvalidArgument, ShapeError, OutOfMemory, FileError, CorruptFile, NonFinite, Unsupported,
                 InternalError, BufferTooSmall, Busy, Cancelled, Forked, VersionMismatch)
}


def from_status(code: int, message: str) -> Error:
    """The exception of a status other than MINIMOE_OK."""
    error = _BY_CODE.get(code, InternalError)(message)
    if code != error.code:  # a status newer than this package
        error.code = code
    return error
