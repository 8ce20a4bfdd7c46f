# SPDX-License-Identifier: Apache-2.0
"""MoELayer.forward as torch.compile meets it: one graph break, and no tracing inside. Imported only while compiling,
since torch.compiler.disable loads the compiler."""
from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .moe_layer import MoELayer


@torch.compiler.disable  # type: ignore[untyped-decorator, unused-ignore]
def forward(layer: MoELayer, x: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    return layer._forward(x, valid)
