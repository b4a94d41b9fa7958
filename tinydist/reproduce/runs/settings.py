"""Settings: all that determines a run, and which of it runs must share to be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar, get_type_hints

from tinydist.datasets import find_source, rows_are, title
from tinydist.errors import DataError

LR = 0.001
"""The paper's learning rate."""

Number = TypeVar("Number", int, float)


def _beside(default: Any, words: str) -> Any:
    """Return a field of a setting: the default is the paper's value, and `words` is a format for any other value."""
    return field(default=default, metadata={"words": words})


@dataclass(frozen=True)
class Setting:
    """The settings that runs must share to be compared.

    A new hyperparameter is one field here, with the paper's value as its default. It then decides which runs are
    pooled, is a column of results.csv, and is named wherever its value is not the paper's.

    Attributes:
        dataset: name of the data set.
        input: how its pixels are scaled.
        train_size: training images, the first ones of the data set.
        epochs: passes over them; full-batch gradient steps, where there is no batch_size.
        lr: learning rate.
        optimizer: key of :data:`tinydist.reproduce.runs.starts.OPTIMIZERS`.
        batch_size: images of a step, drawn anew in each epoch by the seed; None is all of them.
        hidden: units in the first layer.
        initialization: key of :data:`tinydist.reproduce.runs.starts.INITIALIZATIONS`.
        first_init, first_step: factors of the initial weights of the first layer, and of the learning rate of these
            weights. With s and s² training is, but for rounding, what it would be on an input multiplied by s.
        last_init, last_step: the same of the last layer; the weights of OffsetL2 are its alpha.
    """

    dataset: str
    input: str
    train_size: int
    epochs: int
    lr: float
    optimizer: str = _beside("sgd", "{}")
    batch_size: int | None = _beside(None, "batches of {:,}")
    hidden: int = _beside(128, "{} hidden units")
    initialization: str = _beside("uniform", "{} initialisation")
    first_init: float = _beside(1.0, "first weights times {:.3g} at the start")
    first_step: float = _beside(1.0, "lr of the first weights times {:.3g}")
    last_init: float = _beside(1.0, "last weights times {:.3g} at the start")
    last_step: float = _beside(1.0, "lr of the last weights times {:.3g}")

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Self:
        """Return the setting of a row of results.csv; a missing column stands for the paper's value.

        Raises:
            KeyError: if a column without a default is missing.
            ValueError: if a number cannot be read.
        """
        kinds = get_type_hints(cls)
        names = [f.name for f in fields(cls) if f.name in row or "words" not in f.metadata]
        return cls(**{name: _read(name, row[name], kinds[name]) for name in names})

    def __str__(self) -> str:
        rows = f"{self.train_size:,} training {rows_are(self.dataset)}"
        return (
            f"{self.input} input, {title(self.dataset)}, {rows}, {self.epochs:,} epochs, lr {self.lr:g}{self.changes}"
        )

    @property
    def changes(self) -> str:
        """Return how model and steps differ from the paper's; the learning rate is not named.

        Each difference comes after a comma; empty if there is none.
        """
        beside = [f for f in fields(self) if "words" in f.metadata]
        changed = [f for f in beside if getattr(self, f.name) != f.default]
        return "".join(f", {f.metadata['words'].format(getattr(self, f.name))}" for f in changed)

    @property
    def on_mnist(self) -> bool:
        """Return whether the data are the paper's, so that its numbers may stand beside."""
        return self.dataset == "mnist"

    @property
    def as_in_the_paper(self) -> bool:
        """Return whether all but the sizes is the paper's, with the input that it describes or the one that was fed."""
        return self.on_mnist and self.lr == LR and not self.changes and self.input in ("raw", "normalized")


def _read(name: str, text: str, kind: Any) -> Any:
    """Return the value of a cell of results.csv, in the column of this name."""
    if kind == int | None:
        return read_number(name, text, int) if text else None
    return text if kind is str else read_number(name, text, kind)


def read_number(name: str, text: str, kind: Callable[[str], Number]) -> Number:
    """Return a number from a cell of the column `name`; a whole number may be written as 1.0, as pandas does.

    Raises:
        ValueError: if it is none of this kind, int or float.
    """
    try:
        return kind(str(text).strip().removesuffix(".0") if kind is int else text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise ValueError(f"{name}: expected {expected}, got {text!r}") from None


@dataclass(frozen=True, kw_only=True)
class RunConfig(Setting):
    """Everything that decides a run: its setting, and what runs of one setting may differ in.

    Attributes:
        model: name in the grammar of :mod:`tinydist.models`.
        seed: of the initial weights.
        layout: "dense" or "sparse", how the images are held; it decides the rounding, and the speed.
        chunk_size: images that are in memory at once, for a step with all of them; it decides the rounding. None is
            all of them.
        arm: what sets the run apart from others of its study, such as its data set, where a study has several arms.
    """

    model: str
    seed: int
    layout: str
    chunk_size: int | None = None
    arm: str = ""

    @property
    def setting(self) -> Setting:
        """Return the setting that the run shares with those it may be compared with."""
        return Setting(**{f.name: getattr(self, f.name) for f in fields(Setting)})

    def __str__(self) -> str:
        return " ".join(filter(None, [self.model, self.input, self.arm, f"seed {self.seed}"]))

    def folder(self, out: Path) -> Path:
        """Return where this run belongs in the results folder `out`."""
        return out / "runs" / "-".join(filter(None, [self.model, self.input, self.arm, f"seed{self.seed}"]))

    def checksums(self) -> dict[str, str]:
        """Return the checksums that identify the contents of the data set, by file.

        Raises:
            DataError: if the data set is missing.
        """
        try:
            return find_source(self.dataset).checksums()
        except ValueError as problem:  # a path that was of a known form when the run was begun
            raise DataError(f"the data of {self} are missing: {problem}") from None
