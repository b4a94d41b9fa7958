"""The trained models of finished runs, built again from what the runs left on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tinydist.errors import DataError, StateDictError
from tinydist.files import DAMAGED_NPZ
from tinydist.nn import Sequential
from tinydist.reproduce.runs.checkpoints import arrays_in
from tinydist.reproduce.runs.records import WEIGHTS, RunRecord, check_data, load_config, read_checked
from tinydist.reproduce.runs.run import data_of
from tinydist.reproduce.runs.starts import build_for


def trained_model(folder: Path) -> Sequential:
    """Return the trained model of the run in `folder`, such as ``results/.../runs/ReLU2-raw-seed0``.

    Raises:
        DataError: if the folder is not that of a finished run, its data are not as they were, or its weights are
            missing, damaged or of another run.
        OSError: if a file cannot be read.
    """
    config, _ = load_config(folder)
    check_data(folder)
    path = folder / WEIGHTS
    remedy = (
        f"delete the folder {folder.name}, or move it away to keep it, and run the sweep again, which repeats this run "
        "alone"
    )
    try:
        contents = read_checked(folder, WEIGHTS)
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: only a run that finished well leaves its weights there. If this one did, {remedy}"
        ) from None
    try:
        weights = arrays_in(contents)
        model = build_for(config, data_of(config))
        model.load_state_dict(weights)
    except (*DAMAGED_NPZ, StateDictError) as reason:
        raise DataError(f"{path} is damaged, or not of {config} ({reason}); {remedy}") from None
    return model


def trained_models(
    records: Iterable[RunRecord], out: Path, runs: int
) -> tuple[dict[str, dict[int, Sequential]], list[str]]:
    """Return the trained models of the first `runs` successful runs of each model in `out` whose weights can be read.

    Args:
        records: of runs in `out`, failed ones among them.
        out: results folder.
        runs: how many of each model, at most.

    Returns:
        Networks by the model's name and by seed, names in the order in which a model first appears when the records are
        sorted by seed; and what is wrong with the weights of the runs that were passed over.
    """
    models: dict[str, dict[int, Sequential]] = {}
    problems = []
    for record in sorted((r for r in records if r.status == "ok"), key=lambda record: record.config.seed):
        config = record.config
        if len(models.get(config.model, ())) == runs:
            continue
        try:
            network = trained_model(config.folder(out))
        except DataError as problem:
            problems.append(str(problem))
        else:
            models.setdefault(config.model, {})[config.seed] = network
    return models, problems
