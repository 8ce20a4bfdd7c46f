# SPDX-License-Identifier: Apache-2.0
"""The raw layer as the package calls it: the classes of raw.py, and the extension's own functions in place of the
Python functions around them, whose frames would keep handles alive for as long as a traceback is."""

from .raw import *  # noqa: F403
from ._raw import *  # noqa: F403
