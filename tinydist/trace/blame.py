"""Which op zeroed an entry of a gradient.

An op's gradient rule is linear in the gradient that comes in, so it can be asked: a rule that answers 0 at an entry
whatever comes in has blocked that entry itself (ReLU, where its input is negative). If it would let something through,
the zero came from above, from whatever op had blocked the entries that this one depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rule = Callable[[Array], Array]

NOBODY = -1
"""In an array of blame: this entry is not zero."""


def blame(rule: Rule, contribution: Array, blame_above: Array, this: int, rng: np.random.Generator) -> Array:
    """For every entry of what a rule returned, the op that made it zero.

    Args:
        rule: the vjp, from the gradient of the op's value to the gradient of one input.
        contribution: what it returned.
        blame_above: for every entry of the gradient that came in, the number of the op that zeroed it, or NOBODY.
        this: number of the op whose rule it is.
        rng: source of the gradients that the rule is asked with.

    Returns:
        integers in the shape of `contribution`: a number, or NOBODY where it is not zero. Where several ops above
        have a share in a zero, the one with the lowest number; where non-zero terms cancelled exactly, `this`.
    """
    zero = contribution == 0
    result = np.where(zero, this, NOBODY)
    if not zero.any():
        return result
    probe = rng.uniform(1, 2, blame_above.shape) * rng.choice([-1, 1], blame_above.shape)
    open_to = zero & (rule(probe.astype(contribution.dtype)) != 0)
    for above in sorted(set(blame_above[blame_above != NOBODY].tolist()), reverse=True):
        through = rule(np.where(blame_above == above, probe, 0).astype(contribution.dtype)) != 0
        result[open_to & through] = above
    return result


def merge(first: Array, second: Array) -> Array:
    """The blame for a sum of two contributions, where it is zero: the first's, else the second's."""
    return np.where(first != NOBODY, first, second)
