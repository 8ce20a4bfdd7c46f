# SPDX-License-Identifier: Apache-2.0
"""What the experts of a model do with the tokens of a dataset."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from . import _calls as raw
from ._handle import expect
from ._path import path_of
from .cancel import CancelToken, raw_token
from .config import _parse, to_json
from .dataset import Dataset, Window
from .model import Model, RoutingTrace
from .options import Options, raw_options


@dataclasses.dataclass(frozen=True)
class Analysis:
    """Of `analyze`; docs/specialisation.md has the definitions."""

    specialisation: dict[str, Any]
    """What the experts divide by: as Model.specialisation."""
    capacity: dict[str, Any]
    """What the capacity limit costs: as Model.capacity_report."""
    traces: list[tuple[Window, RoutingTrace]]
    """The first windows of the split, and where each of their tokens was sent."""

    def __str__(self) -> str:
        """What a terminal shows."""
        return f"{self.specialisation['text']}\n{self.capacity['text']}"


def analyze(model: Model, dataset: Dataset, split: str = "val", *, max_windows: int = 500, min_class_tokens: int = 100,
            num_traces: int = 1, cancel: CancelToken | None = None, **options: Any) -> Analysis:
    """Do the experts divide by token class, by word form or by nothing, with the controls that tell these apart; what
    the capacity limit costs; where single tokens go.

    max_windows: 0 is all of the split. options: seed, num_permutations, num_bootstrap, num_tables, num_routers,
    num_word_shuffles.
    """
    shared = {"max_windows": max_windows, "min_class_tokens": min_class_tokens}
    specialisation = model.specialisation(dataset, split, cancel=cancel, **shared, **options)
    capacity = model.capacity_report(dataset, split, cancel=cancel, **shared)
    seq_len = model.config["train"]["seq_len"]
    windows = dataset.windows(split, seq_len, min(num_traces, dataset.num_windows(split, seq_len)))
    return Analysis(specialisation, capacity,
                    [(window, model.routing_trace(window.inputs)) for window in windows])


def analyze_hf(path: str | os.PathLike[str], dataset: Dataset, split: str = "val", *, cancel: CancelToken | None = None,
               options: Options | None = None, **keywords: Any) -> dict[str, Any]:
    """What the routers of a directory of Hugging Face's transformers do with a dataset, with one block's weights in
    memory at a time: {"specialisation": as Model.specialisation, "health": as health()}.

    keywords: max_windows (64; 0: all), seq_len (256), batch_size (4), and the draws of `analyze`.
    """
    expect("dataset", dataset, Dataset)
    result: dict[str, Any] = _parse(raw.minimoe_hf_analyze(
        dataset._handle, path_of(path), split, to_json("keywords", keywords), raw_options(options), raw_token(cancel)))
    return result
