# SPDX-License-Identifier: Apache-2.0
"""Lines of the library's log become records of `logging.getLogger("minimoe")`."""

from __future__ import annotations

import logging

from . import _calls as raw

logger = logging.getLogger("minimoe")
logger.addHandler(logging.NullHandler())

_LEVELS = {
    raw.MINIMOE_LOG_WARNING: logging.WARNING,
    raw.MINIMOE_LOG_INFO: logging.INFO,
    raw.MINIMOE_LOG_TRACE: logging.DEBUG,
}


def emit(level: int, line: str) -> None:
    """Called on the thread that is inside a call of the library."""
    logger.log(_LEVELS.get(level, logging.DEBUG), "%s", line)


def wanted_level() -> int:
    """The level to ask the library for. Lines a micro-batch are only made when the logger shows them."""
    return raw.MINIMOE_LOG_TRACE if logger.isEnabledFor(logging.DEBUG) else raw.MINIMOE_LOG_INFO
