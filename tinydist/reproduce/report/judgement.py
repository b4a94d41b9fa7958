"""The judgement of tables of runs, of any program: verdicts side by side, and where programs agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from tinydist.datasets import INPUTS
from tinydist.files import write_atomically
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.agreement import RULE, Agreement, agreements
from tinydist.reproduce.evidence.claims import CLAIMS
from tinydist.reproduce.evidence.course import halfway
from tinydist.reproduce.evidence.labels import place, protocol_label, protocol_notes
from tinydist.reproduce.evidence.outcomes import Curve, Outcomes
from tinydist.reproduce.evidence.tables_of_curves import Curves
from tinydist.reproduce.evidence.tables_of_runs import Table
from tinydist.reproduce.report.exhibits import accuracy, curves_side_by_side
from tinydist.reproduce.report.html import Page, Section, render
from tinydist.reproduce.report.printout import (
    brief_lines,
    claims,
    contradictions,
    protocol,
    results_table,
    verdicts_on,
)
from tinydist.reproduce.runs.settings import Setting
from tinydist.tables import counted, text_table

SHORT = {
    **{ledger.HELD: "held", ledger.NOT_HELD: "NOT", ledger.NOT_ARISING: "moot"},
    **{ledger.NOT_ENOUGH: "open", ledger.NOT_TESTED: "–"},
}
"""Verdicts in a table."""
LEGEND = (
    "NOT: did not hold; moot: does not arise, as a claim that it presupposes did not hold; open: not enough evidence; "
    "–: not tested; *: not by the paper's protocol"
)
BESIDE = 3
"""Settings whose verdicts fit beside one another, and that are printed one by one without being asked for."""


@dataclass(frozen=True)
class Judged:
    """The runs of one setting in one table, judged.

    Attributes:
        mark: a name for it; empty if it is the only one.
        source: name of the table.
        setting: what the runs share.
        results: the runs, models in the paper's order.
        verdicts: on every claim.
        curves: learning curves of the runs, by model; empty if there are none.
    """

    mark: str
    source: str
    setting: Setting
    results: Outcomes
    verdicts: Sequence[ledger.Verdict]
    curves: Mapping[str, Sequence[Curve]]

    @property
    def title(self) -> str:
        """Return the name, if there is one, and the input."""
        return f"{self.mark} {self.setting.input} input".strip()

    @property
    def counts(self) -> list[int]:
        """Return the successful runs of each model."""
        return [outcome.accuracy.n for outcome in self.results.values()]

    @property
    def failures(self) -> str:
        """Return the models that have failed runs, one a line."""
        failed = {model: outcome.failed for model, outcome in self.results.items() if outcome.failed}
        return "\n".join(f"FAILED {counted(n, 'run')} of {model}" for model, n in failed.items())


def judge(tables: Mapping[str, Table], curves: Mapping[str, Curves]) -> list[Judged]:
    """Judge every setting of every table.

    Args:
        tables: by name.
        curves: of the runs of some of them, by the name of the table.
    """
    found = [
        (name, table, setting)
        for name, table in tables.items()
        for setting in sorted(table.results, key=lambda setting: INPUTS.index(setting.input))
    ]
    judged = []
    for number, (name, table, setting) in enumerate(found, 1):
        runs = table.results[setting]
        results = {model: runs[model] for model in sorted(runs, key=place)}
        mark = f"#{number}" if len(found) > 1 else ""
        of_models = curves.get(name, {}).get(setting, {})
        before = halfway([curve for model in of_models.values() for curve in model], setting)
        verdicts = ledger.verdicts(results, setting, before)
        judged.append(Judged(mark, name, setting, results, verdicts, of_models))
    return judged


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
            "\n".join(
                [
                    *brief_lines(f"{each.mark} {each.source}".strip()),
                    protocol(each.setting, min(each.counts), max(each.counts)),
                ]
            ),
            results_table(each.results, each.setting),
            claims(each.verdicts, each.title),
            *([each.failures] if each.failures else []),
            *([verdicts_on(each.setting, each.verdicts)] if explain else []),
        ]
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
    key = [line for each in judged for line in brief_lines(f"{each.mark} {each.source}: {each.setting}", hanging=3)]
    return [*tables, "\n".join([*brief_lines(LEGEND), *key])]


def _in_short(verdict: ledger.Verdict) -> str:
    marked = verdict.result != ledger.NOT_TESTED and not verdict.papers_protocol
    return f"{SHORT[verdict.result]}{'*' if marked else ''}"


def pairs(judged: Sequence[Judged]) -> Iterator[tuple[Judged, Judged, list[Agreement]]]:
    """Yield every two tables that have runs of the same models under one setting, and where they agree."""
    for one, other in combinations(judged, 2):
        if one.setting == other.setting and (found := agreements(one.results, other.results)):
            yield one, other, found


def agreement_rows(one: Judged, other: Judged, found: Sequence[Agreement]) -> list[tuple[str, ...]]:
    """Return the table of where two programs agree, headings first."""
    rows = [(each.model, str(each.one), str(each.other), each.numbers, each.word) for each in found]
    return [("model", one.mark, other.mark, "difference", "found"), *rows]


def _programs(judged: Sequence[Judged]) -> list[str]:
    tables = [text_table(agreement_rows(*pair)) for pair in pairs(judged)]
    return [*tables, "\n".join(brief_lines(RULE))] if tables else []


def write_page(path: Path, judged: Sequence[Judged], tables: Mapping[str, Table]) -> Path:
    """Write what tables of runs say as one page, like the report on runs of one's own.

    Args:
        path: of the page.
        judged: the settings.
        tables: that they are of, by name.

    Returns:
        The path.

    Raises:
        OSError: if the page cannot be written.
    """
    sections = [_section(each) for each in judged]
    runs = sum(outcome.runs for each in judged for outcome in each.results.values())
    page = Page(
        lead="as other programs ran it, judged by tinydist",
        sections=sections,
        tables=[(name, table.rows) for name, table in tables.items()],
        spent=f"{counted(runs, 'run')} in {counted(len(tables), 'table')}",
        checksums_of="the tables",
        checksums={name: table.sha256 for name, table in tables.items()},
        failures="\n".join(each.failures for each in judged if each.failures),
        agreements=[
            (f"{one.mark} and {other.mark}, {one.setting}", agreement_rows(one, other, found))
            for one, other, found in pairs(judged)
        ],
        agreement_rule=RULE,
        curves=[curves_side_by_side(setting, same) for setting, same in _with_curves(judged).items()],
    )
    write_atomically(path, render(page))
    return path


def _with_curves(judged: Sequence[Judged]) -> dict[Setting, dict[str, Mapping[str, Sequence[Curve]]]]:
    """Return the learning curves that there are: by setting, then by what tells the tables apart, then by model."""
    found: dict[Setting, dict[str, Mapping[str, Sequence[Curve]]]] = {}
    for each in judged:
        if each.curves:
            found.setdefault(each.setting, {})[f"{each.mark} {each.source}".strip()] = each.curves
    return found


def _section(judged: Judged) -> Section:
    fewest, most = min(judged.counts), max(judged.counts)
    label = protocol_label(judged.setting, fewest, most)
    source = f"{judged.mark} {judged.source}".strip()
    return Section(
        setting=judged.setting,
        name=judged.title.replace("#", "table-").replace(" ", "-"),
        title=judged.title,
        label=f"{source}: {label}",
        notes=protocol_notes(judged.setting, fewest),
        reading="",
        results=judged.results,
        verdicts={verdict.claim.number: verdict for verdict in judged.verdicts},
        exhibits=[accuracy(judged.results, judged.setting, f"{source}: {label}")] if most else [],
    )
