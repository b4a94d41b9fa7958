"""Labels: the protocol of runs in words, which say when it is not the paper's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from itertools import chain, count

from tinydist.datasets import find_source, rows_are, short_name, title
from tinydist.errors import DataError
from tinydist.models import PAPER_MODELS
from tinydist.reproduce.evidence.protocols import PROTOCOLS, Protocol
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.settings import Setting

PAPERS = (PROTOCOLS["paper"], PROTOCOLS["extended"])


def protocol_label(setting: Setting, fewest: int, most: int) -> str:
    """Return the protocol in one line, which says when it is not one of the paper's.

    Args:
        setting: of the runs.
        fewest, most: runs of the model with the fewest, and of the one with the most.
    """
    protocol = Protocol(setting.train_size, setting.epochs, most).in_words(rows_are(setting.dataset))
    to_most = "" if fewest == most else f" (of some only {fewest})"
    settings = (
        f"{title(setting.dataset)}, {protocol}{to_most}, lr {setting.lr:g}{setting.changes}, input {setting.input}"
    )
    sizes = setting.train_size, setting.epochs
    like_the_paper = any(sizes == (paper.train_size, paper.epochs) and fewest >= paper.runs for paper in PAPERS)
    if not (setting.as_in_the_paper and like_the_paper):
        return f"not the paper's protocol: {settings}"
    if setting.input == "normalized":
        return f"the paper's protocol as described, though not as its author ran it: {settings}"
    return f"the paper's protocol: {settings}"


def protocol_notes(setting: Setting, fewest: int) -> str:
    """Return the notes that a reader needs with the numbers; arguments as for :func:`protocol_label`."""
    paper = PROTOCOLS["paper"]
    sizes = [
        (setting.train_size, paper.train_size, "training images"),
        (setting.epochs, paper.epochs, "epochs"),
        (fewest, paper.runs, "runs"),
    ]
    reduced = [f"{ours:,} of {theirs:,} {what}" for ours, theirs, what in sizes if ours < theirs]
    notes = []
    with suppress(DataError):  # data that are not here tell nothing of their inputs
        notes.append(f"Input: {find_source(setting.dataset).inputs[setting.input]}.")
    if not setting.on_mnist:
        notes.append("Other data than the paper's: its claims can be tried on them, its numbers are about MNIST.")
    elif reduced:
        notes.append(f"Reduced protocol: {', '.join(reduced)}. Compare directions with the paper, not decimals.")
    return "\n".join(notes)


def place(model: str) -> int:
    """Return the place of a model in the paper's order; others come behind."""
    return PAPER_MODELS.index(model) if model in PAPER_MODELS else len(PAPER_MODELS)


def run_counts(records: Sequence[RunRecord]) -> tuple[int, int]:
    """Count the successful runs of the model with the fewest, and of the one with the most."""
    counts = Counter({record.config.model: 0 for record in records})
    counts.update(record.config.model for record in records if record.status == "ok")
    return min(counts.values()), max(counts.values())


def short_names(settings: Sequence[Setting]) -> dict[Setting, str]:
    """Return a name for each setting: its input, and the value of every other field in which they differ.

    It is also that of a folder. Where two would be the same, such as of files of one name in two folders, the later
    ones get a number.
    """
    differing = [
        field.name
        for field in fields(Setting)
        if field.name == "input" or len({getattr(setting, field.name) for setting in settings}) > 1
    ]
    names: dict[Setting, str] = {}
    taken = set()
    for setting in settings:
        name = "-".join(_part(setting, field) for field in differing)
        free = (n for n in chain([name], (f"{name}-{i}" for i in count(2))) if n.casefold() not in taken)
        names[setting] = next(free)
        taken.add(names[setting].casefold())
    return names


def _part(setting: Setting, name: str) -> str:
    value = getattr(setting, name)
    if name == "dataset":
        return short_name(value)
    return value if name == "input" else f"{name.replace('_', '-')}-{value}"
