"""Whether models collapse beside their baselines, by the rule that the ledger has for claims."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from tinydist.analysis.statistics import holm
from tinydist.reproduce.evidence.claims import CATASTROPHE
from tinydist.reproduce.evidence.comparisons import Above
from tinydist.reproduce.evidence.ledger import ALPHA
from tinydist.reproduce.evidence.outcomes import Outcomes

COLLAPSED, STANDS, OPEN, FAILED = "collapsed", "stands", "open", "no comparison"
"""What became of a model beside its baseline: shown to be more than ten points below, shown not to be, neither, or
nothing to compare: no two runs of either ended well, or the baseline itself has not learned."""
LEARNED = 20.0
"""Test accuracy that a baseline has to reach, in percent: ten points above chance, so that there is a height to fall
from."""

Case = TypeVar("Case", bound=Hashable)


def learned(results: Outcomes, baseline: str) -> bool:
    """Whether a baseline is high enough to fall from."""
    return baseline in results and results[baseline].mean >= LEARNED


def fates(cases: Mapping[Case, tuple[Outcomes, str, str]]) -> dict[Case, str]:
    """What became of the model in each case, Holm-corrected over all cases in both directions.

    Args:
        cases: each with the runs of one setting, the baseline's name and the model's.
    """
    comparisons = {
        case: (Above(baseline, model, CATASTROPHE), results)
        for case, (results, baseline, model) in cases.items()
        if learned(results, baseline) and all(m in results and results[m].accuracy.n > 1 for m in (baseline, model))
    }
    found = [comparison.examine(results) for comparison, results in comparisons.values()]
    below, not_below = holm([f.for_it for f in found]), holm([f.against_it for f in found])
    decided = {
        case: COLLAPSED if p < ALPHA else STANDS if q < ALPHA else OPEN
        for case, p, q in zip(comparisons, below, not_below, strict=True)
    }
    return {case: decided.get(case, FAILED) for case in cases}
