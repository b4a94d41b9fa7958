"""The collapse of a model: a mean accuracy more than ten points below that of its baseline."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from tinydist.reproduce.evidence.claims import CATASTROPHE
from tinydist.reproduce.evidence.comparisons import Above
from tinydist.reproduce.evidence.decisions import OPEN, REFUTED, SHOWN, decide
from tinydist.reproduce.evidence.outcomes import Outcomes

COLLAPSED, STANDS, NO_COMPARISON = "collapsed", "stands", "no comparison"
"""What is decided of a model beside its baseline: shown to be more than ten points below; shown not to be; nothing, as
one of the two has fewer than two successful runs, or the baseline itself has not learned. A fourth word is ``OPEN``."""
WORDS = {SHOWN: COLLAPSED, REFUTED: STANDS, OPEN: OPEN}

Pair = TypeVar("Pair", bound=Hashable)


def learned(results: Outcomes, baseline: str) -> bool:
    """Return whether a baseline has learned, so that a model can collapse: at least ten points more than guessing.

    A baseline that has failed runs has not.
    """
    found = results.get(baseline)
    return found is not None and not found.failed and found.mean >= found.guessing + CATASTROPHE


def collapses(pairs: Mapping[Pair, tuple[Outcomes, str, str]]) -> dict[Pair, str]:
    """Decide for all pairs together whether the model collapsed beside its baseline.

    Args:
        pairs: each with the runs of one setting, the baseline's name and the model's.

    Returns:
        ``COLLAPSED``, ``STANDS``, ``OPEN`` or ``NO_COMPARISON`` for each.
    """
    decided = decide(
        {
            pair: Above(baseline, model, CATASTROPHE).examine(results)
            for pair, (results, baseline, model) in pairs.items()
            if learned(results, baseline) and all(m in results and results[m].accuracy.n > 1 for m in (baseline, model))
        }
    )
    return {pair: WORDS[decided[pair].word] if pair in decided else NO_COMPARISON for pair in pairs}
