"""The printed report: a table of the runs and a line on each of the paper's claims; on request, all the evidence."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.contradictions import found_in_the_paper
from tinydist.reproduce.evidence.labels import protocol_label, protocol_notes, run_counts, short_names
from tinydist.reproduce.evidence.outcomes import Outcome, Outcomes, grouped, outcomes
from tinydist.reproduce.evidence.published import published
from tinydist.reproduce.runs.records import RunRecord, failures
from tinydist.reproduce.runs.settings import Setting
from tinydist.tables import WIDTH, text_table

BRIEF, STATEMENT = 80, 53
"""Columns of the brief report, and of its column of claims with their indent."""
MANY = 2
"""Comparisons of a claim whose numbers are all shown; of more it is the smallest and the largest."""
NUMBERS = "In points [95% interval]: what a claim has higher, or first, minus the other."
MOVING = "In points [95% interval], first minus other; ~ still moves, and may turn later."
RULE = (
    "A claim held if every comparison it comes down to is shown, did not hold if one of them is refuted: p below "
    "0.05, Holm-corrected over {compared}. It does not arise if a claim that it presupposes did not hold. Otherwise "
    "there is not enough evidence. A failed run counts against a claim, as guessing. Intervals, and p for a "
    "difference that is not 0, are of one comparison alone and decide nothing."
)


def results_table(results: Outcomes, setting: Setting, models: str = "model") -> str:
    """Return a table with a row for each model of one setting: accuracy, dead outputs, on MNIST the paper's number.

    Args:
        results: of the runs.
        setting: of the runs.
        models: heading of the column of models.
    """
    rows = [(models, "test accuracy %", "n", "dead outputs"), *((m, *_measured(found)) for m, found in results.items())]
    if setting.on_mnist:
        theirs = ("the paper's, 60,000 images", *(published_for(name, setting) for name in results))
        rows = [(*row, number) for row, number in zip(rows, theirs, strict=True)]
    return text_table(rows)


def published_for(model: str, setting: Setting) -> str:
    """Return the paper's number for a model, or that there is none; it has numbers on MNIST alone."""
    number = published(model, setting.epochs) if setting.on_mnist else None
    return str(number or "none published")


def _measured(outcome: Outcome) -> tuple[str, ...]:
    if not outcome.accuracies:
        return "all failed", "0", ""
    dead = f"{outcome.mean_dead:.1f} of {outcome.outputs}" if outcome.dead_outputs else "–"
    return str(outcome.accuracy), str(outcome.accuracy.n), dead


def protocol(setting: Setting, fewest: int, most: int) -> str:
    """Return the protocol of runs, and what a reader has to know of it; arguments as for :func:`protocol_label`."""
    label = protocol_label(setting, fewest, most)
    return "\n".join(brief_lines(f"{label[0].upper()}{label[1:]}. {protocol_notes(setting, fewest)}"))


def protocols(records: Sequence[RunRecord]) -> str:
    """Return the protocol of each setting among these runs."""
    return "\n".join(protocol(setting, *run_counts(group)) for setting, group in grouped(records).items())


def brief(records: Sequence[RunRecord]) -> str:
    """Return what the runs say, setting by setting: a table of the models, and a line on each of the paper's claims.

    Failed runs are named at the end.
    """
    groups, judged = grouped(records), ledger.judged(records)
    names = short_names(list(groups))
    parts = []
    for setting, group in groups.items():
        parts += [
            results_table(outcomes(group), setting, "model" if len(groups) == 1 else names[setting]),
            claims(judged[setting], f"{names[setting]} input"),
        ]
    return "\n\n".join(part for part in (*parts, failures(records)) if part)


def claims(judged: Sequence[ledger.Verdict], name: str) -> str:
    """Return a line on each claim for the runs of one setting, which is named, grouped by verdict and protocol.

    Those that are not tested are named by number alone, with the reason.
    """
    groups: dict[tuple[int, str], list[ledger.Verdict]] = {}
    for verdict in judged:
        under = name if verdict.result == ledger.NOT_TESTED else f"{name}, {verdict.protocol}"
        groups.setdefault((ledger.RESULTS.index(verdict.result), under), []).append(verdict)
    lines = []
    for (result, under), group in sorted(groups.items()):
        lines.append(f"{ledger.RESULTS[result].upper()}: {len(group)} of {len(judged)} claims ({under})")
        if ledger.RESULTS[result] == ledger.NOT_TESTED:
            lines += [f"  {line}" for line in brief_lines(_untested(group), width=BRIEF - 2)]
            continue
        for verdict in group:
            claim = f"  {verdict.claim.number:3}{verdict.claim.statement}"
            numbers = f"{'~ ' if verdict.moves else ''}{deciding(verdict)}"
            fits = max(len(claim) + 2, STATEMENT) + len(numbers) <= BRIEF
            lines += [f"{claim:{STATEMENT - 2}}  {numbers}"] if fits else [claim, f"{numbers:>{BRIEF}}"]
    return "\n".join([*lines, MOVING if any(verdict.moves for verdict in judged) else NUMBERS])


def _untested(group: Sequence[ledger.Verdict]) -> str:
    """Return the numbers of claims that are not tested, by what is missing."""
    numbers: dict[str, list[str]] = {}
    for verdict in group:
        numbers.setdefault(verdict.decisions[0].brief, []).append(verdict.claim.number)
    return "; ".join(f"{', '.join(found)}: {reason}" for reason, found in numbers.items())


def brief_lines(text: str, hanging: int = 0, width: int = BRIEF) -> list[str]:
    """Return text as lines of the brief report."""
    return textwrap.wrap(text, width, subsequent_indent=" " * hanging, break_long_words=False, break_on_hyphens=False)


def deciding(verdict: ledger.Verdict) -> str:
    """Return the numbers that decide on a claim; of several comparisons without intervals, of many as a range."""
    first, *others = verdict.decisions
    if not others or not any(decision.numbers for decision in verdict.decisions):
        return first.brief
    numbers = [decision.brief.split(" [")[0] for decision in verdict.decisions]
    if len(numbers) <= MANY:
        return ", ".join(numbers)
    try:
        return " to ".join([min(numbers, key=float), max(numbers, key=float)])
    except ValueError:  # one of them is no difference, as runs failed
        return ", ".join(numbers)


def verdicts_on(setting: Setting, judged: Sequence[ledger.Verdict]) -> str:
    """Return the verdicts on the runs of one setting, grouped by result, each with its evidence."""
    made = sum(bool(decision.numbers) for verdict in judged for decision in verdict.decisions)
    lines = _wrapped(f"Claims of the paper, on {setting}. {RULE.format(compared=f'all comparisons made, {made} here')}")
    for result in ledger.RESULTS:
        group = [verdict for verdict in judged if verdict.result == result]
        if group:
            lines += ["", f"{result.upper()}: {len(group)}"]
        for verdict in group:
            lines += _verdict_lines(verdict)
    return "\n".join(lines)


def _verdict_lines(verdict: ledger.Verdict) -> list[str]:
    """Return the lines on a claim: for which input and protocol, what the paper bases it on, and the evidence."""
    claim, indent = verdict.claim, 6
    under = "" if verdict.result == ledger.NOT_TESTED else f", {verdict.protocol}"
    lines = _wrapped(f"{claim.number:4}{claim.statement} ({verdict.setting.input} input{under})", 2, indent)
    if verdict.result == ledger.NOT_TESTED:
        return lines + _wrapped(verdict.decisions[0].text, indent, indent)
    if verdict.setting.on_mnist:
        lines += _wrapped(f"the paper, {claim.protocol.epochs:,} epochs: {claim.source}", indent, indent)
    for decision in verdict.decisions:
        word = f"{decision.word}: " if decision.numbers else ""
        lines += _wrapped(f"{word}{decision.text}", indent, indent + 2)
        lines += _wrapped(decision.numbers, indent + 2, indent + 2)
    return lines + [line for course in verdict.courses for line in _wrapped(course.words, indent, indent + 2)]


def contradictions() -> str:
    """Return the contradictions among the paper's own numbers, as text."""
    lines = _wrapped("The paper against itself: numbers recomputed from its own tables, with 20 runs a model.")
    for entry in found_in_the_paper():
        lines += _wrapped(f"* {entry.stated}", indent=2, hanging=4)
        lines += _wrapped(entry.recomputed, indent=4, hanging=4)
    return "\n".join(lines)


def _wrapped(text: str, indent: int = 0, hanging: int = 0) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * hanging)


def evidence(records: Sequence[RunRecord]) -> str:
    """Return all the evidence: setting by setting, every claim with its comparisons and their tests.

    The contradictions among the paper's own numbers follow where some runs are on MNIST, as those are.
    """
    judged = ledger.judged(records)
    papers_own = [contradictions()] if any(setting.on_mnist for setting in judged) else []
    return "\n\n".join([*(verdicts_on(setting, found) for setting, found in judged.items()), *papers_own])
