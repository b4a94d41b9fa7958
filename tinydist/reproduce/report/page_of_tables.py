"""What tables of runs say, as one page, like the report on runs of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tinydist.files import write_atomically
from tinydist.reproduce.evidence.agreement import RULE
from tinydist.reproduce.evidence.labels import protocol_label, protocol_notes
from tinydist.reproduce.evidence.tables_judged import Judged, pairs, with_curves
from tinydist.reproduce.evidence.tables_of_runs import Table
from tinydist.reproduce.report.exhibits import accuracy, curves_side_by_side
from tinydist.reproduce.report.html import Page, Section, render
from tinydist.reproduce.report.printout_of_tables import agreement_rows
from tinydist.tables import counted


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
        failures="\n".join(line for each in judged for line in each.failures),
        agreements=[
            (f"{one.mark} and {other.mark}, {one.setting}", agreement_rows(one, other, found))
            for one, other, found in pairs(judged)
        ],
        agreement_rule=RULE,
        curves=[
            curves_side_by_side(f"curves-{number}", setting, sources)
            for number, (setting, sources) in enumerate(with_curves(judged).items(), 1)
        ],
    )
    write_atomically(path, render(page))
    return path


def _section(judged: Judged) -> Section:
    fewest, most = min(judged.counts), max(judged.counts)
    label = protocol_label(judged.setting, fewest, most)
    return Section(
        setting=judged.setting,
        name=judged.title.replace("#", "table-").replace(" ", "-"),
        title=judged.title,
        label=label,
        notes=protocol_notes(judged.setting, fewest),
        results=judged.results,
        verdicts={verdict.claim.number: verdict for verdict in judged.verdicts},
        exhibits=[accuracy(judged.results, judged.setting, f"{judged.name}: {label}")] if most else [],
        source=judged.name,
    )
