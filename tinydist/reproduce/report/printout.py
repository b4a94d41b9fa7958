"""The printed report: a table of the runs and a line on each of the paper's claims; on request, all the evidence."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from tinydist.models import PAPER_MODELS
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.claims import CLAIMS
from tinydist.reproduce.evidence.contradictions import found_in_the_paper
from tinydist.reproduce.evidence.labels import protocol_label, protocol_notes, run_counts, short_names
from tinydist.reproduce.evidence.outcomes import Outcome, Outcomes, by_setting, grouped, outcomes
from tinydist.reproduce.evidence.published import published
from tinydist.reproduce.evidence.tables_of_runs import Table
from tinydist.reproduce.runs.records import RunRecord, failures
from tinydist.reproduce.runs.settings import Setting
from tinydist.tables import WIDTH, counted, text_table

BRIEF, STATEMENT = 80, 53
"""Columns of the brief report, and of its column of claims with their indent."""
NUMBERS = "In points [95% interval]: what a claim has higher, or first, minus the other."
SHORT = {ledger.HELD: "held", ledger.NOT_HELD: "NOT", ledger.NOT_ENOUGH: "open", ledger.NOT_TESTED: "–"}
"""Verdicts in a table."""
LEGEND = "NOT: did not hold; open: not enough evidence; –: not tested; *: not by the paper's protocol"
BESIDE = 3
"""Columns of verdicts that fit beside one another."""
RULE = (
    "A claim held if every comparison it comes down to is shown, did not hold if one of them is refuted: p below "
    "0.05, Holm-corrected over {compared}. Otherwise there is not enough evidence. Intervals, and p for a "
    "difference that is not 0, are of one comparison alone and decide nothing."
)


def results_table(records: Sequence[RunRecord], models: str = "model") -> str:
    """Return a table with a row for each model of one setting: accuracy, dead outputs, on MNIST the paper's number.

    Args:
        records: of the runs, failed ones among them.
        models: heading of the column of models.
    """
    names = dict.fromkeys(record.config.model for record in records)
    return _models_table(outcomes(records), records[0].config.setting, tuple(names), models)


def _models_table(results: Outcomes, setting: Setting, names: Sequence[str], models: str) -> str:
    heading = (models, "test accuracy %", "n", "dead outputs")
    rows = [heading, *((name, *_measured(results.get(name))) for name in names)]
    if setting.on_mnist:
        theirs = ("the paper's, 60,000 images", *(published_for(name, setting) for name in names))
        rows = [(*row, number) for row, number in zip(rows, theirs, strict=True)]
    return text_table(rows)


def published_for(model: str, setting: Setting) -> str:
    """Return the paper's number for a model, or that there is none; it has numbers on MNIST alone."""
    number = published(model, setting.epochs) if setting.on_mnist else None
    return str(number or "none published")


def _measured(outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is None:
        return "all failed", "0", ""
    dead = f"{outcome.mean_dead:.1f} of {outcome.outputs}" if outcome.dead_outputs else "–"
    return str(outcome.accuracy), str(outcome.accuracy.n), dead


def protocol(setting: Setting, fewest: int, most: int) -> str:
    """Return the protocol of runs, and what a reader has to know of it; arguments as for :func:`protocol_label`."""
    label = protocol_label(setting, fewest, most)
    return "\n".join(_brief_lines(f"{label[0].upper()}{label[1:]}. {protocol_notes(setting, fewest)}"))


def protocols(records: Sequence[RunRecord]) -> str:
    """Return the protocol of each setting among these runs."""
    return "\n".join(protocol(setting, *run_counts(group)) for setting, group in grouped(records).items())


def brief(records: Sequence[RunRecord]) -> str:
    """Return what the runs say, setting by setting: a table of the models, and a line on each of the paper's claims.

    Failed runs are named at the end.
    """
    groups = grouped(records)
    names = short_names(list(groups))
    parts = []
    for setting, group in groups.items():
        parts += [
            results_table(group, "model" if len(groups) == 1 else names[setting]),
            claims(ledger.verdicts(outcomes(group), setting), f"{names[setting]} input"),
        ]
    return "\n\n".join(part for part in (*parts, failures(records)) if part)


def claims(judged: Sequence[ledger.Verdict], name: str) -> str:
    """Return a line on each claim for the runs of one setting, which is named, grouped by verdict and protocol."""
    groups: dict[tuple[int, str], list[ledger.Verdict]] = {}
    for verdict in judged:
        under = name if verdict.result == ledger.NOT_TESTED else f"{name}, {verdict.protocol}"
        groups.setdefault((ledger.RESULTS.index(verdict.result), under), []).append(verdict)
    lines = []
    for (result, under), group in sorted(groups.items()):
        lines.append(f"{ledger.RESULTS[result].upper()}: {len(group)} of {len(judged)} claims ({under})")
        for verdict in group:
            claim = f"  {verdict.claim.number:3}{verdict.claim.statement}"
            numbers = deciding(verdict)
            fits = max(len(claim) + 2, STATEMENT) + len(numbers) <= BRIEF
            lines += [f"{claim:{STATEMENT - 2}}  {numbers}"] if fits else [claim, f"{numbers:>{BRIEF}}"]
    return "\n".join([*lines, NUMBERS])


def judgement(tables: Mapping[str, Table], explain: bool = False) -> str:
    """Return what tables of runs say: the verdicts of all side by side, then those on each with its protocol and runs.

    Args:
        tables: by name.
        explain: whether to show all the evidence, and the paper's own contradictions, as well.
    """
    sections = [(name, setting, table) for name, table in tables.items() for setting in table.results]
    several = len(sections) > 1
    marks = [f"#{number}" for number in range(1, len(sections) + 1)]
    judged = [ledger.verdicts(table.results[setting], setting) for _, setting, table in sections]
    parts = _side_by_side(marks, sections, judged) if several else []
    for mark, (name, setting, table), verdicts_here in zip(marks, sections, judged, strict=True):
        results, failed = table.results[setting], table.failed[setting]
        names = sorted(dict.fromkeys([*results, *failed]), key=place)
        counts = [results[model].accuracy.n if model in results else 0 for model in names]
        title = _brief_lines(f"{mark} {name}" if several else name)
        parts += [
            "\n".join([*title, protocol(setting, min(counts), max(counts))]),
            _models_table(results, setting, names, "model"),
            claims(verdicts_here, f"{f'{mark} ' if several else ''}{setting.input} input"),
        ]
        if failed:
            parts.append("\n".join(f"FAILED {counted(n, 'run')} of {model}" for model, n in failed.items()))
        if explain:
            parts.append(verdicts_on(setting, results))
    for name, table in tables.items():
        if table.unknown:
            unknown = ", ".join(map(repr, table.unknown))
            parts.append("\n".join(_brief_lines(f"Columns of {name} that nothing is read from: {unknown}")))
    if explain and any(setting.on_mnist for _, setting, _ in sections):
        parts.append(contradictions())
    return "\n\n".join(parts)


def place(model: str) -> int:
    """Return the place of a model in the paper's order; others come behind."""
    return PAPER_MODELS.index(model) if model in PAPER_MODELS else len(PAPER_MODELS)


def _in_short(verdict: ledger.Verdict) -> str:
    marked = verdict.result != ledger.NOT_TESTED and verdict.protocol != ledger.PAPERS_PROTOCOL
    return f"{SHORT[verdict.result]}{'*' if marked else ''}"


def _side_by_side(
    marks: Sequence[str], sections: Sequence[tuple[str, Setting, Table]], judged: Sequence[Sequence[ledger.Verdict]]
) -> list[str]:
    """Return tables of all verdicts, with a column for each setting of each table, and what the columns are."""
    tables = []
    for first in range(0, len(marks), BESIDE):
        columns = slice(first, first + BESIDE)
        rows = [("claim", *marks[columns])]
        for claim, *found in zip(CLAIMS, *judged[columns], strict=True):
            rows.append((f"{claim.number:3}{claim.statement}", *map(_in_short, found)))
        tables.append(text_table(rows))
    key = [
        line
        for mark, (name, setting, _) in zip(marks, sections, strict=True)
        for line in _brief_lines(f"{mark} {name}: {setting}", hanging=3)
    ]
    return [*tables, "\n".join([*_brief_lines(LEGEND), *key])]


def _brief_lines(text: str, hanging: int = 0) -> list[str]:
    return textwrap.wrap(text, BRIEF, subsequent_indent=" " * hanging, break_long_words=False, break_on_hyphens=False)


def deciding(verdict: ledger.Verdict) -> str:
    """Return the numbers that decide on a claim; of several comparisons each one's number without its interval."""
    first, *others = verdict.decisions
    if not others or not any(decision.numbers for decision in verdict.decisions):
        return first.brief
    return ", ".join(decision.brief.split(" [")[0] for decision in verdict.decisions)


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
    papers_own = contradictions() if any(record.config.setting.on_mnist for record in records) else ""
    return "\n\n".join(part for part in (verdicts(records), papers_own) if part)
