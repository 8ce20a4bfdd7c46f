# SPDX-License-Identifier: Apache-2.0
"""Parameters by name, of a model and of a bare layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import like_shape, shape_of
from ._handle import Handle, Raw
from .config import _parse
from .errors import InvalidArgument

_FLOAT32 = np.dtype(np.float32)


class ParameterView:
    """A parameter's own memory, read-only: np.asarray(view), memoryview-free and without a copy.

    The values change when the model or layer is trained, loaded or set; `generation` is that of the moment when the
    view was taken. The view, and every array made from it, keeps the memory alive, also past `close()`.
    """

    __slots__ = ("__array_interface__", "_owners", "generation", "name", "shape")

    def __init__(self, name: str, shape: tuple[int, ...], address: int, generation: int, owners: object) -> None:
        self.name = name
        self.shape = shape
        self.generation = generation
        self._owners = owners
        self.__array_interface__: dict[str, Any] = {"version": 3, "shape": shape, "typestr": _FLOAT32.str,
                                                    "data": (address, True)}

    def __dlpack__(self, **keywords: Any) -> Any:
        """For `from_dlpack` of a library that knows read-only arrays (DLPack 1.0); BufferError for others."""
        return np.asarray(self).__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU."""
        return (1, 0)

    def __repr__(self) -> str:
        return f"<ParameterView {self.name!r} {list(self.shape)}, generation {self.generation}>"


class Parameters(Handle[Raw]):
    """What Model and MoELayer have in common. Arrays are float32."""

    __slots__ = ()

    @abstractmethod
    def num_parameters(self) -> int:
        """Number of parameters: tensors, buffers such as expert_bias included."""

    @abstractmethod
    def _parameter_info(self, index: int) -> str: ...

    @abstractmethod
    def _parameter_get(self, name: str, out: Any) -> int: ...

    @abstractmethod
    def _parameter_view(self, name: str) -> tuple[tuple[int, ...], int, int, int]: ...

    @abstractmethod
    def set_parameter(self, name: str, values: Any) -> None:
        """Overwrites a parameter; every value must be finite."""

    def _owners(self, name: str) -> object:
        return self._handle

    def parameter_info(self, index: int) -> dict[str, Any]:
        """{"name", "shape", "role": "weight" or "buffer", "decay"} of parameter `index`."""
        result: dict[str, Any] = _parse(self._parameter_info(index))
        return result

    def parameters(self) -> Iterator[dict[str, Any]]:
        """parameter_info of each."""
        return (self.parameter_info(index) for index in range(self.num_parameters()))

    def parameter_view(self, name: str) -> ParameterView:
        """A view of a parameter, without a copy."""
        shape, address, _, generation = self._parameter_view(name)
        return ParameterView(name, shape, address, generation, self._owners(name))

    def parameter(self, name: str, out: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        """A copy of a parameter, in `out` if given."""
        if out is None:
            out = np.empty(self._parameter_view(name)[0], np.float32)
        else:
            like_shape("out", out, self._parameter_view(name)[0])
        self._parameter_get(name, out)
        return out

    def state_dict(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every parameter by name: read-only arrays over the parameters' own memory, which keep it alive."""
        return {info["name"]: np.asarray(self.parameter_view(info["name"])) for info in self.parameters()}

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Overwrites parameters by name. With `strict`, the names must be exactly those of the object; all names and
        shapes are looked at before the first is written."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state: expected a mapping of names to arrays, got {type(state).__name__}")
        shapes = {info["name"]: tuple(info["shape"]) for info in self.parameters()}
        missing = sorted(shapes.keys() - state.keys()) if strict else []
        unknown = sorted(state.keys() - shapes.keys())
        if missing or unknown:
            raise InvalidArgument(f"state: missing {missing}, unknown {unknown}")
        for name, values in state.items():
            if not hasattr(values, "shape"):
                raise TypeError(f"state[{name!r}]: expected an array of float32, got {type(values).__name__}")
            like_shape(f"state[{name!r}]", values, shapes[name], flat=False)
        for name, values in state.items():
            self.set_parameter(name, values)


def checked_out(name: str, out: npt.NDArray[np.float32] | None, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """`out`, when it has the shape, or a new array."""
    if out is None:
        return np.empty(shape, np.float32)
    if shape_of(out) != shape:
        like_shape(name, out, shape)
    return out
