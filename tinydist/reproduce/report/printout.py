"""The printed report: the protocol and the results of the runs, and the verdicts on the claims."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tinydist.analysis.statistics import summarize
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.contradictions import CONTRADICTIONS
from tinydist.reproduce.evidence.labels import protocol_label, protocol_notes, run_counts
from tinydist.reproduce.evidence.outcomes import Outcome, Outcomes, by_setting, grouped, outcomes
from tinydist.reproduce.evidence.published import published
from tinydist.reproduce.runs.records import RunRecord, failures
from tinydist.reproduce.runs.settings import Setting
from tinydist.tables import WIDTH, text_table

RULE = (
    "A claim held if every comparison it comes down to is shown, did not hold if one of them is refuted: p below "
    "0.05, Holm-corrected over {compared}. Otherwise there is not enough evidence. Intervals, and p for a "
    "difference that is not 0, are of one comparison alone and decide nothing."
)


def results_table(records: Sequence[RunRecord]) -> str:
    """Return a table with a row for each model of one setting: accuracy, dead nodes, on MNIST the paper's number."""
    results = outcomes(records)
    heading = ("model", "test accuracy %", "n", "dead outputs", "dead hidden")
    models = dict.fromkeys(record.config.model for record in records)
    rows = [heading, *((model, *_measured(results.get(model))) for model in models)]
    setting = records[0].config.setting
    if setting.on_mnist:
        theirs = ("the paper's (60,000 images, 20 runs)", *(published_for(model, setting) for model in models))
        rows = [(*row, number) for row, number in zip(rows, theirs, strict=True)]
    return text_table(rows)


def published_for(model: str, setting: Setting) -> str:
    """Return the paper's number for a model, or that there is none; it has numbers on MNIST alone."""
    number = published(model, setting.epochs) if setting.on_mnist else None
    return str(number or "none published")


def _measured(outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is None:
        return "all failed", "0", "", ""
    hidden = f"{summarize(outcome.dead_hidden).mean:.1f}"
    return str(outcome.accuracy), str(outcome.accuracy.n), f"{outcome.mean_dead:.1f} of {outcome.outputs}", hidden


def verdicts(records: Sequence[RunRecord]) -> str:
    """Return the ledger of the paper's claims, with a section for each setting among these runs."""
    return "\n\n".join(verdicts_on(setting, results) for setting, results in by_setting(records).items())


def verdicts_on(setting: Setting, results: Outcomes) -> str:
    """Return the verdicts on the runs of one setting, grouped by result, each with its evidence."""
    judged = ledger.verdicts(results, setting)
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
        lines += _wrapped(f"{decision.word}: {decision.text}", indent, indent + 2)
        lines += _wrapped(decision.numbers, indent + 2, indent + 2)
    return lines


def contradictions() -> str:
    """Return the contradictions among the paper's own numbers, as text."""
    lines = _wrapped("The paper against itself: numbers recomputed from its own tables, with 20 runs a model.")
    for entry in CONTRADICTIONS:
        lines += _wrapped(f"* {entry.stated}", indent=2, hanging=4)
        lines += _wrapped(entry.recomputed, indent=4, hanging=4)
    return "\n".join(lines)


def _wrapped(text: str, indent: int = 0, hanging: int = 0) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * hanging)


def printed(records: Sequence[RunRecord]) -> str:
    """Return all to print when runs are finished: setting by setting the table and its protocol, then the verdicts.

    The contradictions among the paper's own numbers follow where some runs are on MNIST, as those are.
    """
    parts, groups = [], grouped(records)
    for setting, group in groups.items():
        runs = run_counts(group)
        label = protocol_label(setting, *runs)
        parts += [f"{label[0].upper()}{label[1:]}\n\n{results_table(group)}", protocol_notes(setting, runs[0])]
    papers_own = contradictions() if any(setting.on_mnist for setting in groups) else ""
    return "\n\n".join(part for part in (*parts, verdicts(records), papers_own, failures(records)) if part)
