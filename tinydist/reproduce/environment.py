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
    """Versions, machine and command line. None of it decides the outcome of a run, except by rounding."""
    return {
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
            "tinydist": tinydist.__version__,
        },
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": available_cores()},
        "command": shlex.join(sys.orig_argv),
    }


def _processor() -> str:
    """The processor's name; on Linux Python itself gives only its kind."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
