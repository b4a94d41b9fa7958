"""The ledger: verdicts on the paper's claims from the runs there are.

A claim comes down to comparisons of models, each a statement with a size: "more than 10 points above", "within 1 point
of". All comparisons of the ledger that can be made are decided together (:mod:`tinydist.reproduce.evidence.decisions`).
Then a claim

* held, if every one of its comparisons was shown;
* did not hold, if one of them was refuted;
* has not enough evidence otherwise: the runs are too few, or too far apart, to tell;
* does not arise, if a claim that it presupposes did not hold, and not for failed runs: where no model was at fault,
  nothing was rescued;
* is not tested where a model has no run, or the claim is about a protocol that was not run.

So a false claim is said to have held in at most 5% of such ledgers, and a true one not to have held in at most 5%, as
far as the tests' own assumptions go: means of runs that are nearly normal and, for spreads, runs that are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tinydist.reproduce.evidence.claims import CLAIMS, Claim
from tinydist.reproduce.evidence.comparisons import Comparison
from tinydist.reproduce.evidence.course import Before, Course, course, halfway
from tinydist.reproduce.evidence.decisions import OPEN, REFUTED, Decision, decide
from tinydist.reproduce.evidence.outcomes import Outcomes, curve_of, grouped, outcomes
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import LR, Setting

PAPERS_PROTOCOL, REDUCED = "the paper's protocol", "reduced protocol"
HELD, NOT_HELD, NOT_ARISING = "held", "did not hold", "does not arise"
NOT_ENOUGH, NOT_TESTED = "not enough evidence", "not tested"
RESULTS = (HELD, NOT_HELD, NOT_ARISING, NOT_ENOUGH, NOT_TESTED)


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim, and whether its runs follow the paper's protocol.

    Attributes:
        claim: the claim.
        result: one of ``RESULTS``.
        decisions: one for each comparison of the claim; for a claim that is not tested a single one, which says why.
        setting: of the runs, whose input the verdict is for.
        protocol: ``PAPERS_PROTOCOL``, ``REDUCED`` or "another protocol", as the claim sees it. Raw input, as
            the author's program feeds it, and normalized input, as the paper describes it, both count as the paper's.
        courses: of a verdict on fewer epochs than the claim is about, the course of each comparison; empty of any
            other, and where there are no learning curves.
    """

    claim: Claim
    result: str
    decisions: tuple[Decision, ...]
    setting: Setting
    protocol: str
    courses: tuple[Course, ...] = ()

    @property
    def papers_protocol(self) -> bool:
        """Return whether the runs follow the paper's protocol, as the claim sees it."""
        return self.protocol == PAPERS_PROTOCOL

    @property
    def moves(self) -> bool:
        """Return whether, by the learning curves, the verdict could turn with more epochs."""
        return any(course.moves for course in self.courses)


def judged(records: Sequence[RunRecord]) -> dict[Setting, list[Verdict]]:
    """Judge every claim on each setting among these runs, failed ones too, by their ends and their learning curves."""
    found = {}
    for setting, group in grouped(records).items():
        curves = [curve_of(record) for record in group if record.status == "ok"]
        found[setting] = verdicts(outcomes(group), setting, halfway(curves, setting))
    return found


def verdicts(results: Outcomes, setting: Setting, before: Before | None = None) -> list[Verdict]:
    """Judge every claim on the runs of one setting.

    Args:
        results: the runs.
        setting: of the runs.
        before: the same runs halfway, if they were measured then.
    """
    ready = [c for claim in CLAIMS if not _missing(claim, results, setting) for c in _possible(claim, results)]
    decided = decide({comparison: comparison.examine(results) for comparison in ready})
    found: dict[str, Verdict] = {}
    for claim in CLAIMS:
        verdict = _verdict(claim, results, setting, before, decided)
        fallen = [found[number] for number in claim.presupposes if _fell(found[number], results)]
        if fallen and verdict.result != NOT_TESTED:
            verdict = _not_arising(verdict, fallen)
        found[claim.number] = verdict
    return list(found.values())


def _fell(verdict: Verdict, results: Outcomes) -> bool:
    """Return whether a claim did not hold, and not for runs that failed."""
    return verdict.result == NOT_HELD and not any(results[model].failed for model in verdict.claim.models)


def _verdict(
    claim: Claim,
    results: Outcomes,
    setting: Setting,
    before: Before | None,
    decided: Mapping[Comparison, Decision],
) -> Verdict:
    protocol = _protocol(claim, results, setting)
    if missing := _missing(claim, results, setting):
        return Verdict(claim, NOT_TESTED, (missing,), setting, protocol)
    decisions = tuple(decided.get(comparison) or _too_few(comparison) for comparison in claim.comparisons)
    words = [decision.word for decision in decisions]
    result = NOT_HELD if REFUTED in words else NOT_ENOUGH if OPEN in words else HELD
    courses: list[Course | None] = []
    if before and protocol == REDUCED and setting.epochs < claim.protocol.epochs:
        courses = [course(c, results, before, setting.epochs, claim.protocol.epochs) for c in claim.comparisons]
    return Verdict(claim, result, decisions, setting, protocol, tuple(found for found in courses if found))


def _not_arising(verdict: Verdict, fallen: Sequence[Verdict]) -> Verdict:
    """Return that a claim does not arise, as others did not hold, with the courses of those."""
    numbers = " and ".join(each.claim.number for each in fallen)
    reason = Decision(f"presupposes {numbers}, which did not hold", brief=f"as {numbers} did not hold")
    courses = tuple(course for each in fallen for course in each.courses)
    return replace(verdict, result=NOT_ARISING, decisions=(reason, *verdict.decisions), courses=courses)


def _too_few(comparison: Comparison) -> Decision:
    return Decision(f"{comparison}; needs at least {comparison.min_runs} runs of each", brief="too few runs")


def _possible(claim: Claim, results: Outcomes) -> list[Comparison]:
    """Return the comparisons of a claim for which there are enough runs."""
    return [c for c in claim.comparisons if all(results[m].runs >= c.min_runs for m in c.models)]


def _missing(claim: Claim, results: Outcomes, setting: Setting) -> Decision | None:
    """Return why a claim cannot be tested; None if it can."""
    there = (claim.protocol.train_size, claim.protocol.epochs)
    if claim.only_there and not setting.as_in_the_paper:
        return Decision(
            f"needs MNIST, lr {LR:g}, full-batch gradient descent, and raw or normalized input",
            brief="needs the paper's settings",
        )
    if claim.only_there and (setting.train_size, setting.epochs) != there:
        return Decision(
            f"needs {there[0]:,} training images and {there[1]:,} epochs",
            brief=f"needs {there[0]:,} images" if setting.epochs == there[1] else f"needs {there[1]:,} epochs",
        )
    absent = [model for model in claim.models if model not in results]
    if absent:
        return Decision(f"needs a run of {', '.join(absent)}", brief=f"no {absent[0]} run")
    needed = {
        (model, name) for comparison in claim.comparisons for model in comparison.models for name in comparison.needs
    }
    uncounted = sorted({name for model, name in needed if getattr(results[model], name) is None})
    words = f"needs {' and '.join(uncounted)} of each run"
    return Decision(words, brief=words.removesuffix(" of each run")) if uncounted else None


def _protocol(claim: Claim, results: Outcomes, setting: Setting) -> str:
    runs = min((results[model].accuracy.n for model in claim.models if model in results), default=0)
    ours, theirs = (setting.train_size, setting.epochs, runs), claim.protocol
    if not setting.as_in_the_paper:
        return "another protocol"
    if any(a < b for a, b in zip(ours, (theirs.train_size, theirs.epochs, theirs.runs), strict=True)):
        return REDUCED
    return PAPERS_PROTOCOL if ours[:2] == (theirs.train_size, theirs.epochs) else "another protocol"
