# SPDX-License-Identifier: Apache-2.0
"""A bare MoE layer, for a host that has its own model and loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _calls as raw
from ._arrays import flags_of, like_shape, shape_of
from ._handle import another_owner, expect
from .config import Config, _parse, text_of
from .moe_cache import MoECache
from .options import Options, raw_options
from .parameters import Parameters, checked_out

Floats = npt.NDArray[np.float32]


class MoELayer(Parameters[raw.minimoe_moe_layer]):
    """Router and experts, without norm and residual connection; x and y are [..., D].

        layer = MoELayer(d_model=64, num_experts=8, top_k=2)
        cache = MoECache(layer, max_tokens=128)
        y = layer.forward(cache, x)
        d_x = layer.backward(cache, x, d_y)

    Parameters: router.weight [E, D], experts.w_up_proj [E, F, D], experts.w_down_proj [E, D, F], ..., as `parameters()`
    lists them. Their gradients accumulate until `zero_gradients`. Arrays are float32, C-contiguous, anything with a
    buffer (a tensor's numpy() too). Objects made by copy.copy share one layer.
    """

    __slots__ = ("_bound", "_config")

    def __init__(self, config: Mapping[str, Any] | str | None = None, /, *, options: Options | None = None,
                 **keywords: Any) -> None:
        """Keywords are keys of the configuration; model.{d_model, ffn, gelu, init_std, num_layers, moe} and train.seed
        count."""
        self._raw = raw.minimoe_moe_layer_create(text_of(Config(config, **keywords)), raw_options(options))
        self._bound: dict[tuple[str, str], memoryview] = {}
        self._config = Config(_parse(raw.minimoe_moe_layer_config(self._handle)))

    @property
    def config(self) -> Config:
        """The resolved configuration, whole."""
        return Config(self._config)

    @property
    def d_model(self) -> int:
        """D, the width of x and y."""
        result: int = self._config["model"]["d_model"]
        return result

    @property
    def num_experts(self) -> int:
        """E."""
        result: int = self._config["model"]["moe"]["num_experts"]
        return result

    @property
    def top_k(self) -> int:
        """K, experts a token."""
        result: int = self._config["model"]["moe"]["top_k"]
        return result

    def infer(self, x: Any, *, valid: Any = None, out: Floats | None = None) -> Floats:
        """y for inference; capacity is eval_capacity_factor. valid: [T], 0 marks tokens that are not routed (y = 0).
        out: receives y; it must not overlap x."""
        y = checked_out("out", out, self._shape("x", x))
        raw.minimoe_moe_layer_infer(self._handle, x, flags_of("valid", valid), y)
        return y

    def forward(self, cache: MoECache, x: Any, *, valid: Any = None, seq_len: int = 0,
                out: Floats | None = None) -> Floats:
        """y in training; capacity is capacity_factor. seq_len: tokens a sequence, for aux_loss_scope "sequence"; 0: all
        are one. Other arguments as `infer`. NonFinite when a router logit is; the cache then holds no forward."""
        expect("cache", cache, MoECache)
        y = checked_out("out", out, self._shape("x", x))
        raw.minimoe_moe_layer_forward(self._handle, cache._handle, x, flags_of("valid", valid), seq_len, y)
        return y

    def backward(self, cache: MoECache, x: Any, d_y: Any, *, balance_scale: float = 1.0,
                 out: Floats | None = None) -> Floats:
        """d_x; adds to the gradients of the parameters. Once for each forward.

        x: what forward was given (the cache keeps no copy). balance_scale: factor on aux_loss_coef and z_loss_coef, 1/A
        with A micro-batches. out: receives d_x; it must overlap neither x nor d_y.
        """
        expect("cache", cache, MoECache)
        d_x = checked_out("out", out, self._shape("x", x))
        raw.minimoe_moe_layer_backward(self._handle, cache._handle, x, d_y, balance_scale, d_x)
        return d_x

    def update_bias(self, load: Any) -> None:
        """Aux-loss-free balancing: expert_bias += bias_update_rate * sign(mean(load) - load). Once an optimizer step,
        with the loads [E] (int64, or a list) of all its forwards."""
        raw.minimoe_moe_layer_update_bias(self._handle, _loads("load", load))

    def bind_parameter(self, name: str, array: Any) -> None:
        """The layer uses `array` (of the parameter's shape, writable) as this parameter, as it stands there, and keeps
        it alive; None goes back to its own memory. After every change of the values call `parameters_changed`."""
        pinned = self._pinned(name, array)
        raw.minimoe_moe_layer_bind_parameter(self._handle, name, array)
        self._keep("parameter", name, pinned)

    def bind_gradient(self, name: str, array: Any) -> None:
        """The layer adds to `array` as this parameter's gradient; None: to its own memory again."""
        pinned = self._pinned(name, array)
        raw.minimoe_moe_layer_bind_gradient(self._handle, name, array)
        self._keep("gradient", name, pinned)

    def parameters_changed(self) -> None:
        """Tells the layer that bound parameters were written to."""
        raw.minimoe_moe_layer_parameters_changed(self._handle)

    def gradient(self, name: str, out: Floats | None = None) -> Floats:
        """A copy of the gradient of a parameter, in `out` if given."""
        out = checked_out("out", out, self._parameter_view(name)[0])
        raw.minimoe_moe_layer_gradient_get(self._handle, name, out)
        return out

    def zero_gradients(self) -> None:
        """Sets all gradients to 0, bound ones included."""
        raw.minimoe_moe_layer_zero_gradients(self._handle)

    def num_parameters(self) -> int:
        """Number of parameters: tensors, buffers such as expert_bias included."""
        return raw.minimoe_moe_layer_num_parameters(self._handle)

    def set_parameter(self, name: str, values: Any) -> None:
        """Overwrites a parameter; every value must be finite."""
        raw.minimoe_moe_layer_parameter_set(self._handle, name, values)

    def _parameter_info(self, index: int) -> str:
        return raw.minimoe_moe_layer_parameter_info(self._handle, index)

    def _parameter_get(self, name: str, out: Any) -> int:
        return raw.minimoe_moe_layer_parameter_get(self._handle, name, out)

    def _parameter_view(self, name: str) -> tuple[tuple[int, ...], int, int, int]:
        return raw.minimoe_moe_layer_parameter_view(self._handle, name)

    def _owners(self, name: str) -> object:
        return self._handle, self._bound.get(("parameter", name))

    def _shape(self, name: str, x: Any) -> tuple[int, ...]:
        try:
            return shape_of(x)
        except TypeError:
            raise TypeError(f"{name}: expected an array of float32, got {type(x).__name__}") from None

    def _pinned(self, name: str, array: Any) -> memoryview | None:
        if array is None:
            return None
        like_shape(f"array of {name}", array, self._parameter_view(name)[0])
        try:
            return memoryview(array)
        except (TypeError, ValueError):
            raise TypeError(f"array of {name}: expected an array of float32, got {type(array).__name__}") from None

    def _keep(self, what: str, name: str, pinned: memoryview | None) -> None:
        # Only after the library has let go of the earlier memory.
        if pinned is None:
            self._bound.pop((what, name), None)
        else:
            self._bound[what, name] = pinned

    def __copy__(self) -> MoELayer:
        """Another object over the same layer."""
        copy = type(self).__new__(type(self))
        copy._raw = another_owner(self._handle.another_owner())
        copy._bound = self._bound
        copy._config = self._config
        return copy

    def __repr__(self) -> str:
        if self.closed:
            return "<MoELayer, closed>"
        return f"<MoELayer of width {self.d_model}, {self.num_experts} experts, top-{self.top_k}>"


def _loads(name: str, load: Any) -> Any:
    if not isinstance(load, (list, tuple)):
        return load
    try:
        return np.array([int(count) for count in load], dtype=np.int64)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None
