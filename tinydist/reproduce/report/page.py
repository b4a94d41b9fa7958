"""The report as one self-contained page, ``DIR/report.html``, with every exhibit as a file beside it.

The page needs no network and no other file. Under ``DIR/figures/SETTING/`` stand the same figures as PNG files and
their tables as text.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tinydist.datasets import INPUTS, find_source
from tinydist.errors import DataError
from tinydist.files import atomic_path, write_atomically
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.labels import place, protocol_label, protocol_notes, run_counts, short_names
from tinydist.reproduce.evidence.outcomes import grouped, outcomes
from tinydist.reproduce.report import exhibits
from tinydist.reproduce.report.exhibits import Exhibit, Trained
from tinydist.reproduce.report.html import Page, Section, render
from tinydist.reproduce.runs.pool import side_by_side
from tinydist.reproduce.runs.progress import steps
from tinydist.reproduce.runs.records import (
    RunRecord,
    all_finished,
    check_data,
    check_folder,
    data_checksums,
    failures,
    load_config,
    no_runs,
)
from tinydist.reproduce.runs.run import data_in_memory
from tinydist.reproduce.runs.trained import trained_models
from tinydist.tables import counted
from tinydist.times import duration

PAGE, FIGURES = "report.html", "figures"
MORE = "More figures: python -m tinydist.reproduce report {folder}"


def finished_records(out: Path) -> list[RunRecord]:
    """Return the records of all finished runs in `out`, sorted as by :func:`in_order`.

    Raises:
        DataError: if there are none, one is damaged, or the data of one are missing or have changed.
        OSError: if a file cannot be read.
    """
    records = all_finished(out)
    if not records:
        raise no_runs(out, "finished runs")
    for record in records:
        check_data(record.config.folder(out))
    return in_order(records)


def in_order(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Sort records by setting, raw input first, then by model as in the paper, then by seed."""

    def key(record: RunRecord) -> tuple[object, ...]:
        config = record.config
        return (INPUTS.index(config.input), str(config.setting), place(config.model), config.model, config.seed)

    return sorted(records, key=key)


def write_page(out: Path, records: Sequence[RunRecord], jobs: int = 1, complete: bool = True) -> Path:
    """Compute the exhibits of all runs, write them as files and put everything on the page.

    Args:
        out: results folder, which holds the runs and their trained weights.
        records: of finished runs in it, failed ones among them, at least one.
        jobs: processes that compute exhibits.
        complete: whether to draw all exhibits from trained weights, or those of the first look only.

    Returns:
        The path of the page.

    Raises:
        DataError: if the config of a run is damaged. Weights that are missing or damaged are reported on the page.
        OSError: if something cannot be written; an earlier page stays.
        PoolError: if a process ends early.
    """
    check_folder(out)
    records = in_order(records)
    groups, judged = grouped(records), ledger.judged(records)
    names = short_names(list(groups))
    sections = [
        _section(names[setting], judged[setting], group, out, jobs, complete) for setting, group in groups.items()
    ]
    page = Page(
        lead="run again with tinydist",
        sections=sections,
        tables=[("results.csv", _rows(records))],
        failures=failures(records),
        origins=_origins(records, out),
        checksums_of="the data",
        checksums={name: sha for r in records for name, sha in data_checksums(r.config.folder(out)).items()},
        spent=f"{counted(len(records), 'run')}, {duration(sum(r.seconds for r in records))} of computing in all",
    )
    write_atomically(out / PAGE, render(page))
    _remove_other_figures(out / FIGURES, sections)
    return out / PAGE


def _section(
    name: str, judged: Sequence[ledger.Verdict], records: Sequence[RunRecord], out: Path, jobs: int, complete: bool
) -> Section:
    setting = records[0].config.setting
    fewest, most = run_counts(records)
    label = protocol_label(setting, fewest, most)
    results = outcomes(records)
    shown: list[Exhibit] = []
    some = any(outcome.accuracies for outcome in results.values())
    missing, left_out, reading = "" if some else "No run was successful.", "", ""
    if some:
        calls = exhibits.from_records(records, label)
        try:
            looked_at = _on_the_same_rows(records)
            models, lost = trained_models(looked_at, out, exhibits.RUNS)
            data = data_in_memory(looked_at[0].config)
        except DataError as problem:
            models, lost = {}, [str(problem)]
        missing = _missing(lost, bool(models))
        if models:
            networks = {model: list(of_seeds.values()) for model, of_seeds in models.items()}
            seeds = {model: next(iter(of_seeds)) for model, of_seeds in models.items()}
            trained = Trained(networks, seeds, data, label)
            calls += exhibits.from_weights(trained) if complete else exhibits.first_look(trained)
            left_out = trained.left_out if complete else MORE.format(folder=shlex.quote(str(out)))
            reading = str(data.reading)
        # from the last to the first, as the last ones take the longest, and others fill what is left of the time
        made = steps(side_by_side(calls[::-1], jobs), f"figures, {name} input", len(calls))
        with closing(made):
            shown += [*_saved(made, out / FIGURES / name)][::-1]
    verdicts = {verdict.claim.number: verdict for verdict in judged}
    notes = protocol_notes(setting, fewest)
    title = f"{name} input"
    return Section(setting, name, title, label, notes, results, verdicts, shown, reading, missing, left_out)


def _missing(lost: Sequence[str], some: bool) -> str:
    """Return in words which trained weights are not in the figures, and why; empty if none is lost."""
    if not lost:
        return ""
    more = f" And so it is with {counted(len(lost) - 1, 'more run')}." if len(lost) > 1 else ""
    what = (
        "Some runs are missing in the figures from trained weights"
        if some
        else "There are no figures from trained weights"
    )
    return f"{what}: {lost[0]}.{more}"


def _on_the_same_rows(records: Sequence[RunRecord]) -> Sequence[RunRecord]:
    """Return all records; where each seed splits the rows anew, those of the first seed that were successful."""
    first = next(record.config for record in records if record.status == "ok")
    if not find_source(first.dataset).splits:
        return records
    return [record for record in records if record.status == "ok" and record.config.seed == first.seed]


def _saved(found: Iterable[Exhibit], folder: Path) -> Iterator[Exhibit]:
    """Write each exhibit's figure and table into `folder` as it comes."""
    for exhibit in found:
        with atomic_path(folder / f"{exhibit.name}.png") as temporary:
            temporary.write_bytes(exhibit.png)
        write_atomically(folder / f"{exhibit.name}.txt", exhibit.table + "\n")
        yield exhibit


def _remove_other_figures(folder: Path, sections: Sequence[Section]) -> None:
    """Remove figures and tables in `folder` that are in no section: of settings that are gone, or of a fuller page."""
    shown = {(section.name, exhibit.name) for section in sections for exhibit in section.exhibits}
    for path in folder.glob("*/*"):
        if path.suffix in (".png", ".txt") and (path.parent.name, path.stem) not in shown:
            path.unlink()
    for subfolder in folder.glob("*/"):
        if not any(subfolder.iterdir()):
            subfolder.rmdir()


def _rows(records: Sequence[RunRecord]) -> list[list[str]]:
    """Return the rows of results.csv as text, headings first; fractional numbers have six significant digits."""
    rows = [record.row() for record in records]
    cells = [[f"{value:.6g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    return [[name.replace("_", " ") for name in rows[0]], *cells]


def _origins(records: Sequence[RunRecord], out: Path) -> list[dict[str, str]]:
    """Return on what and by which commands the runs were computed, and how many parts of runs by each."""
    counts: dict[tuple[str, str, str], int] = {}
    for record in records:
        _, parts = load_config(record.config.folder(out))
        for part in parts:
            machine, versions = part["machine"], part["versions"]
            key = (
                f"{machine['processor']}, {machine['cores']} cores, {machine['platform']}",
                ", ".join(f"{what} {version}" for what, version in versions.items()),
                f"{part['command']} ({part['jobs']} at a time)",
            )
            counts[key] = counts.get(key, 0) + 1
    return [
        {"machine": machine, "versions": versions, "command": command, "parts": str(count)}
        for (machine, versions, command), count in counts.items()
    ]
