"""How many runs it takes: the share of sweeps in which each claim would hold, if the paper were right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from tinydist.reproduce.evidence.ledger import HELD, NOT_TESTED, verdicts
from tinydist.reproduce.evidence.outcomes import Outcome
from tinydist.reproduce.evidence.protocols import PROTOCOLS
from tinydist.reproduce.evidence.published import published
from tinydist.reproduce.runs.settings import LR, Setting

STEP = 0.01
"""Points of accuracy that one of MNIST's 10,000 test images makes."""


def power(deviations: Mapping[str, float], runs: int, sweeps: int = 200, seed: int = 0) -> dict[str, float]:
    """Return the share of simulated sweeps in which the ledger says that a claim held, by its number.

    The accuracies of a sweep are drawn from normal distributions about the published means (which may well go beyond
    100%: cut off there, their means and deviations would be others), every run of ReLU2 has a dead output, and no run
    of another model has a dead node: what the paper says. Only the deviations are measured, in a pilot under the
    protocol that runs are to be chosen for, a reduced one. So the choice cannot follow from what the pilot's means say
    of a claim. (Claim 5b is about the deviations themselves, and its share is that of the pilot's.)

    Args:
        deviations: standard deviation of the test accuracy by model, in points.
        runs: of each model in a sweep, at least 2.
        sweeps: simulated.
        seed: of the random numbers.

    Returns:
        A number from 0 to 1 for every claim that can be tested with these models.

    Raises:
        ValueError: if a model has no published accuracy, or a number is out of range.
    """
    if runs < 2 or sweeps < 1:
        raise ValueError(f"expected at least 2 runs and 1 sweep, got {runs} and {sweeps}")
    if wrong := {model: d for model, d in deviations.items() if not 0 <= d < math.inf}:
        raise ValueError(f"expected deviations of 0 points or more, got {wrong}")
    rng = np.random.default_rng(seed)
    protocol = PROTOCOLS["quick"]
    setting = Setting("mnist", "raw", protocol.train_size, protocol.epochs, LR)
    counts = Counter[str]()
    for _ in range(sweeps):
        noise = {model: deviation * rng.normal(size=runs) for model, deviation in deviations.items()}
        for claims_about in (PROTOCOLS["paper"], PROTOCOLS["extended"]):
            outcomes = {model: _outcome(model, claims_about.epochs, terms) for model, terms in noise.items()}
            for verdict in verdicts(outcomes, setting):
                if verdict.claim.protocol == claims_about and verdict.result != NOT_TESTED:
                    counts[verdict.claim.number] += verdict.result == HELD
    return {number: count / sweeps for number, count in counts.items()}


def _outcome(model: str, epochs: int, noise: np.ndarray) -> Outcome:
    """Return runs whose accuracies lie about the mean that is published for so many epochs."""
    number = published(model, epochs)
    if number is None:
        raise ValueError(f"the paper has no accuracy of {model}; leave its deviation out")
    accuracies = np.round((number.mean + noise) / STEP) * STEP
    none, dead = (0,) * len(noise), (int(model == "ReLU2"),) * len(noise)
    seeds = tuple(range(len(noise)))
    return Outcome(tuple(accuracies.tolist()), dead, seeds, none, dead, dead, rounding=STEP / math.sqrt(12))
