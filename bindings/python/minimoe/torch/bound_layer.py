# SPDX-License-Identifier: Apache-2.0
"""The library's bare layer, computing with the memory of torch tensors. The only file that calls the raw layer."""
from __future__ import annotations

import itertools
import json
import threading
import weakref
from typing import Any, Mapping

import numpy as np
import torch

from .. import _calls as raw
from ..moe_cache import RoutingMetrics
from ..options import Options, raw_options
from .arguments import check_weight


def array(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's own memory."""
    return (tensor.detach() if tensor.requires_grad else tensor).numpy()


class Cache:
    """Room for what one forward leaves for its backward; `serial` tells its forwards apart."""
    __slots__ = ("handle", "max_tokens", "serial", "consumed", "__weakref__")
    _serials = itertools.count(1)

    def __init__(self, handle: Any, max_tokens: int):
        self.handle, self.max_tokens = handle, max_tokens
        self.serial, self.consumed = 0, False

    def begin(self) -> None:
        self.serial, self.consumed = next(self._serials), False


class Lease:
    """A cache while its forward awaits its backward. It goes back to the pool when nobody holds the lease."""
    __slots__ = ("layer", "cache", "__weakref__")

    def __init__(self, layer: BoundLayer, cache: Cache):
        self.layer, self.cache = layer, cache

    def __del__(self) -> None:
        self.layer.take_back(self.cache)


class BoundLayer:
    """One native layer. Its parameters are bound to the tensors given to `bind`, which it keeps alive.

    Calls that write to it are serialised by `lock`; `infer` may run in several threads at a time.
    """

    def __init__(self, config: Mapping[str, Any], num_threads: int):
        self._handle = raw.minimoe_moe_layer_create(json.dumps(config), raw_options(Options(num_threads=num_threads)))
        self.lock = threading.RLock()
        self._bound: dict[str, tuple[int, int, np.ndarray]] = {}  # address, version, memory
        self._free: list[Cache] = []
        infos = (json.loads(raw.minimoe_moe_layer_parameter_info(self._handle, index))
                 for index in range(raw.minimoe_moe_layer_num_parameters(self._handle)))
        self.infos: dict[str, dict[str, Any]] = {info["name"]: info for info in infos}
        self.shapes = {name: torch.Size(info["shape"]) for name, info in self.infos.items()}
        self.config: dict[str, Any] = json.loads(raw.minimoe_moe_layer_config(self._handle))

    def start_values(self) -> dict[str, torch.Tensor]:
        """Copies of the layer's own values: the start values, until something is bound."""
        values = {name: torch.empty(shape) for name, shape in self.shapes.items()}
        for name, value in values.items():
            raw.minimoe_moe_layer_parameter_get(self._handle, name, array(value))
        return values

    def bind(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Follows tensors that were replaced, moved or written to. @return whether any was, since the last call."""
        changed = written = False
        for name, tensor in tensors.items():
            check_weight(name, tensor, self.shapes[name])
            address, version = tensor.data_ptr(), -1 if tensor.is_inference() else tensor._version
            bound = self._bound.get(name)
            if bound is None or bound[0] != address:
                memory = array(tensor)
                raw.minimoe_moe_layer_bind_parameter(self._handle, name, memory)
                self._bound[name] = address, version, memory
                changed = True
            elif bound[1] != version or version < 0:
                self._bound[name] = address, version, bound[2]
                written = True
        if written:
            self.parameters_changed()
        return changed or written

    def computes_with(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Whether these are the tensors bound."""
        return all(name in self._bound and self._bound[name][0] == tensor.data_ptr() for name, tensor in tensors.items())

    def parameters_changed(self) -> None:
        raw.minimoe_moe_layer_parameters_changed(self._handle)

    def infer(self, x: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
        y = torch.empty_like(x)
        raw.minimoe_moe_layer_infer(self._handle, array(x), None if valid is None else array(valid.view(torch.uint8)),
                                    array(y))
        return y

    def forward(self, x: torch.Tensor, valid: torch.Tensor | None, seq_len: int) -> tuple[torch.Tensor, Lease]:
        y = torch.empty_like(x)
        lease = self._lend(x.numel() // x.shape[-1])
        raw.minimoe_moe_layer_forward(self._handle, lease.cache.handle, array(x),
                                      None if valid is None else array(valid.view(torch.uint8)), seq_len, array(y))
        lease.cache.begin()
        return y, lease

    def backward(self, lease: Lease, x: torch.Tensor, d_y: torch.Tensor, balance_scale: float,
                 gradients: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Adds to `gradients`, those of some of the weights. @return that of x"""
        d_x = torch.empty_like(x)
        try:
            for name, gradient in gradients.items():
                raw.minimoe_moe_layer_bind_gradient(self._handle, name, array(gradient))
            raw.minimoe_moe_layer_backward(self._handle, lease.cache.handle, array(x), array(d_y.contiguous()),
                                           balance_scale, array(d_x))
            lease.cache.consumed = True
        finally:
            # The memory now belongs to autograd alone, which may take it as .grad without a copy.
            for name in gradients:
                raw.minimoe_moe_layer_bind_gradient(self._handle, name, None)
        return d_x

    def update_bias(self, load: torch.Tensor) -> None:
        raw.minimoe_moe_layer_update_bias(self._handle, array(load))

    def figures(self, cache: Cache) -> RoutingMetrics:
        return RoutingMetrics(*raw.minimoe_moe_cache_metrics(cache.handle))

    def load(self, cache: Cache) -> torch.Tensor:
        load = torch.empty(self.config["model"]["moe"]["num_experts"], dtype=torch.int64)
        raw.minimoe_moe_cache_load(cache.handle, array(load))
        return load

    def decisions(self, cache: Cache, num_tokens: int) -> dict[str, torch.Tensor]:
        """Copies of [T, K] topk_idx, gate_weights and kept, and of [T, E] router_logits and router_probs."""
        moe = self.config["model"]["moe"]
        result: dict[str, torch.Tensor] = {}
        for name, columns, dtype in (("topk_idx", moe["top_k"], torch.int32), ("gate_weights", moe["top_k"], torch.float32),
                                     ("kept", moe["top_k"], torch.uint8),
                                     ("router_logits", moe["num_experts"], torch.float32),
                                     ("router_probs", moe["num_experts"], torch.float32)):
            result[name] = torch.empty(num_tokens, columns, dtype=dtype)
            getattr(raw, f"minimoe_moe_cache_{name}")(cache.handle, array(result[name]))
        return result

    def probability_sums(self, cache: Cache, num_tokens: int) -> torch.Tensor:
        """[E] sums of the router probabilities over the valid tokens (rows of the others are 0), in double."""
        probs = torch.empty(num_tokens, self.config["model"]["moe"]["num_experts"])
        raw.minimoe_moe_cache_router_probs(cache.handle, array(probs))
        return probs.sum(0, dtype=torch.float64)

    def _lend(self, num_tokens: int) -> Lease:
        fitting = [cache for cache in self._free if cache.max_tokens >= num_tokens]
        if fitting:
            cache = min(fitting, key=lambda cache: cache.max_tokens)
            self._free.remove(cache)
        else:
            self._free.clear()
            max_tokens = max(num_tokens, 1)
            cache = Cache(raw.minimoe_moe_cache_create(self._handle, max_tokens), max_tokens)
        return Lease(self, cache)

    def take_back(self, cache: Cache) -> None:
        self._free.append(cache)

    def free_caches(self) -> None:
        """Gives back the memory of caches that no forward uses."""
        self._free.clear()


_leases: weakref.WeakValueDictionary[int, Lease] = weakref.WeakValueDictionary()
_lease_keys = itertools.count(1)


class _Keeper(np.ndarray):
    lease: Lease


def lease_tensor(lease: Lease) -> torch.Tensor:
    """A tensor that keeps `lease` alive as long as its storage lives, and leads to it by its value.

    Autograd's saved tensors are the one thing whose life it manages: freed by backward, dropped by checkpointing and
    made again by its recomputation. A tensor that saved-tensor hooks detach or alias still leads to the lease.
    """
    key = next(_lease_keys)
    keeper = _Keeper(1, np.int64)
    keeper[0], keeper.lease = key, lease
    _leases[key] = lease
    return torch.from_numpy(keeper)


def lease_of(tensor: torch.Tensor) -> Lease | None:
    """None when hooks kept a copy of the tensor's value only."""
    return _leases.get(int(tensor))
