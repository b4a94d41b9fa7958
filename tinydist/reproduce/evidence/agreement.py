"""Whether two programs agree: their runs under one setting, model by model.

Two programs that draw other random numbers never give the same runs, only runs from the same distribution. Their means
agree if they are less than half a point apart, as two one-sided tests show it. Where a model's runs are so far apart
that not even equal means could show that, the distributions are compared instead, which can show that the programs
differ, but never that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import scipy

from tinydist.analysis.statistics import Summary, TTest, interval_text, welch
from tinydist.reproduce.evidence.decisions import ALPHA, REFUTED, SHOWN, Decision, Finding, decide, p_text
from tinydist.reproduce.evidence.outcomes import Outcome, Outcomes

MARGIN = 0.5
"""Points of test accuracy within which the means of two programs agree."""
RULE = (
    f"Two programs agree on a model if their means are within {MARGIN:g} points (two one-sided Welch tests). Where the "
    "runs are too far apart for that, their distributions are compared (Kolmogorov-Smirnov), by which programs can be "
    "found to differ only. Holm-corrected over the models; failed runs count as guessing."
)


@dataclass(frozen=True)
class Agreement:
    """What the runs of two programs say of one model.

    Attributes:
        model: its name.
        one, other: the accuracies of each program, percent.
        numbers: what decides, in words.
        word: "agree", "differ", "open", or "no difference found" where distributions are compared.
    """

    model: str
    one: Summary
    other: Summary
    numbers: str
    word: str


def agreements(one: Outcomes, other: Outcomes) -> list[Agreement]:
    """Compare two programs' runs of one setting, for each model of which both have two runs at least."""
    pairs = {
        model: (one[model], other[model])
        for model in one
        if model in other and min(one[model].runs, other[model].runs) > 1
    }
    tests = {model: welch(*map(_summary, pair)) for model, pair in pairs.items()}
    by_means = {model: test for model, test in tests.items() if _could_agree(test, *pairs[model])}
    decided = decide(
        {m: _of_means(by_means[m]) if m in by_means else _of_distributions(*pair) for m, pair in pairs.items()}
    )
    found = []
    for model, (ours, theirs) in pairs.items():
        decision = decided[model]
        word = _word(decision, model in by_means)
        found.append(Agreement(model, _summary(ours), _summary(theirs), decision.numbers, word))
    return found


def _summary(outcome: Outcome) -> Summary:
    return outcome.counting_failures(outcome.guessing)


def _could_agree(test: TTest, one: Outcome, other: Outcome) -> bool:
    """Return whether such runs could show that two equal means agree; with failed ones among them they could not."""
    return not (one.failed or other.failed) and replace(test, difference=0.0).p_within(MARGIN) < ALPHA


def _of_means(test: TTest) -> Finding:
    numbers = f"{test.difference:+z.2f} [{interval_text(*test.interval(), ', ', '+')}]"
    return Finding(test.p_within(MARGIN), test.p_outside(MARGIN), numbers)


def _of_distributions(one: Outcome, other: Outcome) -> Finding:
    """Return what speaks for a difference: nothing where no run varies by more than rounding, or splits overlap."""
    if one.overlap or other.overlap or not (_summary(one).varies or _summary(other).varies):
        return Finding(1.0, 1.0, "no test fits")
    ours, theirs = (outcome.all_accuracies(outcome.guessing) for outcome in (one, other))
    p = float(scipy.stats.ks_2samp(ours, theirs).pvalue)
    return Finding(1.0, p, f"distributions, p {p_text(p)}")


def _word(decision: Decision, of_means: bool) -> str:
    if decision.word == SHOWN:
        return "agree"
    if decision.word == REFUTED:
        return "differ"
    return "open" if of_means else "no difference found"
