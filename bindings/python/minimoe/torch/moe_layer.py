# SPDX-License-Identifier: Apache-2.0
"""MoELayer, the torch.nn.Module."""
from __future__ import annotations

from typing import Any, Callable, Sequence

import torch
from torch import nn

from ..moe_cache import RoutingMetrics
from .arguments import check_scale, check_valid, check_x
from .bound_layer import BoundLayer, Lease
from .passes import Call, MoEPass
from .routing import LastPass, Routing
from .step_log import StepLog

_MODEL_KEYS = ("d_model", "ffn", "gelu", "init_std", "num_layers", "moe")
_MAX_THREADS = 256


class _Weights(nn.Module):
    """Holds parameters whose names have a common beginning."""

    def forward(self, *_: Any) -> Any:
        raise NotImplementedError("these are weights of a MoELayer; call the layer itself")


class MoELayer(nn.Module):
    """A Mixture-of-Experts feed-forward layer: y[t] = sum over the chosen experts e of gate_weight[t, e] * expert_e(x[t]).

    Norm and residual connection are the caller's. Parameters, float32 on the CPU, E = num_experts, D = d_model, F =
    d_expert: router.weight [E, D], router.bias [E] (router_bias=True), experts.w_gate_proj (ffn="swiglu"),
    experts.w_up_proj [E, F, D], experts.w_down_proj [E, D, F], experts.b_up_proj [E, F] and experts.b_down_proj [E, D]
    (ffn="gelu"), shared.* without the E, shared_gate.weight [1, D] (shared_expert_gate=True); buffer expert_bias [E]. The
    library computes with their memory as it lies.

    Args:
        d_model: width of x and y.
        num_experts, top_k, d_expert: experts, experts a token, hidden width of an expert.
        ffn: "gelu" (with biases) or "swiglu". gelu: "tanh" or "erf".
        init_std: of the experts' start values; w_down_proj starts with init_std / sqrt(2 * num_layers).
        seed: of the start values; None draws one from torch's generator, so torch.manual_seed decides.
        num_threads: 1..256; None follows torch.get_num_threads().
        balance_scale: factor on aux_loss_coef and z_loss_coef in the gradient, 0..1e6: 1 / A with A micro-batches a
            step. 0 when balance_loss is added to the loss instead.
        history: optimizer steps that `health` can look back on.
        moe: the other keys of model.moe (docs/configuration.md): gate_order, aux_loss_coef (0.01), aux_loss_scope,
            z_loss_coef, capacity_factor, eval_capacity_factor, num_shared_experts, shared_expert_gate, router_bias,
            bias_update_rate, ...

    Raises ValueError that names each bad key, TypeError for another dtype than float32.
    """

    expert_bias: torch.Tensor

    def __init__(self, d_model: int, num_experts: int = 4, top_k: int = 2, d_expert: int = 256, *, ffn: str = "gelu",
                 gelu: str = "tanh", init_std: float = 0.02, num_layers: int = 2, seed: int | None = None,
                 num_threads: int | None = None, balance_scale: float = 1.0, history: int = 512,
                 device: torch.device | str | None = None, dtype: torch.dtype | None = None, **moe: Any):
        super().__init__()
        _check_placement("MoELayer", torch.device(device or "cpu"), dtype or torch.float32)
        self.balance_scale = check_scale("balance_scale", balance_scale)
        if not isinstance(history, int):
            raise TypeError(f"history: expected an int, got {type(history).__name__}")
        if history < 1:
            raise ValueError(f"history: is {history}, expected 1 or more")
        self.num_threads = num_threads
        moe = {"num_experts": num_experts, "top_k": top_k, "d_expert": d_expert, **moe}
        model = {"d_model": d_model, "ffn": ffn, "gelu": gelu, "init_std": init_std, "num_layers": num_layers, "moe": moe}
        self._bound: dict[str, Any] = {}
        bound = BoundLayer({"model": model, "train": {"seed": _drawn(seed)}}, self._threads())
        self.config: dict[str, Any] = {key: bound.config["model"][key] for key in _MODEL_KEYS}
        self._names = tuple(name for name, info in bound.infos.items() if info["role"] == "weight")
        for name, value in bound.start_values().items():
            owner, _, leaf = name.rpartition(".")
            if owner and owner not in self._modules:
                self.add_module(owner, _Weights())
            target = self.get_submodule(owner)
            if name in self._names:
                target.register_parameter(leaf, nn.Parameter(value))
            else:
                target.register_buffer(leaf, value)
        self._bound["training"] = bound
        self._log = StepLog(self.config["moe"]["top_k"], history)
        self._pending_load = torch.zeros(self.config["moe"]["num_experts"], dtype=torch.int64)
        self._last_pass: LastPass | None = None

    # -------------------------------------------------------------------------------------------------- computing

    def forward(self, x: torch.Tensor, valid: torch.Tensor | None = None) -> torch.Tensor:
        """y [.., D] of x [.., D], float32; valid [..] bool is False for tokens that are not routed (y 0). What is not
        contiguous is copied; y always is.

        train() uses capacity_factor, eval() eval_capacity_factor. With gradients enabled everything is kept that a
        backward needs; without, nothing. For aux_loss_scope "sequence" the last dimension but one is a sequence.
        """
        if torch.compiler.is_compiling():
            from . import uncompiled
            y: torch.Tensor = uncompiled.forward(self, x, valid)
            return y
        return self._forward(x, valid)

    def _forward(self, x: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
        x = check_x(x, self.config["d_model"])
        valid = check_valid(valid, x)
        weights = self._tensors(self._names)
        with_graph = torch.is_grad_enabled() and (x.requires_grad or any(getattr(w, "requires_grad", False) for w in weights))
        if not with_graph and not self.training:
            bound = self._bound_layer("training")  # its `infer` has the capacity of evaluation
            with bound.lock:
                self._bind(bound, weights)
            return bound.infer(x, valid)
        bound = self._bound_layer("training" if self.training else "evaluation")
        seq_len = x.shape[-2] if x.dim() > 2 else 0
        if not with_graph:
            return self._run(bound, x, valid, seq_len, weights)[0]
        call = Call(self, bound, self._names, seq_len, check_scale("balance_scale", self.balance_scale),
                    self.bias_version())
        y: torch.Tensor
        y, balance_loss = MoEPass.apply(x, valid, call, *weights)
        last, call.last = call.last, None  # not kept by the graph, which `last` is about to hold
        assert last is not None
        last.balance_loss = balance_loss
        if last.lease() is None:
            bound.free_caches()  # checkpointing let go of what the forward left: so do we
        return y

    def _run(self, bound: BoundLayer, x: torch.Tensor, valid: torch.Tensor | None, seq_len: int,
             weights: Sequence[torch.Tensor]) -> tuple[torch.Tensor, Lease, LastPass]:
        attributes = self.__dict__  # nn.Module's own way takes longer to see that it is no parameter than all of this
        with bound.lock:
            attributes["_last_pass"] = None
            self._bind(bound, weights)
            y, lease = bound.forward(x, valid, seq_len)
            attributes["_last_pass"] = last = LastPass(bound, lease, x.shape[:-1])
        return y, lease, last

    def _bind(self, bound: BoundLayer, weights: Sequence[torch.Tensor]) -> None:
        tensors = dict(zip(self._names, weights))
        tensors["expert_bias"] = self._buffers["expert_bias"]
        if bound.bind(tensors) and bound is self._bound.get("training"):
            self._log.end_step(self.expert_bias)  # somebody stepped the parameters

    def _tensors(self, names: tuple[str, ...]) -> list[torch.Tensor]:
        tensors = []
        for name in names:
            owner, _, leaf = name.rpartition(".")
            tensors.append(getattr(self._modules[owner] if owner else self, leaf))
        return tensors

    def _threads(self) -> int:
        return min(torch.get_num_threads(), _MAX_THREADS) if self.num_threads is None else self.num_threads

    def _bound_layer(self, capacity: str) -> BoundLayer:
        """Made anew after a copy, a load, or a change of the number of threads."""
        moe = self.config["moe"]
        if capacity == "evaluation" and moe["eval_capacity_factor"] == moe["capacity_factor"]:
            capacity = "training"
        threads = self._threads()
        if self._bound.get("threads", threads) != threads:
            self._bound.clear()
        self._bound["threads"] = threads
        if capacity not in self._bound:
            if capacity == "evaluation":
                moe = {**moe, "capacity_factor": moe["eval_capacity_factor"]}
            self._bound[capacity] = BoundLayer({"model": {**self.config, "moe": moe}}, threads)
        bound: BoundLayer = self._bound[capacity]
        return bound

    def _count(self, load: torch.Tensor, probability_sums: torch.Tensor, figures: RoutingMetrics) -> None:
        """A pass took part in a gradient; recomputation and evaluation do not get here."""
        self._pending_load.add_(load)
        self._log.add(load, probability_sums, figures)

    # --------------------------------------------------------------------------------------------------- watching

    def _last(self) -> LastPass:
        if self._last_pass is None:
            raise RuntimeError("MoELayer: no forward yet, other than for inference, which keeps no routing")
        return self._last_pass

    @property
    def aux_loss(self) -> float:
        """Switch load-balancing loss of the last forward, unscaled: 1 is even. Forwards for inference (eval() without
        gradients) keep nothing and are not meant here and below."""
        return self._last().figures.aux_loss

    @property
    def z_loss(self) -> float:
        """Router z-loss of the last forward, unscaled."""
        return self._last().figures.z_loss

    @property
    def balance_loss(self) -> torch.Tensor:
        """aux_loss_coef * aux_loss + z_loss_coef * z_loss of the last forward, differentiable. With balance_scale=0
        add it to the loss; otherwise its gradient is in the backward already, and adding it would count it twice."""
        return self._last().balance_loss

    @property
    def load(self) -> torch.Tensor:
        """[E] int64: assignments of the last forward, before any capacity drop."""
        return self._last().load.clone()

    @property
    def routing(self) -> Routing:
        """Everything that the last forward decided, copied out. RuntimeError once a later pass, or checkpointing,
        has taken its memory."""
        return self._last().routing()

    def health(self, **options: Any) -> Any:
        """Judges the router by the last steps (at most `history`) as minimoe.health does; the same options. A step ends
        when torch sees its parameters written to, or with update_bias or parameters_changed."""
        from .. import health
        lines = self._log.lines(self.expert_bias)
        if not lines:
            raise RuntimeError("MoELayer.health: no training step yet")
        moe = self.config["moe"]
        known = {key: moe[key] for key in ("aux_loss_coef", "z_loss_coef", "router_init_std")}
        known["bias_balancing"] = bool(self.expert_bias.any())  # the host may call update_bias whatever the configuration
        return health(lines, **{**known, **options})

    @property
    def health_log(self) -> list[dict[str, Any]]:
        """One object a step, as minimoe.health reads them; "layer" is 0."""
        return self._log.lines(self.expert_bias)

    # --------------------------------------------------------------------------------------------------- changing

    @property
    def pending_load(self) -> torch.Tensor:
        """[E] int64: assignments of all passes with a backward since the last update_bias."""
        return self._pending_load.clone()

    @torch.no_grad()
    def update_bias(self, load: torch.Tensor | None = None) -> None:
        """Balancing without a loss: expert_bias[i] += bias_update_rate * sign(mean(load) - load[i]). Once an optimizer
        step, after the last backward. @param load [E] int64; None: pending_load, of this process alone."""
        if load is None:
            load = self._pending_load
        if not isinstance(load, torch.Tensor) or load.dtype is not torch.int64:
            raise TypeError(f"load: expected an int64 tensor, got {getattr(load, 'dtype', type(load).__name__)}")
        bound = self._bound_layer("training")
        with bound.lock:
            self._bind(bound, self._tensors(self._names))
            bound.update_bias(load.contiguous())
            torch.autograd.graph.increment_version(self.expert_bias)
        self._pending_load = torch.zeros_like(self._pending_load)
        self._log.end_step(self.expert_bias)

    def parameters_changed(self) -> None:
        """Call it after writing to parameters in a way that torch does not count, such as p.data.mul_(2)."""
        for bound in self._bound.values():
            if isinstance(bound, BoundLayer):
                with bound.lock:
                    bound.parameters_changed()
        self._log.end_step(self.expert_bias)

    @torch.no_grad()
    def reset_parameters(self, seed: int | None = None) -> None:
        """New start values, and an expert_bias of 0."""
        values = BoundLayer({"model": self.config, "train": {"seed": _drawn(seed)}}, 1).start_values()
        for tensor, value in zip(self._tensors(tuple(values)), values.values()):
            tensor.copy_(value)

    def free_caches(self) -> None:
        """Gives back the memory that passes reuse. What a pending backward needs is kept."""
        for bound in self._bound.values():
            if isinstance(bound, BoundLayer):
                bound.free_caches()

    def bias_version(self) -> int:
        """Grows with every change of expert_bias."""
        return 0 if self.expert_bias.is_inference() else self.expert_bias._version

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> MoELayer:
        probe = fn(torch.empty(0))
        _check_placement("MoELayer", probe.device, probe.dtype)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    # ------------------------------------------------------------------------------------------- copies and text

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        return {**state, "_bound": {}, "_last_pass": None}

    def extra_repr(self) -> str:
        moe = self.config["moe"]
        return (f"d_model={self.config['d_model']}, num_experts={moe['num_experts']}, top_k={moe['top_k']}, "
                f"d_expert={moe['d_expert']}, ffn={self.config['ffn']!r}, gate_order={moe['gate_order']!r}")


def _drawn(seed: int | None) -> int:
    return int(torch.randint(0, 2**63 - 1, ())) if seed is None else seed


def _check_placement(where: str, device: torch.device, dtype: torch.dtype) -> None:
    if dtype is not torch.float32:
        raise TypeError(f"{where}: dtype {dtype} is refused, its weights are float32")
    if device.type != "cpu":
        raise ValueError(f"{where}: device '{device}' is refused, it computes on the CPU")
