"""The definition of a study: its runs, and the function that writes their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tinydist.datasets import find_source
from tinydist.figures import save
from tinydist.files import write_atomically
from tinydist.reproduce.evidence.outcomes import Outcome, outcomes
from tinydist.reproduce.evidence.protocols import PROTOCOLS, Protocol
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import LR, RunConfig, Setting

LARGEST = 255
"""The largest raw pixel; a scale of s stands for pixels up to ``LARGEST * s``."""


AT_REST = 1e-12
"""Factor on the learning rate of a layer's weights that keeps them where they are."""


def one_arm(config: RunConfig) -> Iterable[RunConfig]:
    """Return the run alone."""
    return [config]


def any_setting(_settings: Sequence[Setting]) -> None:
    """Accept every setting, and require nothing beyond what tinydist itself requires."""


def sizes_alone(name: str) -> Callable[[Sequence[Setting]], None]:
    """Return a check for the study of this name, which sets all of its runs but their sizes, on MNIST's raw pixels."""

    def check(settings: Sequence[Setting]) -> None:
        for setting in settings:
            if (setting.dataset, setting.input, setting.lr, setting.changes) != ("mnist", "raw", LR, ""):
                raise ValueError(
                    f"the study {name} sets its own data, inputs, learning rates and networks; got {setting}. Leave "
                    "out all but --train-size, --epochs, --runs and --seed, or run models without --study"
                )

    return check


def pixels_up_to(largest: float, **changes: Any) -> dict[str, Any]:
    """Return the changes of a setting on raw pixels that make training what it would be on pixels up to `largest`."""
    scale = largest / LARGEST
    return {"first_init": scale, "first_step": scale**2, **changes}


def runs_by_arm(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """Group runs by arm."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.config.arm, []).append(record)
    return groups


def by_arm(records: Iterable[RunRecord]) -> dict[str, dict[str, Outcome]]:
    """Group runs by arm, then by model."""
    return {arm: outcomes(group) for arm, group in runs_by_arm(records).items()}


def save_findings(out: Path, name: str, parts: Sequence[str], figure: Figure) -> tuple[str, list[Path]]:
    """Write the parts of a text, but for empty ones, and a figure into ``out/study``; return the text and the files.

    Raises:
        OSError: if a file cannot be written.
    """
    text = "\n\n".join(part for part in parts if part)
    paths = [out / "study" / f"{name}.{suffix}" for suffix in ("txt", "png")]
    write_atomically(paths[0], text + "\n")
    save(figure, paths[1])
    return text, paths


@dataclass(frozen=True)
class Study:
    """A set of runs, and the function that writes their findings; the report on the paper is a study as well.

    Attributes:
        models: names of the models that it runs.
        write: given all finished runs, the results folder and how many processes may work, writes what the runs show;
            returns what to print, and the files that it wrote. It may raise DataError and OSError.
        datasets: names of the data sets that each model is run on, unless the user names one; of several, those that
            need no download.
        arms: the runs to do in place of one run of a model, such as with several learning rates; if there are several,
            each with an ``arm`` of its own.
        inputs, lr, protocol: of the runs, unless the user gives others.
        check: given the settings asked for, raises before any work a ValueError if the study is not about one of them,
            or a DataError if something that `write` needs is not installed.
    """

    models: tuple[str, ...]
    write: Callable[[Sequence[RunRecord], Path, int], tuple[str, list[Path]]]
    datasets: tuple[str, ...] = ("mnist",)
    arms: Callable[[RunConfig], Iterable[RunConfig]] = one_arm
    inputs: tuple[str, ...] = ("raw",)
    lr: float = LR
    protocol: Protocol = PROTOCOLS["quick"]
    check: Callable[[Sequence[Setting]], None] = any_setting

    def datasets_here(self) -> list[str]:
        """Return the data sets that can be read without a download; a single one in any case."""
        if len(self.datasets) == 1:
            return list(self.datasets)
        return [name for name in self.datasets if find_source(name).is_here()]
