# SPDX-License-Identifier: Apache-2.0
"""Train, watch and embed Mixture-of-Experts language models on a CPU.

    corpus = minimoe.Corpus()
    config = corpus.fit_config("lab", steps=200)
    with minimoe.Trainer(minimoe.Model(config), corpus, config) as trainer:
        for step in trainer.steps():
            print(step.step, step.loss)
        print(trainer.health())

Objects own handles of the library and may be used from any thread; one that is being trained raises Busy elsewhere.
Long calls release the GIL.
"""

from __future__ import annotations

import atexit as _atexit

from . import _calls as _raw_calls
from . import _log
from .errors import (  # the factory first: whatever fails from here on has its kind
    BufferTooSmall,
    Busy,
    Cancelled,
    ClosedError,
    CorruptFile,
    Error,
    FileError,
    Forked,
    InternalError,
    InvalidArgument,
    NonFinite,
    OutOfMemory,
    ShapeError,
    Unsupported,
    VersionMismatch,
    from_status,
)

_raw_calls.mm_set_hooks(from_status, _log.emit)
_atexit.register(_raw_calls.mm_leave_python)
_raw_calls.minimoe_check_version(_raw_calls.MINIMOE_VERSION_NUMBER)

from . import config  # noqa: E402
from .analysis import Analysis, analyze, analyze_hf  # noqa: E402
from .cancel import CancelToken  # noqa: E402
from .comparison import Comparison, compare_findings, compare_verdict  # noqa: E402
from .config import Config, breaks, cost, estimate_memory, keys, preset, resolve  # noqa: E402
from .corpus import Corpus, Sentence  # noqa: E402
from .dataset import Dataset, Window  # noqa: E402
from .health import Health, health, load_statistics  # noqa: E402
from .laboratory import break_findings, config_balancers, config_variants, run_findings  # noqa: E402
from .library import build_info, version_number  # noqa: E402
from .model import Model, RoutingTrace  # noqa: E402
from .moe_cache import MoECache, RoutingMetrics  # noqa: E402
from .moe_layer import MoELayer  # noqa: E402
from .options import Options, allocated_bytes  # noqa: E402
from .parameters import ParameterView  # noqa: E402
from .token_stream import TokenStream  # noqa: E402
from .trainer import Evaluation, Step, Trainer, checkpoint_info  # noqa: E402

__version__: str = _raw_calls.minimoe_version_string()

__all__ = [
    "Analysis",
    "BufferTooSmall",
    "Busy",
    "CancelToken",
    "Cancelled",
    "ClosedError",
    "Comparison",
    "Config",
    "Corpus",
    "CorruptFile",
    "Dataset",
    "Error",
    "Evaluation",
    "FileError",
    "Forked",
    "Health",
    "InternalError",
    "InvalidArgument",
    "Model",
    "MoECache",
    "MoELayer",
    "NonFinite",
    "Options",
    "OutOfMemory",
    "ParameterView",
    "RoutingMetrics",
    "RoutingTrace",
    "Sentence",
    "ShapeError",
    "Step",
    "TokenStream",
    "Trainer",
    "Unsupported",
    "VersionMismatch",
    "Window",
    "allocated_bytes",
    "analyze",
    "analyze_hf",
    "break_findings",
    "breaks",
    "build_info",
    "checkpoint_info",
    "compare_findings",
    "compare_verdict",
    "config",
    "config_balancers",
    "config_variants",
    "cost",
    "estimate_memory",
    "health",
    "keys",
    "load_statistics",
    "preset",
    "resolve",
    "run_findings",
    "version_number",
]
