"""The vector instructions that numba compiles for: those of this processor, or those that NUMBA_CPU_FEATURES names."""

from __future__ import annotations

from numba import config
from numba.core.codegen import get_host_cpu_features

_BYTES = {"avx512f": ("AVX-512", 64), "avx2": ("AVX2", 32), "avx": ("AVX", 32), "neon": ("NEON", 16)}


def _instructions() -> tuple[str, int]:
    """Return the name of the instruction set with the longest vectors, and their length in bytes."""
    chosen: str | None = config.CPU_FEATURES  # type: ignore[attr-defined]  # numba sets it at run time
    features: str = get_host_cpu_features() if chosen is None else chosen  # type: ignore[no-untyped-call]
    present = features.split(",")
    return next((named for feature, named in _BYTES.items() if f"+{feature}" in present), ("none known", 16))


INSTRUCTIONS, REGISTER = _instructions()
"""The vector instructions, such as "AVX2", and the size of their registers in bytes."""
