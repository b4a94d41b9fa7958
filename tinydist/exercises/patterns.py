"""What all that is wrong with an answer has in common, whatever the exercise."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tinydist.exercises.compare import RTOL, difference, same
from tinydist.exercises.rubric import Observation

STAYS = ", which must stay as it was"
"""End of the name of an observation that looks at what was given once more."""

AGAIN = ", when its rule is called again, with another g"
"""End of the name of an observation of a rule's second call."""

CALLS = ", of the first call", ", of the second call"
"""Ends of the names of observations of an op that is called twice before any rule runs."""

FLOAT64 = (
    " np.zeros, np.ones, np.eye and masks made of Booleans have a dtype of their own, and the wider one spreads: pass "
    "dtype=..., or use .astype at the end."
)
"""Where another dtype comes from."""


def pattern(seen: Sequence[Observation]) -> str:
    """Return in a sentence what all that is wrong has in common; "" if that is nothing known.

    Args:
        seen: all observations of an answer, some of them wrong.
    """
    wrong = [observation for observation in seen if difference(observation) is not None]
    whats = {observation.what for observation in wrong}
    if not whats:  # some exception is all that is wrong
        return ""
    if all(what.endswith(STAYS) for what in whats):
        names = sorted({what.removesuffix(STAYS).removesuffix(" itself") for what in whats})
        return (
            f"All that is computed is right, but this was overwritten: {', '.join(names)}. Others still need it: make "
            "a new array, and leave alone what you are given or have given away."
        )
    if all(what.endswith(AGAIN) for what in whats):
        return (
            "The first call of each rule is right, and the second is not: the rule has changed something that it needs "
            "itself. A rule may be called any number of times."
        )
    if all(what.endswith(CALLS) for what in whats):
        return (
            "Each call by itself is right, but not a call that is followed by another one before its rules run: the "
            "two share something, such as a global name or a default value."
        )
    if deaf := _deaf_rules(seen):
        return f"What the rule gives does not depend on g: {', '.join(deaf)}. Multiply the slope with what arrives, g."
    dtypes = {_only_dtype(observation) for observation in wrong}
    if len(dtypes) == 1 and None not in dtypes:
        words = str(dtypes.pop())
        return f"All numbers are right, but they are {words}." + (FLOAT64 if words.startswith("float64") else "")
    factors = {_factor(observation) for observation in wrong}
    kinds = {what.partition(",")[0] for what in whats}
    telling = [one for one in seen if one.what.partition(",")[0] in kinds and np.any(one.expected)]
    if len(factors) == 1 and None not in factors and len(telling) == len(wrong):
        factor, what = factors.pop(), " and ".join(sorted(kinds))
        if factor == -1:
            return f"The sign is flipped, in every case, of {what}. Otherwise it is right."
        return f"In every case it is {factor:g} times what it should be: {what}."
    return ""


def _deaf_rules(seen: Sequence[Observation]) -> list[str]:
    """Return the gradients that are the same for another g, in all cases in which they should not be."""
    firsts = {_place(one, one.what): one for one in seen}
    same_for: dict[str, set[bool]] = {}
    for second in seen:
        first = firsts.get(_place(second, second.what.removesuffix(AGAIN)))
        if second.what.endswith(AGAIN) and first and not same(first.expected, second.expected):
            same_for.setdefault(first.what, set()).add(same(first.received, second.received))
    return [what for what in dict.fromkeys(one.what for one in seen) if same_for.get(what) == {True}]


def _place(observation: Observation, what: str) -> tuple[str, tuple[int, ...]]:
    """Return what tells the observations of one case from those of others: all but g is the same array in it."""
    return what, tuple(id(value) for name, value in observation.given.items() if name != "g")


def _only_dtype(observation: Observation) -> str | None:
    """Return the dtypes in words, if nothing else is wrong; otherwise None."""
    words = difference(observation) or ""
    return words if re.fullmatch(r"\w+ instead of \w+", words) else None


def _factor(observation: Observation) -> float | None:
    """Return the number by which an array is too large, if it is the same in all entries; otherwise None."""
    expected, received = observation.expected, observation.received
    if not isinstance(expected, np.ndarray) or not isinstance(received, np.ndarray | np.generic):
        return None
    received = np.asarray(received)
    if expected.dtype.kind != "f" or received.shape != expected.shape or not np.any(expected):
        return None
    with np.errstate(all="ignore"):
        largest = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
        factor = float(np.float64(received[largest]) / np.float64(expected[largest]))
        rtol = RTOL.get(str(expected.dtype), 0)
        if not np.isfinite(factor) or not factor or not np.allclose(received, factor * expected, rtol=rtol, atol=0):
            return None
    rounded = float(f"{factor:.4g}")
    return rounded if rounded != 1 else None
