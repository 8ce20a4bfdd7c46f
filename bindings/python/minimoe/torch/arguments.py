# SPDX-License-Identifier: Apache-2.0
"""What the layer is given, refused by name when the library cannot compute with it."""
from __future__ import annotations

import torch


def check_tensor(name: str, tensor: object, dtype: torch.dtype) -> torch.Tensor:
    """`tensor`, dense values of `dtype` in main memory; TypeError or ValueError otherwise."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(tensor).__name__}")
    if tensor.layout is not torch.strided:
        raise TypeError(f"{name}: expected a dense tensor, got layout {tensor.layout}")
    if tensor.device.type != "cpu":
        raise ValueError(f"{name}: is on device '{tensor.device}', MoELayer computes on the CPU")
    if tensor.dtype is not dtype:
        raise TypeError(f"{name}: expected {dtype}, got {tensor.dtype}")
    return tensor


def check_weight(name: str, weight: object, shape: torch.Size) -> torch.Tensor:
    """A weight or buffer, which is bound where it lies: a copy would not see it change."""
    weight = check_tensor(name, weight, torch.float32)
    if weight.shape != shape:
        raise ValueError(f"{name}: is {list(weight.shape)}, expected {list(shape)}")
    if not weight.is_contiguous():
        raise ValueError(f"{name}: is not contiguous (shape {list(weight.shape)}, strides {list(weight.stride())}); "
                         f"replace it by {name}.contiguous()")
    return weight


def check_x(x: object, d_model: int) -> torch.Tensor:
    """x [.., D], row by row: a view in another order is copied, which autograd sees and leads the gradient back through.
    Under autocast, what came in a smaller type is widened: the layer computes in float32."""
    if torch.is_autocast_enabled("cpu") and isinstance(x, torch.Tensor) and x.dtype in (torch.bfloat16, torch.float16):
        x = x.float()
    x = check_tensor("x", x, torch.float32)
    if x.dim() == 0 or x.shape[-1] != d_model:
        raise ValueError(f"x: is {list(x.shape)}, expected [.., {d_model}] (d_model)")
    return x.contiguous()


def check_valid(valid: object, x: torch.Tensor) -> torch.Tensor | None:
    """valid [..], True for the tokens of x that are routed."""
    if valid is None:
        return None
    valid = check_tensor("valid", valid, torch.bool)
    if valid.shape != x.shape[:-1]:
        raise ValueError(f"valid: is {list(valid.shape)}, expected {list(x.shape[:-1])} (one for each token of x)")
    return valid.contiguous()


def check_scale(name: str, scale: object) -> float:
    """A factor on the balance losses, 0..1e6."""
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise TypeError(f"{name}: expected a number, got {type(scale).__name__}")
    if not 0 <= scale <= 1e6:
        raise ValueError(f"{name}: is {scale}, expected 0..1e6")
    return float(scale)
