"""Types of command-line arguments: each turns a text into a value, or says what it expected."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from tinydist.datasets import INPUTS
from tinydist.errors import ModelNameError
from tinydist.models import parse_model_name

T = TypeVar("T", int, float)


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
