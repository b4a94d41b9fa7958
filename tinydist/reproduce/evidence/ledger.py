"""Verdicts on the paper's claims from whatever runs there are.

The rule, the same for every claim and in both directions. A claim comes down to comparisons of models, each a
statement with a size: "more than 10 points above", "within 1 point of". Runs speak for a statement with one p-value
and against it with another (:mod:`tinydist.reproduce.evidence.comparisons`). Holm's correction is made twice, over all
p for and over all p against, of every comparison of the ledger that could be made. Then a claim

* held, if every one of its comparisons was shown: corrected p for it below 0.05;
* did not hold, if one of them was refuted: corrected p against it below 0.05;
* has not enough evidence otherwise: the runs are too few, or too far apart, to tell;
* is not tested where a model has no run, or the claim is about a protocol that was not run.

So a false claim is said to have held in at most 5% of such ledgers, and a true one not to have held in at most 5%, as
far as the tests' own assumptions go: means of runs that are nearly normal and, for spreads, runs that are.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinydist.analysis.statistics import holm
from tinydist.reproduce.evidence.claims import CLAIMS, Claim
from tinydist.reproduce.evidence.comparisons import Comparison, Finding, p_text
from tinydist.reproduce.evidence.outcomes import Outcomes
from tinydist.reproduce.runs.settings import LR, Setting

ALPHA = 0.05
HELD, FAILED, OPEN, UNTESTED = RESULTS = "held", "did not hold", "not enough evidence", "not tested"


@dataclass(frozen=True)
class Evidence:
    """What became of one comparison: "shown", "refuted" or "open", the corrected p-values, and the numbers behind."""

    word: str
    decision: str
    numbers: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, and how far from the paper's protocol.

    Attributes:
        claim: the claim.
        result: "held", "did not hold", "not enough evidence" or "not tested".
        evidence: the numbers that decided, or what is missing.
        setting: of the runs, whose input the verdict is for.
        protocol: "the paper's protocol", "reduced protocol" or "another protocol", as the claim sees it. Raw input, as
            the author's program feeds it, and normalized input, as the paper describes it, both count as the paper's.
    """

    claim: Claim
    result: str
    evidence: tuple[Evidence, ...]
    setting: Setting
    protocol: str


def verdicts(results: Outcomes, setting: Setting) -> list[Verdict]:
    """Judge every claim on the successful runs of one setting."""
    ready = [c for claim in CLAIMS if not _missing(claim, results, setting) for c in _possible(claim, results)]
    findings = [comparison.examine(results) for comparison in ready]
    for_it, against_it = (holm([getattr(f, side) for f in findings]) for side in ("for_it", "against_it"))
    corrected = map(Finding, for_it, against_it, (finding.numbers for finding in findings))
    found = dict(zip(ready, corrected, strict=True))
    return [_verdict(claim, results, setting, found) for claim in CLAIMS]


def _verdict(claim: Claim, results: Outcomes, setting: Setting, found: dict[Comparison, Finding]) -> Verdict:
    protocol = _protocol(claim, results, setting)
    if missing := _missing(claim, results, setting):
        return Verdict(claim, UNTESTED, (Evidence("open", missing),), setting, protocol)
    evidence = tuple(_evidence(comparison, found.get(comparison)) for comparison in claim.comparisons)
    words = [line.word for line in evidence]
    result = FAILED if "refuted" in words else OPEN if "open" in words else HELD
    return Verdict(claim, result, evidence, setting, protocol)


def _evidence(comparison: Comparison, corrected: Finding | None) -> Evidence:
    if corrected is None:
        return Evidence("open", f"{comparison}; needs at least {comparison.min_runs} successful runs of each")
    word = "shown" if corrected.for_it < ALPHA else "refuted" if corrected.against_it < ALPHA else "open"
    p = f"p for it {p_text(corrected.for_it)}, against it {p_text(corrected.against_it)}"
    return Evidence(word, f"{comparison}; {p}", corrected.numbers)


def _possible(claim: Claim, results: Outcomes) -> list[Comparison]:
    """The comparisons of a claim for which there are runs enough."""
    return [c for c in claim.comparisons if all(results[m].accuracy.n >= c.min_runs for m in c.models)]


def _missing(claim: Claim, results: Outcomes, setting: Setting) -> str:
    """Why a claim cannot be tested; empty if it can."""
    there = (claim.protocol.train_size, claim.protocol.epochs)
    if claim.only_there and (setting.train_size, setting.epochs) != there:
        return f"needs {there[0]:,} training images and {there[1]:,} epochs"
    if claim.only_there and not setting.as_in_the_paper:
        return f"needs MNIST, lr {LR:g}, full-batch gradient descent, and raw or normalized input"
    absent = [model for model in claim.models if model not in results]
    return f"needs a successful run of {', '.join(absent)}" if absent else ""


def _protocol(claim: Claim, results: Outcomes, setting: Setting) -> str:
    runs = min((results[model].accuracy.n for model in claim.models if model in results), default=0)
    ours, theirs = (setting.train_size, setting.epochs, runs), claim.protocol
    if not setting.as_in_the_paper:
        return "another protocol"
    if any(a < b for a, b in zip(ours, (theirs.train_size, theirs.epochs, theirs.runs), strict=True)):
        return "reduced protocol"
    return "the paper's protocol" if ours[:2] == (theirs.train_size, theirs.epochs) else "another protocol"
