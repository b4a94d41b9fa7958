"""Finding the op that zeroed an entry of a gradient.

An op's gradient rule is linear in the gradient that comes in, so it can be tested: a rule that returns 0 at an entry
whatever comes in has blocked that entry itself (ReLU, where its input is negative). If it would pass something on,
the zero came from above, from whatever op had blocked the entries that this one depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Rule = Callable[[Array], Array]

NOBODY = -1
"""The value in an array of blame for an entry that is not zero. Lower than every op's number."""


def blame(
    rule: Rule, contribution: Array, blame_above: Array, this: int, dtype: DTypeLike, rng: np.random.Generator
) -> Array:
    """Return, for every entry of what a rule returned, the op that made it zero.

    The rule is called once for each op above that zeroed something, with a random gradient that is not zero exactly
    where that op had zeroed it: entries that are then not zero depend on those. Last it is called for the entries
    that no op zeroed: where it is then not zero, and yet returned 0, its terms have cancelled.

    Args:
        rule: the vjp, from the gradient of the op's value to the gradient of one input.
        contribution: what it returned.
        blame_above: for every entry of the gradient that came in, the number of the op that zeroed it, or NOBODY.
        this: number of the op whose rule it is; ops are numbered from the output back.
        dtype: of the gradient that came in.
        rng: source of the random gradients.

    Returns:
        integers in the shape of `contribution`: a number, or NOBODY where it is not zero. Where several ops above
        have a share in a zero, the one with the lowest number; where non-zero terms cancelled or underflowed, `this`.
    """
    zero = contribution == 0
    result = np.where(zero, this, NOBODY)
    if zero.any():
        question = rng.uniform(1, 2, blame_above.shape) * rng.choice([-1, 1], blame_above.shape)
        for above in np.unique(blame_above)[::-1]:
            with np.errstate(all="ignore"):
                answers = np.asarray(rule(np.where(blame_above == above, question, 0).astype(dtype))) != 0
            result[zero & answers] = this if above == NOBODY else above
    return result


def merge(first: Array, second: Array) -> Array:
    """Return the blame for a sum of two contributions: the lower number where both are zero, else NOBODY."""
    return np.minimum(first, second)
