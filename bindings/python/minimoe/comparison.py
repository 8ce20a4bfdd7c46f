# SPDX-License-Identifier: Apache-2.0
"""MoE against dense: the verdict of a comparison, and what it found."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from . import _calls as raw
from .config import _parse, to_json


class Comparison(dict[str, Any]):
    """{"verdict", "rule", "reasons", "gain", "gain_low", "gain_high", "cpu_time_ratio", "differences", "limits",
    "spread"}. A notebook shows it with pictures."""

    @property
    def verdict(self) -> str:
        """"adopt", "never" or "defer"."""
        result: str = self["verdict"]
        return result

    def __str__(self) -> str:
        """The verdict, its rule and its reasons."""
        return "\n".join([f"{self.verdict}: {self['rule']}", *(f"- {reason}" for reason in self["reasons"])])

    def _repr_html_(self) -> str:
        from .notebook import comparison_html

        return comparison_html(self)


def compare_verdict(figures: Mapping[str, Any], /) -> Comparison:
    """Should one take the MoE model instead of a dense one, by a rule written down before the figures are seen.

    figures: {"moe_variant": {"val_loss": [nats a token, one a seed], "cpu_time_s": [...]}, "dense_baseline": ...,
    "dense_active_matched": ..., "dense_total_matched": ...}; cpu_time_s is only needed of the first two.
    """
    return Comparison(_parse(raw.minimoe_compare_verdict(to_json("figures", figures))))


def compare_findings(manifest: Mapping[str, Any] | str | os.PathLike[str], /) -> str:
    """What a comparison found, as Markdown of 300 to 600 words. manifest: the content or the path of manifest.json of
    `minimoe compare`, or the text itself."""
    if isinstance(manifest, Mapping):
        return raw.minimoe_compare_findings(to_json("manifest", manifest))
    if isinstance(manifest, str) and manifest.lstrip().startswith("{"):
        return raw.minimoe_compare_findings(manifest)
    if not isinstance(manifest, (str, os.PathLike)):
        raise TypeError(f"manifest: expected a mapping, a path or JSON text, got {type(manifest).__name__}")
    return raw.minimoe_compare_findings(pathlib.Path(manifest).read_bytes())
