"""The printed report: what was run, how it went, which claims held."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from tinydist.analysis.statistics import summarize
from tinydist.datasets import find_source, rows_are
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.contradictions import CONTRADICTIONS
from tinydist.reproduce.evidence.outcomes import Outcome, Outcomes, by_setting, grouped, outcomes
from tinydist.reproduce.evidence.protocols import PROTOCOLS, Protocol
from tinydist.reproduce.evidence.published import published
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import Setting
from tinydist.tables import text_table

WIDTH = 110
PAPERS = (PROTOCOLS["paper"], PROTOCOLS["extended"])
RULE = (
    "A claim held if every comparison it comes down to is shown, did not hold if one of them is refuted: p below "
    "0.05, Holm-corrected over {compared}. Otherwise there is not enough evidence. Intervals, and p for a "
    "difference that is not 0, are of one comparison alone and decide nothing."
)


def protocol_label(setting: Setting, fewest: int, most: int) -> str:
    """The protocol in one line, which says when it is not one of the paper's.

    Args:
        setting: of the runs.
        fewest, most: runs of the model with the fewest, and of the one with the most.
    """
    protocol = Protocol(setting.train_size, setting.epochs, most).told(rows_are(setting.dataset))
    to_most = "" if fewest == most else f" (of some only {fewest})"
    settings = f"{setting.dataset}, {protocol}{to_most}, lr {setting.lr:g}{setting.changes}, input {setting.input}"
    sizes = setting.train_size, setting.epochs
    like_the_paper = any(sizes == (paper.train_size, paper.epochs) and fewest >= paper.runs for paper in PAPERS)
    if not (setting.as_in_the_paper and like_the_paper):
        return f"not the paper's protocol: {settings}"
    if setting.input == "normalized":
        return f"the paper's protocol as described, though not as its author ran it: {settings}"
    return f"the paper's protocol: {settings}"


def protocol_notes(setting: Setting, fewest: int) -> str:
    """What a reader has to know before looking at a number; arguments as for :func:`protocol_label`."""
    paper = PROTOCOLS["paper"]
    sizes = [(setting.epochs, paper.epochs, "epochs"), (fewest, paper.runs, "runs")]
    if rows_are(setting.dataset) == "images":
        sizes.insert(0, (setting.train_size, paper.train_size, "training images"))
    reduced = [f"{ours:,} of {theirs:,} {what}" for ours, theirs, what in sizes if ours < theirs]
    notes = [f"Input: {find_source(setting.dataset).inputs[setting.input]}."]
    if reduced:
        notes.append(f"Reduced protocol: {', '.join(reduced)}. Compare directions with the paper, not decimals.")
    return "\n".join(notes)


def run_counts(records: Sequence[RunRecord]) -> tuple[int, int]:
    """How many successful runs there are of the model with the fewest, and of the one with the most."""
    counts = Counter({record.config.model: 0 for record in records})
    counts.update(record.config.model for record in records if record.status == "ok")
    return min(counts.values()), max(counts.values())


def results_table(records: Sequence[RunRecord]) -> str:
    """One line a model of one setting: accuracy, dead nodes, and the paper's number under the paper's own protocol."""
    results = outcomes(records)
    rows: list[tuple[str, ...]] = [
        ("model", "test accuracy %", "n", "dead outputs", "dead hidden", "the paper's (60,000 images, 20 runs)")
    ]
    setting = records[0].config.setting
    models = dict.fromkeys(record.config.model for record in records)
    rows += [(model, *_measured(results.get(model)), published_for(model, setting)) for model in models]
    return text_table(rows)


def published_for(model: str, setting: Setting) -> str:
    """The paper's number for a model, or that there is none; it has numbers on MNIST alone."""
    number = published(model, setting.epochs) if setting.dataset == "mnist" else None
    return str(number or "none published")


def _measured(outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is None:
        return "all failed", "0", "", ""
    hidden = f"{summarize(outcome.dead_hidden).mean:.1f}"
    return str(outcome.accuracy), str(outcome.accuracy.n), f"{outcome.mean_dead:.1f} of {outcome.outputs}", hidden


def verdicts(records: Sequence[RunRecord]) -> str:
    """The ledger of the paper's claims, for each setting among these runs a section of its own."""
    return "\n\n".join(verdicts_on(setting, results) for setting, results in by_setting(records).items())


def verdicts_on(setting: Setting, results: Outcomes) -> str:
    """The verdicts on the runs of one setting, grouped, each with its evidence."""
    judged = ledger.verdicts(results, setting)
    made = sum(bool(evidence.numbers) for verdict in judged for evidence in verdict.evidence)
    lines = _wrapped(f"Claims of the paper, on {setting}. {RULE.format(compared=f'all comparisons made, {made} here')}")
    for result in ledger.RESULTS:
        group = [verdict for verdict in judged if verdict.result == result]
        if group:
            lines += ["", f"{result.upper()}: {len(group)}"]
        for verdict in group:
            lines += _told(verdict)
    return "\n".join(lines)


def _told(verdict: ledger.Verdict) -> list[str]:
    """The claim, for which input and protocol, what the paper bases it on, and the evidence."""
    claim, indent = verdict.claim, 6
    under = "" if verdict.result == ledger.UNTESTED else f", {verdict.protocol}"
    lines = _wrapped(f"{claim.number:4}{claim.statement} ({verdict.setting.input} input{under})", 2, indent)
    if verdict.result == ledger.UNTESTED:
        return lines + _wrapped(verdict.evidence[0].decision, indent, indent)
    lines += _wrapped(f"the paper, {claim.protocol.epochs:,} epochs: {claim.source}", indent, indent)
    for evidence in verdict.evidence:
        lines += _wrapped(f"{evidence.word}: {evidence.decision}", indent, indent + 2)
        lines += _wrapped(evidence.numbers, indent + 2, indent + 2)
    return lines


def contradictions() -> str:
    """What the paper's own numbers say against each other."""
    lines = _wrapped("The paper against itself: numbers recomputed from its own tables, with 20 runs a model.")
    for entry in CONTRADICTIONS:
        lines += _wrapped(f"* {entry.stated}", indent=2, hanging=4)
        lines += _wrapped(entry.recomputed, indent=4, hanging=4)
    return "\n".join(lines)


def _wrapped(text: str, indent: int = 0, hanging: int = 0) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * hanging)


def failures(records: Sequence[RunRecord]) -> str:
    """The runs that failed, one a line; empty if none did."""
    return "\n".join(f"FAILED {record.config}: {record.status}" for record in records if record.status != "ok")


def printed(records: Sequence[RunRecord]) -> str:
    """Everything to print when runs are finished: setting by setting the table and its protocol, then the verdicts."""
    parts = []
    for setting, group in grouped(records).items():
        runs = run_counts(group)
        label = protocol_label(setting, *runs)
        parts += [f"{label[0].upper()}{label[1:]}\n\n{results_table(group)}", protocol_notes(setting, runs[0])]
    return "\n\n".join(part for part in (*parts, verdicts(records), contradictions(), failures(records)) if part)
