"""The experiment as a function call, for Python and for notebooks."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import Any

from tinydist.reproduce.plans.plan import make_plan
from tinydist.reproduce.plans.request import PlanError, Request
from tinydist.reproduce.plans.results import Results, carry_out

__all__ = ["Results", "run"]


def run(**request: Any) -> Results:
    """Train models as the paper does, and judge its claims on them; the same as ``python -m tinydist.reproduce``.

    Runs that the results folder holds already are not repeated, so a call that was interrupted goes on where it was.
    Progress goes to standard error.

    Args:
        request: the fields of :class:`tinydist.reproduce.plans.request.Request`, all of them optional: the options of
            the command line by name, such as ``models=["ReLU2", "ReLU2-Neg"]``, ``runs=5``, ``train_size=6000``,
            ``input=["raw", "normalized"]`` or ``out="results/mine"``.

    Returns:
        The finished records, the verdicts on the paper's claims, and what the command line would print.

    Raises:
        TypeError: for an unknown option.
        ValueError: for options that contradict each other, or values out of range.
        DataError: if data or results are damaged or missing.
        PoolError: if a process that does runs ends early; what was saved is kept.
        OSError: if something cannot be read or written.
    """
    try:
        return carry_out(make_plan(Request(**request)))
    except PlanError as problem:
        raise ValueError(_as_arguments(str(problem))) from None


run.__signature__ = inspect.signature(Request).replace(return_annotation=Results)  # type: ignore[attr-defined]


def _as_arguments(message: str) -> str:
    """Return a message about options of the command line as one about arguments: train_size for --train-size."""
    message = message.replace("--no-report", "report=False")
    for field in fields(Request):
        message = re.sub(rf"(?<![\w/.-])--{field.name.replace('_', '-')}(?![\w-])", field.name, message)
    return message
