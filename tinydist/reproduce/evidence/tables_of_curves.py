"""Tables of learning curves, a line for each measurement of a run: of one's own runs, or of another program's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from tinydist.errors import DataError
from tinydist.models import parse_model_name
from tinydist.reproduce.evidence.outcomes import COUNTS, Curve, Run, run_from
from tinydist.reproduce.evidence.tables_of_runs import Table, read_lines
from tinydist.reproduce.runs.settings import Setting, read_number

NEEDED = ("model", "seed", "epoch", "test_accuracy")
"""Columns without which a line says too little."""
SAME = 0.01
"""Points by which the end of a curve may be apart from the table, both being rounded."""
OF_A_SETTING = tuple(each.name for each in fields(Setting))

Curves = Mapping[Setting, Mapping[str, Sequence[Curve]]]
"""The learning curves of runs, by setting and model."""


def read_curves(path: Path, table: Table) -> tuple[Curves, list[str]]:
    """Read learning curves of the successful runs in a table.

    A line has the columns of ``NEEDED``, and those of a :class:`Setting` that tell the runs of the table apart;
    ``COUNTS`` are optional.

    Args:
        path: of the curves.
        table: of the runs.

    Returns:
        The curves; and the runs whose curves are left out, as they failed or are not in the table, being half done.

    Raises:
        DataError: if a column is missing, a line is no measurement, an epoch is there twice, a run has no end or
            another one than in the table, or no run is one of the table's.
        OSError: if the file cannot be read.
    """
    found: dict[tuple[Setting, str, int], dict[int, Run]] = {}
    left_out: dict[str, None] = {}
    settings: dict[tuple[str | None, ...], Setting] = {}
    file = read_lines(path, NEEDED, {*NEEDED, *OF_A_SETTING, *COUNTS}, "a measurement")
    for line, row in file.rows:
        try:
            told = tuple(row.get(name) for name in OF_A_SETTING)
            setting = settings[told] = settings.get(told) or _setting(row, table)
            epoch = read_number("epoch", row["epoch"], int)
            model, seed = str(parse_model_name(row["model"])), read_number("seed", row["seed"], int)
            outcome = table.results[setting].get(model)
            if outcome is None or seed not in outcome.seeds:
                left_out[f"{model}, seed {seed}, {setting.input} input"] = None
                continue
            run, end = run_from({**row, "model": model}), outcome.accuracies[outcome.seeds.index(seed)]
            _add(run, epoch, found.setdefault((setting, model, seed), {}), setting, end)
        except ValueError as reason:
            raise DataError(f"{path}, line {line} is not a measurement: {reason}") from None
    if not found:
        raise DataError(f"{path} has no measurement of a successful run of its table; give the curves of these runs")
    curves: dict[Setting, dict[str, list[Curve]]] = {}
    for (setting, model, seed), curve in found.items():
        if setting.epochs not in curve:
            raise DataError(
                f"{path} has no measurement of {model}, seed {seed}, after its last epoch, {setting.epochs:,}, which "
                "tells whether a curve is of a run in the table; add it"
            )
        curves.setdefault(setting, {}).setdefault(model, []).append(dict(sorted(curve.items())))
    return curves, list(left_out)


def _setting(row: Mapping[str, str], table: Table) -> Setting:
    """Return the setting in the table that a line is about, by the columns that it has.

    Raises:
        ValueError: if it is about none, or may be about several.
    """
    cells = {name: row[name] for name in OF_A_SETTING if name in row}
    fit = [setting for setting in table.results if Setting.from_row(_as_row(setting) | cells) == setting]
    if len(fit) == 1:
        return fit[0]
    told = ", ".join(f"{name} {cell}" for name, cell in cells.items()) or "no setting"
    if not fit:
        raise ValueError(f"its table has no run with {told}")
    raise ValueError(f"its table has runs of several settings with {told}; add the columns that tell them apart")


def _as_row(setting: Setting) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in asdict(setting).items()}


def _add(run: Run, epoch: int, curve: dict[int, Run], setting: Setting, end: float) -> None:
    """Add a measurement to the curve of its run, which ends at an accuracy of `end`.

    Raises:
        ValueError: if the run ends otherwise, or the epoch cannot be.
    """
    if not 0 <= epoch <= setting.epochs:
        raise ValueError(f"epoch: expected 0 to {setting.epochs:,}, got {epoch:,}")
    if epoch in curve:
        raise ValueError(f"{run.model}, seed {run.seed}, was measured after epoch {epoch:,} already")
    if epoch == setting.epochs and abs(run.accuracy - end) > SAME + 1e-9:  # by which floats may be off
        raise ValueError(
            f"{run.model}, seed {run.seed}, ends at {run.accuracy:g}% here and at {end:g}% in its table; give each "
            "table the curves of its own runs, in the same order"
        )
    curve[epoch] = run
