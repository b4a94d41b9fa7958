"""What tables of runs say, in print: verdicts side by side, where programs agree, and the numbers of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.agreement import RULE, Agreement
from tinydist.reproduce.evidence.claims import CLAIMS
from tinydist.reproduce.evidence.tables_judged import Judged, pairs
from tinydist.reproduce.evidence.tables_of_runs import Table
from tinydist.reproduce.report.printout import (
    brief_lines,
    claims,
    contradictions,
    protocol,
    results_table,
    verdicts_on,
)
from tinydist.tables import text_table

SHORT = dict(zip(ledger.RESULTS, ("held", "NOT", "moot", "open", "–"), strict=True))
"""Verdicts in a table."""
LEGEND = (
    "NOT: did not hold; moot: does not arise, as a claim that it presupposes did not hold; open: not enough evidence; "
    "–: not tested; *: not by the paper's protocol"
)
BESIDE = 3
"""Settings whose verdicts fit beside one another, and that are printed one by one without being asked for."""


def in_words(judged: Sequence[Judged], tables: Mapping[str, Table], explain: bool = False) -> str:
    """Return what tables of runs say: the verdicts of all side by side, then those on each with its protocol and runs.

    Args:
        judged: the settings.
        tables: that they are of, by name.
        explain: whether to show all the evidence, and the paper's own contradictions, as well.
    """
    parts = [*_side_by_side(judged), *_programs(judged)] if len(judged) > 1 else []
    for each in judged if explain or len(judged) <= BESIDE else ():
        parts += [
            "\n".join([*brief_lines(each.name), protocol(each.setting, min(each.counts), max(each.counts))]),
            results_table(each.results, each.setting),
            claims(each.verdicts, each.title),
            *([verdicts_on(each.setting, each.verdicts)] if explain else []),
        ]
    if failures := [line for each in judged for line in each.failures]:
        parts.append("\n".join(failures))
    if len(judged) > BESIDE and not explain:
        parts.append("Accuracies, and the numbers that decide: --explain, or --out PAGE.html.")
    for name, table in tables.items():
        if table.unknown:
            unknown = ", ".join(map(repr, table.unknown))
            parts.append("\n".join(brief_lines(f"Columns of {name} that nothing is read from: {unknown}")))
    if explain and any(each.setting.on_mnist for each in judged):
        parts.append(contradictions())
    return "\n\n".join(parts)


def _side_by_side(judged: Sequence[Judged]) -> list[str]:
    """Return tables of all verdicts, with a column for each setting of each table, and what the columns are."""
    tables = []
    for first in range(0, len(judged), BESIDE):
        columns = judged[first : first + BESIDE]
        rows = [("claim", *(each.mark for each in columns))]
        for claim, *found in zip(CLAIMS, *(each.verdicts for each in columns), strict=True):
            rows.append((f"{claim.number:3}{claim.statement}", *map(_in_short, found)))
        tables.append(text_table(rows))
    key = [line for each in judged for line in brief_lines(f"{each.name}: {each.setting}", hanging=3)]
    return [*tables, "\n".join([*brief_lines(LEGEND), *key])]


def _in_short(verdict: ledger.Verdict) -> str:
    marked = verdict.result != ledger.NOT_TESTED and not verdict.papers_protocol
    return f"{SHORT[verdict.result]}{'*' if marked else ''}"


def agreement_rows(one: Judged, other: Judged, found: Sequence[Agreement]) -> list[tuple[str, ...]]:
    """Return the table of where two programs agree, headings first."""
    rows = [(each.model, str(each.one), str(each.other), each.numbers, each.word) for each in found]
    return [("model", one.mark, other.mark, "difference", "found"), *rows]


def _programs(judged: Sequence[Judged]) -> list[str]:
    tables = [text_table(agreement_rows(*pair)) for pair in pairs(judged)]
    return [*tables, "\n".join(brief_lines(RULE))] if tables else []
