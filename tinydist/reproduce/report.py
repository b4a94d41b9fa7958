"""The printed report: what was run, how it went, which claims held."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tinydist.analysis.statistics import summarize
from tinydist.datasets import INPUTS
from tinydist.reproduce.claims import CLAIMS, Outcome, outcomes, verdict
from tinydist.reproduce.protocols import LR, PROTOCOLS, Protocol
from tinydist.reproduce.published import published
from tinydist.reproduce.records import RunConfig, RunRecord

WIDTH = 100


def protocol_label(config: RunConfig, protocol: Protocol) -> str:
    """The protocol in one line, which says when it is not one of the paper's."""
    settings = f"{config.dataset}, {protocol}, lr {config.lr:g}, input {config.input}"
    if config.dataset == "mnist" and config.lr == LR and protocol in (PROTOCOLS["paper"], PROTOCOLS["extended"]):
        if config.input == "raw":
            return f"the paper's protocol: {settings}"
        if config.input == "normalized":
            return f"the paper's protocol as described, though not as its author ran it: {settings}"
    return f"not the paper's protocol: {settings}"


def protocol_notes(config: RunConfig, protocol: Protocol) -> str:
    """What a reader has to know before looking at a number."""
    paper = PROTOCOLS["paper"]
    reduced = [
        f"{ours:,} of {theirs:,} {what}"
        for ours, theirs, what in [
            (protocol.train_size, paper.train_size, "training images"),
            (protocol.epochs, paper.epochs, "epochs"),
            (protocol.runs, paper.runs, "runs"),
        ]
        if ours < theirs
    ]
    notes = [f"Input: {INPUTS[config.input]}."]
    if reduced:
        notes.append(f"Reduced protocol: {', '.join(reduced)}. Compare directions with the paper, not decimals.")
    return "\n".join(notes)


def table(records: Sequence[RunRecord]) -> str:
    """One line a model: accuracy, dead outputs, and the paper's number under the paper's own protocol."""
    results = outcomes(records)
    rows = [("model", "test accuracy %", "n", "dead outputs", "the paper's (60,000 images, 20 runs)")]
    for model in dict.fromkeys(record.config.model for record in records):
        epochs = records[0].config.epochs
        rows.append((model, *_measured(results.get(model)), str(published(model, epochs) or "none published")))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _measured(outcome: Outcome | None) -> tuple[str, str, str]:
    if outcome is None:
        return "all failed", "0", ""
    runs = len(outcome.accuracies)
    return str(summarize(outcome.accuracies)), str(runs), f"{outcome.mean_dead:.1f} of 10"


def verdicts(records: Sequence[RunRecord]) -> str:
    """The claims that held in these runs, those that did not, and those that were not put to the test."""
    results = outcomes(records)
    judged = [verdict(claim, results) for claim in CLAIMS]
    lines = []
    for result in ("held", "did not hold", "not tested"):
        group = [v for v in judged if v.result == result]
        if not group:
            continue
        lines.append(f"Claims {'that ' if result != 'not tested' else ''}{result}: {len(group)}")
        for v in group:
            lines += textwrap.wrap(
                f"{v.claim.statement} [{v.claim.test}]: {v.evidence}",
                WIDTH,
                initial_indent="  * ",
                subsequent_indent="    ",
            )
    return "\n".join(lines)


def failures(records: Sequence[RunRecord]) -> str:
    """The runs that failed, one a line; empty if none did."""
    return "\n".join(
        f"FAILED {record.config.model} seed {record.config.seed}: {record.status}"
        for record in records
        if record.status != "ok"
    )
