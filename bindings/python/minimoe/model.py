# SPDX-License-Identifier: Apache-2.0
"""A language model."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _calls as raw
from ._arrays import filled, flags_of, sequence_length, shape_of, tokens_of
from ._handle import another_owner, expect
from ._path import path_of
from .cancel import CancelToken, raw_token
from .config import Config, _parse, text_of, to_json
from .dataset import Dataset
from .options import Options, raw_options
from .parameters import Parameters, checked_out
from .token_stream import TokenStream


class RoutingTrace(NamedTuple):
    """Where every token is sent, [L, T, K]: L MoE layers in block order, T tokens, K experts a token."""

    experts: npt.NDArray[np.int32]
    """By descending score; -1 for padding."""
    weights: npt.NDArray[np.float32]
    """Combine weights."""
    kept: npt.NDArray[np.uint8]
    """1, or 0 where capacity dropped the assignment."""


def _generate_options(where: str, max_new_tokens: int, temperature: float, top_k: int, top_p: float, seed: int,
                      stop_token: int, when_full: str, pack_weights: bool | None) -> str:
    options = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed,
               "stop_token": stop_token, "when_full": when_full}
    return to_json(where, options if pack_weights is None else {**options, "pack_weights": pack_weights})


class Model(Parameters[raw.minimoe_model]):
    """A language model, with the start values of train.seed.

        model = Model(dataset.fit_config("lab", num_experts=8))
        model = Model.load("run/checkpoint.safetensors")

    Keywords are keys of the configuration (see Config). Objects made by copy.copy share one model; copy.deepcopy and
    pickle make another with the same weights.
    """

    __slots__ = ("_options",)
    _options: Options | None

    def __init__(self, config: Mapping[str, Any] | str | None = None, /, *, options: Options | None = None,
                 **keywords: Any) -> None:
        self._raw = raw.minimoe_model_create(text_of(Config(config, **keywords)), raw_options(options))
        self._options = options

    @classmethod
    def _of(cls, handle: raw.minimoe_model, options: Options | None) -> Model:
        model = cls.__new__(cls)
        model._raw = handle
        model._options = options
        return model

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, options: Options | None = None) -> Model:
        """A model from a file of `save`, or of `Trainer.save`."""
        return cls._of(raw.minimoe_model_load(path_of(path), raw_options(options)), options)

    @classmethod
    def import_from(cls, path: str | os.PathLike[str], *, options: Options | None = None) -> Model:
        """A model from a directory of Hugging Face's transformers, or a GGUF file (docs/exchange.md has the architectures)."""
        return cls._of(raw.minimoe_model_import(path_of(path), raw_options(options)), options)

    def upcycle(self, *, options: Options | None = None, **keywords: Any) -> Model:
        """A new model whose experts are copies of this dense one's feed-forward networks, and whose logits are this
        one's, to rounding, until it is trained: num_experts=8, top_k=2, layers=(every block),
        gate_order="softmax_topk_renorm", router_init_std=0.02, seed=(train.seed)."""
        made = raw.minimoe_model_upcycle(self._handle, to_json("upcycle", keywords), raw_options(options))
        return self._of(made, options)

    def export(self, path: str | os.PathLike[str], *, format: str = "hf",
               tokenizer: str | os.PathLike[str] | None = None, check: bool = False) -> None:
        """Writes the model for another program: format "hf", config.json and model.safetensors for Hugging Face's transformers
        in the directory `path`; "gguf", the file `path` for llama.cpp, with the vocabulary of `tokenizer`, a tokenizer.json.
        Unsupported when no architecture there holds the model without loss; `check` writes nothing and asks only that, also
        of what training may make of the model."""
        options: dict[str, Any] = {"format": format, "check": check}
        if tokenizer is not None:
            options["tokenizer"] = os.fspath(tokenizer)
        raw.minimoe_model_export(self._handle, to_json("export", options), path_of(path))

    def write_logits(self, tokens: Any, path: str | os.PathLike[str], *, seq_len: int | None = None,
                     router: bool = False, gradients: bool = False) -> None:
        """Writes "logits", "loss" and, asked for, the routers' choices and the gradients of the loss for tokens [S] or
        [B, S], as safetensors."""
        tokens = tokens_of("tokens", tokens)
        raw.minimoe_model_write_logits(self._handle, tokens, sequence_length("tokens", tokens, seq_len),
                                       to_json("write_logits", {"router": router, "gradients": gradients}),
                                       path_of(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes weights and configuration as safetensors; an earlier file is replaced only by a complete one."""
        raw.minimoe_model_save(self._handle, path_of(path))

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Reads the weights of a file into this model; names and shapes must be the same."""
        raw.minimoe_model_load_weights(self._handle, path_of(path))

    @property
    def config(self) -> Config:
        """The resolved configuration, whole."""
        return Config(_parse(raw.minimoe_model_config(self._handle)))

    def info(self) -> dict[str, Any]:
        """{"num_threads", "instruction_set", "matmul_backend", "total_parameters", "active_parameters",
        "moe_blocks"}"""
        result: dict[str, Any] = _parse(raw.minimoe_model_info(self._handle))
        return result

    def forward(self, tokens: Any, *, valid: Any = None, seq_len: int | None = None,
                out: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        """Logits [..., V] of tokens [S] or [B, S] (int32, or a list), in `out` if given.

        valid: as many, 0 marks padding on the right of a sequence. seq_len: where tokens are flat.
        """
        tokens = tokens_of("tokens", tokens)
        length = sequence_length("tokens", tokens, seq_len)
        valid = flags_of("valid", valid)
        shape = shape_of(tokens)
        count = math.prod(shape)
        needed = raw.minimoe_model_forward(self._handle, tokens, valid, length, None)
        out = checked_out("out", out, (*shape, needed // count if count else 0))
        raw.minimoe_model_forward(self._handle, tokens, valid, length, out)
        return out

    def generate(self, prompt: Any, max_new_tokens: int = 64, *, temperature: float = 1.0, top_k: int = 0,
                 top_p: float = 1.0, seed: int = 0, stop_token: int = -1, when_full: str = "slide",
                 pack_weights: bool | None = None, cancel: CancelToken | None = None) -> npt.NDArray[np.int32]:
        """The new tokens after a prompt of at least one. temperature: 0 is greedy. top_k: 0 is all. top_p: the likeliest
        tokens that hold this much of the probability. stop_token ends the text and is included; -1: none. when_full: at
        max_seq_len the context slides ("slide"), or the text ends ("stop"). pack_weights: meanwhile one more copy of the
        weights, which tokens of a large model are computed faster from; None: from 64 new tokens on, up to 1 GiB."""
        text = _generate_options("generate", max_new_tokens, temperature, top_k, top_p, seed, stop_token, when_full,
                                 pack_weights)
        prompt, token = tokens_of("prompt", prompt), raw_token(cancel)
        return filled(np.int32,
                      lambda out: raw.minimoe_model_generate(self._handle, prompt, text, token, out))

    def stream(self, prompt: Any, max_new_tokens: int = 64, *, temperature: float = 1.0, top_k: int = 0,
               top_p: float = 1.0, seed: int = 0, stop_token: int = -1, when_full: str = "stop",
               pack_weights: bool | None = None, cancel: CancelToken | None = None) -> TokenStream:
        """The tokens of `generate` as an iterator, each computed when it is asked for. But when_full is "stop" unless
        given: the text ends with token max_seq_len + 1, and a prompt longer than max_seq_len is refused."""
        return TokenStream(self, prompt, _generate_options("stream", max_new_tokens, temperature, top_k, top_p, seed,
                                                           stop_token, when_full, pack_weights), cancel)

    def answer_probes(self, dataset: Dataset, split: str = "val", max_count: int = 100, *,
                      cancel: CancelToken | None = None) -> list[dict[str, Any]]:
        """How many of a split's questions greedy decoding answers exactly: [{"kind", "correct", "asked", "skipped"}]"""
        expect("dataset", dataset, Dataset)
        result: list[dict[str, Any]] = _parse(raw.minimoe_model_answer_probes(
            self._handle, dataset._handle, split, max_count, raw_token(cancel)))
        return result

    def routing_trace(self, tokens: Any, *, valid: Any = None, seq_len: int | None = None) -> RoutingTrace:
        """Where every token is sent. Arguments as `forward`; a dense model has no layers to tell of."""
        tokens = tokens_of("tokens", tokens)
        length = sequence_length("tokens", tokens, seq_len)
        valid = flags_of("valid", valid)
        count, _, _ = raw.minimoe_model_routing_trace(self._handle, tokens, valid, length, None, None, None)
        experts, weights, kept = np.empty(count, np.int32), np.empty(count, np.float32), np.empty(count, np.uint8)
        raw.minimoe_model_routing_trace(self._handle, tokens, valid, length, experts, weights, kept)
        shape = (len(self.info()["moe_blocks"]), math.prod(shape_of(tokens)), -1)
        if not count:
            shape = (0, shape[1], 0)
        return RoutingTrace(experts.reshape(shape), weights.reshape(shape), kept.reshape(shape))

    def specialisation(self, dataset: Dataset, split: str = "val", *, cancel: CancelToken | None = None,
                       **options: Any) -> dict[str, Any]:
        """What the experts divide by: token class, word form, or nothing, with the controls that tell these apart.

        options: max_windows (500; 0: all), seed, num_permutations, num_bootstrap, num_tables, num_routers,
        num_word_shuffles, min_class_tokens.
        """
        expect("dataset", dataset, Dataset)
        result: dict[str, Any] = _parse(raw.minimoe_model_specialisation(
            self._handle, dataset._handle, split, to_json("options", options), raw_token(cancel)))
        return result

    def capacity_report(self, dataset: Dataset, split: str = "val", *, cancel: CancelToken | None = None,
                        **options: Any) -> dict[str, Any]:
        """What the capacity limit costs: who is dropped, and the loss without drops.

        options: max_windows (500; 0: all), min_class_tokens.
        """
        expect("dataset", dataset, Dataset)
        result: dict[str, Any] = _parse(raw.minimoe_model_capacity_report(
            self._handle, dataset._handle, split, to_json("options", options), raw_token(cancel)))
        return result

    @property
    def generation(self) -> int:
        """Grows whenever values of parameters change: compare it with that of a view."""
        return raw.minimoe_model_generation(self._handle)

    def num_parameters(self) -> int:
        """Number of parameters: tensors, buffers such as expert_bias included."""
        return raw.minimoe_model_num_parameters(self._handle)

    def set_parameter(self, name: str, values: Any) -> None:
        """Overwrites a parameter; every value must be finite."""
        raw.minimoe_model_parameter_set(self._handle, name, values)

    def _parameter_info(self, index: int) -> str:
        return raw.minimoe_model_parameter_info(self._handle, index)

    def _parameter_get(self, name: str, out: Any) -> int:
        return raw.minimoe_model_parameter_get(self._handle, name, out)

    def _parameter_view(self, name: str) -> tuple[tuple[int, ...], int, int, int]:
        return raw.minimoe_model_parameter_view(self._handle, name)

    def __copy__(self) -> Model:
        """Another object over the same model."""
        return type(self)._of(another_owner(self._handle.another_owner()), self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        with tempfile.TemporaryDirectory(prefix="minimoe-") as directory:
            path = os.path.join(directory, "model.safetensors")
            self.save(path)
            with open(path, "rb") as file:
                return _from_bytes, (type(self), file.read(), self._options)

    def __repr__(self) -> str:
        if self.closed:
            return "<Model, closed>"
        info = self.info()
        return (f"<Model, {info['total_parameters']} parameters, {info['active_parameters']} active,"
                f" MoE blocks {info['moe_blocks']}>")


def _from_bytes(kind: type[Model], saved: bytes, options: Options | None) -> Model:
    with tempfile.TemporaryDirectory(prefix="minimoe-") as directory:
        path = os.path.join(directory, "model.safetensors")
        with open(path, "wb") as file:
            file.write(saved)
        return kind.load(path, options=options)
