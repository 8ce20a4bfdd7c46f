# SPDX-License-Identifier: Apache-2.0
"""Training."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _calls as raw
from ._arrays import filled
from ._handle import Handle, expect
from ._path import path_of
from .cancel import CancelToken, raw_token
from .config import Config, _parse, text_of, to_json
from .dataset import Dataset
from .errors import InvalidArgument
from .health import Health
from .model import Model

Source = Literal["step", "evaluation"]
_SOURCES: dict[str, int] = {"step": raw.MINIMOE_ROUTING_STEP, "evaluation": raw.MINIMOE_ROUTING_EVALUATION}
_CHUNK = 256  # metrics that `run` makes room for at a time


class Step(NamedTuple):
    """One optimizer step. Losses are in nats a token."""

    step: int
    """Completed steps, this one included."""
    loss: float
    """Main loss: mean cross entropy."""
    aux_loss: float
    """Switch loss, mean over MoE layers, unscaled; 1 is even; 0 without MoE layers."""
    z_loss: float
    """Router z-loss, mean over MoE layers, unscaled."""
    total_loss: float
    """loss + aux_loss_coef * aux_loss + z_loss_coef * z_loss"""
    learning_rate: float
    """Of this step."""
    gradient_norm: float
    """Before clipping."""
    num_tokens: int
    """Valid tokens of the step."""
    num_extra_passes: int
    """Forward passes that only counted loads (aux_loss_scope "global_batch")."""


class Evaluation(NamedTuple):
    """Of `Trainer.evaluate`."""

    loss: float
    """Mean cross entropy, nats."""
    num_targets: int
    """Tokens in the mean."""
    num_windows: int
    """Windows evaluated."""

    @property
    def perplexity(self) -> float:
        """exp(loss)"""
        return math.exp(self.loss)


class Trainer(Handle[raw.minimoe_trainer]):
    """Trains a model on a dataset; keeps both alive. A model has at most one trainer: close it before the next.

        with Trainer(model, dataset, config) as trainer:
            for step in trainer.steps(1000):
                if step.step % 100 == 0: print(step.step, step.loss)

    Ctrl-C stops after a micro-batch and raises KeyboardInterrupt: the trainer stands at a step boundary, every
    completed step is kept, and it can be saved or go on.
    """

    __slots__ = ("dataset", "model")

    def __init__(self, model: Model, dataset: Dataset, config: Mapping[str, Any] | str | None = None, /,
                 **keywords: Any) -> None:
        """config: a run configuration whose "model" part is left out or that of the model (None: the model's own);
        keywords are keys of it, as in Config."""
        expect("model", model, Model)
        expect("dataset", dataset, Dataset)
        whole = Config(model.config if config is None else config, **keywords)
        self._raw = raw.minimoe_trainer_create(model._handle, dataset._handle, text_of(whole))
        self.model = model
        self.dataset = dataset

    @property
    def config(self) -> Config:
        """The resolved configuration, whole."""
        return Config(_parse(raw.minimoe_trainer_config(self._handle)))

    @property
    def step(self) -> int:
        """Completed optimizer steps."""
        return raw.minimoe_trainer_step(self._handle)

    def steps(self, max_steps: int | None = None, *, cancel: CancelToken | None = None) -> Iterator[Step]:
        """Trains a step at a time, at most `max_steps` and as long as the schedule (train.steps) lasts. After a break
        the trainer stands exactly at the step last seen.

        Raises Cancelled when `cancel` was fired; that step is dropped.
        """
        limit, token = _limit(max_steps), raw_token(cancel)
        self._handle  # noqa: B018  (a closed trainer is refused here, not at the first step)
        return self._steps(limit, token)

    def _steps(self, limit: int | None, token: raw.minimoe_cancel_token | None) -> Iterator[Step]:
        done = 0
        while limit is None or done < limit:
            metrics: list[tuple[Any, ...]] = []
            raw.minimoe_trainer_steps(self._handle, 1, token, metrics)
            if not metrics:
                return
            done += 1
            yield Step._make(metrics[0])

    def run(self, max_steps: int | None = None, *, cancel: CancelToken | None = None) -> list[Step]:
        """The same all at once. What ends it early carries the completed steps in its attribute `completed`."""
        limit, token = _limit(max_steps), raw_token(cancel)
        metrics: list[tuple[Any, ...]] = []
        try:
            while limit is None or len(metrics) < limit:
                done = len(metrics)
                chunk = _CHUNK if limit is None else min(_CHUNK, limit - done)
                raw.minimoe_trainer_steps(self._handle, chunk, token, metrics)
                if len(metrics) < done + chunk:
                    break
        except BaseException as error:
            error.completed = [Step._make(step) for step in metrics]  # type: ignore[attr-defined]
            raise
        return [Step._make(step) for step in metrics]

    def evaluate(self, split: str = "val", max_windows: int = 0, *, cancel: CancelToken | None = None) -> Evaluation:
        """Mean loss over the first windows of a split (0: all of them); trains nothing."""
        return Evaluation._make(raw.minimoe_trainer_evaluate(self._handle, split, max_windows, raw_token(cancel)))

    def routing(self, source: Source = "step") -> list[dict[str, Any]]:
        """What the routers did in the last step or evaluation, one entry an MoE layer: [{"block", "num_tokens", "load",
        "dropped", "mean_probs", "gate_weight_share", "aux_loss", "z_loss", "router_logit_norm", "bias_min", "bias_max"}];
        empty before the first."""
        result: list[dict[str, Any]] = _parse(raw.minimoe_trainer_routing(self._handle, _source(source)))
        return result

    def expert_loads(self, layer: int = 0, source: Source = "step") -> npt.NDArray[np.int64]:
        """Assignments [E] of each expert of MoE layer `layer` (0 is the first), before any capacity drop."""
        number = _source(source)
        return filled(np.int64, lambda out: raw.minimoe_trainer_expert_loads(self._handle, number, layer, out))

    def health(self, **options: Any) -> Health:
        """Judges the routers over the steps since the trainer was made or resumed. options: as `minimoe.health`."""
        return Health(_parse(raw.minimoe_trainer_health(self._handle, to_json("options", options))))

    def set_profile(self, enabled: bool) -> None:
        """Begins to add up where the time of steps goes, from nothing, or ends it."""
        raw.minimoe_trainer_set_profile(self._handle, int(enabled))

    def profile(self) -> dict[str, Any]:
        """Where the time of the steps since then went: {"num_steps", "ms", "flops", "operations": [{"operation",
        "pass", "ms", "calls", "flops"}]}, means over the steps; "ms" is the sum over the operations."""
        return _parse(raw.minimoe_trainer_profile(self._handle))  # type: ignore[no-any-return]

    def interference(self, *, cancel: CancelToken | None = None) -> list[dict[str, Any]]:
        """How the balance loss pulls at each router, for the batch of the next step: [{"block", "main_norm",
        "aux_norm", "scaled_ratio", "cosine"}]. Nothing changes."""
        result: list[dict[str, Any]] = _parse(raw.minimoe_trainer_interference(self._handle, raw_token(cancel)))
        return result

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint (weights, moments, biases, position); an earlier file is replaced only by a complete
        one."""
        raw.minimoe_trainer_save(self._handle, path_of(path))

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Reads a checkpoint; training goes on bit for bit as if it had not stopped."""
        raw.minimoe_trainer_resume(self._handle, path_of(path))

    def __repr__(self) -> str:
        return "<Trainer, closed>" if self.closed else f"<Trainer, {self.step} steps done>"


def checkpoint_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """{"step", "config"} of a checkpoint or saved model (step 0). Reads the file's header only."""
    result: dict[str, Any] = _parse(raw.minimoe_checkpoint_info(path_of(path)))
    result["config"] = Config(result["config"])
    return result


def _limit(max_steps: int | None) -> int | None:
    if max_steps is None:
        return None
    try:
        limit = operator.index(max_steps)
    except TypeError:
        raise TypeError(f"max_steps: expected an integer or None, got {type(max_steps).__name__}") from None
    if limit < 0:
        raise InvalidArgument(f"max_steps: {limit} is below 0")
    return limit


def _source(source: str) -> int:
    if source not in _SOURCES:
        raise InvalidArgument(f"source: {source!r} is not one of 'step', 'evaluation'")
    return _SOURCES[source]
