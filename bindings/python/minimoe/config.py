# SPDX-License-Identifier: Apache-2.0
"""Configurations: dicts with the parts "model", "train" and "data", checked and completed by the library."""

from __future__ import annotations

import copy
import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from . import _calls as raw
from .errors import InvalidArgument
from .options import Options, raw_options

_PARTS = ("model", "train", "data")


class Config(dict[str, Any]):
    """A run configuration: {"model": {..., "moe": {...}}, "train": {...}, "data": {...}}, each part and key optional.

    Keywords are keys without their path, or whole parts:

        Config("lab", steps=200, num_experts=8, top_k=2)
        Config(train={"steps": 200}, layers=[1])
        Config({"model.moe.num_experts": 8})

    The first argument is the name of a preset ("lab", "lab-dense"), a mapping (keys may be paths with dots), or None.
    Later values win; nothing is checked before `resolve` or use. `minimoe.config.keys()` lists every key.
    """

    def __init__(self, base: str | Mapping[str, Any] | None = None, /, **keywords: Any) -> None:
        super().__init__()
        if isinstance(base, str):
            self._merge(_parse(raw.minimoe_config_preset(base)))
        elif isinstance(base, Mapping):
            self._merge(base)
        elif base is not None:
            raise TypeError(f"config: expected the name of a preset or a mapping, got {type(base).__name__}")
        self._merge({name if name in _PARTS else _path_of(name): value for name, value in keywords.items()})

    def _merge(self, other: Mapping[str, Any]) -> None:
        for path, value in _leaves(other):
            target: dict[str, Any] = self
            for part in path[:-1]:
                target = target.setdefault(part, {})
                if not isinstance(target, dict):
                    raise TypeError(f"config: {'.'.join(path)} lies inside a value that is not a mapping")
            target[path[-1]] = copy.deepcopy(value)

    def updated(self, base: Mapping[str, Any] | None = None, /, **keywords: Any) -> Config:
        """Another configuration with these changes."""
        result = Config(self)
        result._merge(Config(base, **keywords))
        return result

    def resolve(self) -> Config:
        """Every default filled in. InvalidArgument names every bad key at once."""
        return Config(_parse(raw.minimoe_config_resolve(text_of(self))))

    def cost(self) -> dict[str, int]:
        """{"total_parameters", "active_parameters", "train_flops_per_token"}; model.vocab_size must be set."""
        result: dict[str, int] = _parse(raw.minimoe_config_cost(text_of(self)))
        return result

    def estimate_memory(self, options: Options | None = None) -> dict[str, int]:
        """Bytes of a model and its trainer: {"parameters", "gradients", "moments", "activations", "workspace",
        "total"}; model.vocab_size must be set."""
        text = raw.minimoe_config_estimate_memory(text_of(self), raw_options(options))
        result: dict[str, int] = _parse(text)
        return result

    def __repr__(self) -> str:
        return f"Config({super().__repr__()})"


def preset(name: str, **keywords: Any) -> Config:
    """"lab" (2 blocks, block 1 an MoE layer of 4 experts, top-2) or "lab-dense", with changes."""
    if not isinstance(name, str):
        raise TypeError(f"name: expected a str, got {type(name).__name__}")
    return Config(name, **keywords)


def resolve(config: Mapping[str, Any] | str | None = None, /, **keywords: Any) -> Config:
    """Config(config, **keywords).resolve()"""
    return Config(config, **keywords).resolve()


def cost(config: Mapping[str, Any] | str | None = None, /, **keywords: Any) -> dict[str, int]:
    """Config(config, **keywords).cost()"""
    return Config(config, **keywords).cost()


def estimate_memory(config: Mapping[str, Any] | str | None = None, /, *, options: Options | None = None,
                    **keywords: Any) -> dict[str, int]:
    """Config(config, **keywords).estimate_memory(options)"""
    return Config(config, **keywords).estimate_memory(options)


def keys() -> list[dict[str, Any]]:
    """Every key: [{"key": "model.moe.top_k", "type", "default", "meaning"}]."""
    result: list[dict[str, Any]] = _parse(raw.minimoe_config_keys())
    return result


def breaks() -> list[dict[str, Any]]:
    """Named ways to break a router, each one setting away from a run that is well: [{"name", "concept", "claim",
    "change", "fix", "healthy", "broken", "fixed", ...}]; the last three are whole configurations."""
    result: list[dict[str, Any]] = _parse(raw.minimoe_config_breaks())
    return result


def text_of(config: Mapping[str, Any] | str | None) -> str:
    """JSON of a configuration: a mapping, or the name of a preset."""
    if config is None:
        return "{}"
    if not isinstance(config, Config):
        config = Config(config)
    return to_json("config", config)


def to_json(name: str, value: object) -> str:
    """JSON, or a TypeError or ValueError that names the argument."""
    try:
        return json.dumps(value, allow_nan=False, default=_plain)
    except (TypeError, RecursionError) as error:
        raise TypeError(f"{name}: {error}") from None
    except ValueError as error:
        raise InvalidArgument(f"{name}: {error}") from None


def _plain(value: Any) -> Any:
    """Scalars and arrays of NumPy, and paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _parse(text: str) -> Any:
    return json.loads(text)


def _leaves(mapping: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise TypeError(f"config: the key {key!r} is not a str")
        here = (*path, *key.split("."))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, here)
        else:
            yield here, value


@functools.cache
def _paths() -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for entry in keys():
        result.setdefault(entry["key"].rsplit(".", 1)[-1], []).append(entry["key"])
    return result


def _path_of(name: str) -> str:
    paths = _paths().get(name, [])
    if len(paths) == 1:
        return paths[0]
    if paths:
        raise InvalidArgument(f"config: {name} could be {' or '.join(paths)}; give the whole path in a dict")
    nearest = difflib.get_close_matches(name, [*_PARTS, *_paths()], 1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise InvalidArgument(f"config: there is no key {name}{hint}")
