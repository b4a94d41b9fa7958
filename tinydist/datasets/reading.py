"""The reading of a data set: what was read of its files, so that a user sees whether it is what they meant."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinydist.tables import WIDTH

NUMBERS, WORDS, LEFT_OUT = "numbers", "words", "left out"
SHOWN = 30
"""Names in a list, at most."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        kind: ``NUMBERS``, ``WORDS`` or ``LEFT_OUT``.
        words: that occur in it, each a column for a model, if it is one of words.
        why: it is left out.
    """

    name: str
    kind: str
    words: tuple[str, ...] = ()
    why: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of the columns that a model sees of it."""
        return tuple(f"{self.name}={word}" for word in self.words) if self.kind == WORDS else (self.name,)


@dataclass(frozen=True)
class Reading:
    """What was read of a data set.

    Attributes:
        name: of the data set.
        rows: the word for its rows.
        used, there, test: training rows used, training rows there are, and rows to test on.
        split: how the rows to test on were chosen, in words.
        classes: name of each class, with its rows to train on, and to test on.
        columns: of a table, in the order of the file; those left out among them.
        notes: what else a user has to know, such as missing values.
    """

    name: str
    rows: str
    used: int
    there: int
    test: int
    split: str
    classes: tuple[tuple[str, int, int], ...]
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of the columns that a model sees of a table."""
        return tuple(name for column in self.columns if column.kind != LEFT_OUT for name in column.inputs)

    def __str__(self) -> str:
        counts = [f"{name} ({train:,} + {test:,})" for name, train, test in self.classes]
        kinds = {kind: [c for c in self.columns if c.kind == kind] for kind in (NUMBERS, WORDS, LEFT_OUT)}
        lines = [
            f"Data: {self.name}",
            f"{self.used:,} of {self.there:,} {self.rows} to train on, {self.test:,} to test on; {self.split}",
            f"Classes (to train on + to test on), {len(counts)}: {listed(counts)}",
        ]
        if kinds[NUMBERS]:
            lines.append(f"Columns of numbers, {len(kinds[NUMBERS])}: {listed(c.name for c in kinds[NUMBERS])}")
        if kinds[WORDS]:
            words = listed(f"{column.name} ({listed(column.words)})" for column in kinds[WORDS])
            lines.append(f"Columns of words, {len(kinds[WORDS])}, each word a column for a model: {words}")
        if kinds[LEFT_OUT]:
            lines.append(f"Left out: {listed(f'{c.name} ({c.why})' for c in kinds[LEFT_OUT])}")
        lines += self.notes
        unseen = [name for name, train, _ in self.classes if not train]
        if unseen:
            lines.append(f"No {self.rows} to train on of class {listed(unseen)}")
        first, *others = lines
        return "\n".join([first, *(line for text in others for line in _wrapped(text))])


def count_classes(names: Sequence[str], *labels: NDArray[np.int64]) -> tuple[tuple[str, int, int], ...]:
    """Return the name of each class, with its rows to train on and to test on, given the labels of both."""
    train, test = (np.bincount(numbers, minlength=len(names)).tolist() for numbers in labels)
    return tuple(zip(names, train, test, strict=True))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def listed(names: Iterable[str], shown: int = SHOWN) -> str:
    """Return names with commas, the first ones if there are many."""
    names = list(names)
    more = f", … ({len(names):,} in all)" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def numbered(what: str, numbers: Sequence[int]) -> str:
    """Return numbers after a word for them, such as "lines 3, 5, 8"; the first ten if there are more."""
    return f"{what}{'s' if len(numbers) > 1 else ''} {listed(map(str, numbers), 10)}"
