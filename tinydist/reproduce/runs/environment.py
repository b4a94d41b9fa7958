"""Where and with what a run is computed."""

from __future__ import annotations

import platform
import shlex
import sys
from pathlib import Path

import numba
import numpy as np

import tinydist
from tinydist.cores import available_cores


def environment() -> dict[str, object]:
    """Versions and machine of this process. None of it decides the outcome of a run, except by rounding."""
    return {
        "versions": versions(),
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": available_cores()},
    }


def versions() -> dict[str, str]:
    """Of Python and of what computes the numbers."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "tinydist": tinydist.__version__,
    }


def command() -> str:
    """The command line that started this process."""
    return shlex.join(sys.orig_argv)


def _processor() -> str:
    """The processor's name; on Linux Python itself gives only its kind."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
