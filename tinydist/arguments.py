"""Types of command-line arguments: each turns a text into a value, or says what it expected."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TypeVar

from tinydist.datasets import INPUTS
from tinydist.errors import ModelNameError
from tinydist.models import parse_model_name

T = TypeVar("T", int, float)

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
"""Units of time, each with its seconds."""


def model_name(text: str) -> str:
    """The name of a model."""
    try:
        return str(parse_model_name(text.strip()))
    except ModelNameError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def model_list(text: str) -> list[str]:
    """Names of models, separated by commas; each only once."""
    return list(dict.fromkeys(map(model_name, text.split(","))))


def input_list(text: str) -> list[str]:
    """Ways of feeding an image, separated by commas; each only once."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in INPUTS:
            raise argparse.ArgumentTypeError(f"unknown input {name!r}; expected some of {', '.join(INPUTS)}")
    return list(dict.fromkeys(names))


def _number(kind: Callable[[str], T], accepts: Callable[[T], bool], expected: str) -> Callable[[str], T]:
    def parse(text: str) -> T:
        try:
            value = kind(text)
            if accepts(value):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")

    return parse


positive = _number(int, lambda n: n > 0, "a positive whole number")
not_negative = _number(int, lambda n: n >= 0, "a whole number from 0")
positive_real = _number(float, lambda r: 0 < r < float("inf"), "a positive number")


def time_span(text: str) -> int:
    """A time such as 90m, 2h, 1h30m, 45s or 2d, in seconds."""
    found = re.fullmatch("".join(f"(?:([0-9]{{1,6}}){unit})?" for unit in UNITS), text.strip())
    counts = found.groups("0") if found else ()
    seconds = sum(int(count) * size for count, size in zip(counts, UNITS.values(), strict=False))
    if not seconds:
        raise argparse.ArgumentTypeError(f"expected a time such as 90m, 2h, 1h30m, 45s or 2d, got {text!r}")
    return seconds


def written_span(seconds: int) -> str:
    """A time as :func:`time_span` reads it, in the largest units: 5400 seconds are 1h30m."""
    written = ""
    for unit, size in UNITS.items():
        count, seconds = divmod(seconds, size)
        written += f"{count}{unit}" if count else ""
    return written
