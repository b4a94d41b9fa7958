"""The environment of a run: the machine, the versions and the command line that it is computed with."""

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
    """Return versions and machine of this process. They affect the outcome of a run by rounding only."""
    return {
        "versions": versions(),
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": available_cores()},
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute the numbers."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "tinydist": tinydist.__version__,
    }


def command() -> str:
    """Return the command line that started this process, quoted for a shell."""
    return shlex.join(sys.orig_argv)


def _processor() -> str:
    """Return the name of the processor; on Linux from /proc/cpuinfo, since Python itself gives only its kind."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
