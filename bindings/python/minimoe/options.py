# SPDX-License-Identifier: Apache-2.0
"""How an object computes, where its memory comes from and whom it tells."""

from __future__ import annotations

import dataclasses
from typing import Literal

from . import _calls as raw
from . import _log

InstructionSet = Literal["auto", "scalar", "sse4", "avx2", "avx512"]
MatmulBackend = Literal["native", "blas"]

_INSTRUCTION_SETS: dict[str, int] = {
    "auto": raw.MINIMOE_INSTRUCTIONS_AUTO,
    "scalar": raw.MINIMOE_INSTRUCTIONS_SCALAR,
    "sse4": raw.MINIMOE_INSTRUCTIONS_SSE4,
    "avx2": raw.MINIMOE_INSTRUCTIONS_AVX2,
    "avx512": raw.MINIMOE_INSTRUCTIONS_AVX512,
}
_MATMUL_BACKENDS: dict[str, int] = {"native": raw.MINIMOE_MATMUL_NATIVE, "blas": raw.MINIMOE_MATMUL_BLAS}


def _choice(name: str, value: str, allowed: dict[str, int]) -> int:
    if value not in allowed:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(map(repr, allowed))}")
    return allowed[value]


@dataclasses.dataclass(frozen=True)
class Options:
    """Given to what makes a Dataset, Model or MoELayer; a trainer or cache takes those of its model or layer.

    num_threads: 0 is one per available core, else 1..256. It affects speed only, never a bit of a result.
    instruction_set: "auto" is the best that this CPU has. Bits differ between instruction sets.
    matmul_backend: "native" gives the same bits for any number of threads.
    log: lines go to logging.getLogger("minimoe"); those of each micro-batch when that shows DEBUG at this moment.
    count_memory: tensors and activations are counted in `allocated_bytes()`.
    """

    num_threads: int = 0
    instruction_set: InstructionSet = "auto"
    matmul_backend: MatmulBackend = "native"
    log: bool = True
    count_memory: bool = False

    def _raw(self) -> raw.minimoe_options:
        options = raw.minimoe_options()
        options.num_threads = self.num_threads
        options.instruction_set = _choice("instruction_set", self.instruction_set, _INSTRUCTION_SETS)
        options.matmul_backend = _choice("matmul_backend", self.matmul_backend, _MATMUL_BACKENDS)
        if self.log:
            options.log_to_python(_log.wanted_level())
        if self.count_memory:
            options.count_memory()
        return options


def raw_options(options: Options | None) -> raw.minimoe_options:
    """@private"""
    if options is None:
        options = Options()
    elif not isinstance(options, Options):
        raise TypeError(f"options: expected minimoe.Options or None, got {type(options).__name__}")
    return options._raw()


def allocated_bytes() -> int:
    """Bytes that objects made with Options(count_memory=True) hold now."""
    return raw.mm_counted_bytes()
