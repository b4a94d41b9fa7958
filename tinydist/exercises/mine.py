"""Training of the paper's models with a learner's functions in the place of the library's."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numba import get_num_threads, set_num_threads

from tinydist import datasets
from tinydist.exercises.exercise import Exercise, paragraphs, python_function
from tinydist.exercises.judge import Judgement
from tinydist.exercises.swap import replaced
from tinydist.models import build_model
from tinydist.optim import SGD
from tinydist.training import Measurement, train

MODELS = ("ReLU2", "ReLU2-Neg", "Abs2", "Abs-L2")
IMAGES, EPOCHS, LR = 1000, 200, 0.001

AGREEMENT = 0.5
"""Percentage points within which two accuracies agree: your sums may round differently, and many steps amplify that."""


@dataclass
class Part:
    """A learner's function in the library's place, with a count of its calls."""

    exercise: Exercise
    answer: Callable[..., Any]
    calls: int = 0

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        self.calls += 1
        return self.answer(*inputs, **options)


@dataclass(frozen=True)
class Trial:
    """A short training: the first `images` of MNIST, raw pixels, full-batch steps.

    The images are held sparse, because then they pass through `compress`.
    """

    models: Sequence[str] = MODELS
    images: int = IMAGES
    epochs: int = EPOCHS
    seed: int = 0

    def load(self) -> datasets.Dataset:
        """Load the images, held sparse."""
        return datasets.load("mnist", train_size=self.images, layout="sparse")

    def run(self, model: str, data: datasets.Dataset) -> Measurement:
        """Train a model, and return the measurement after the last epoch."""
        network = build_model(model, seed=self.seed)
        return train(network, SGD(network.parameters(), lr=LR), data, self.epochs)[-1]


@contextmanager
def in_place(parts: Sequence[Part]) -> Iterator[None]:
    """Put the parts in the library's place within this block."""
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(replaced(part.exercise.library, part))
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Run numba on one thread within this block: for arrays this small more threads would only wait for each other."""
    before = get_num_threads()
    set_num_threads(1)
    try:
        yield
    finally:
        set_num_threads(before)


def compared(verdicts: Sequence[Judgement], trial: Trial) -> Iterator[str]:
    """Train with the library's functions and with the learner's, compare, and yield the report line by line.

    Args:
        verdicts: of all exercises; the answers that passed take part.
        trial: the training.
    """
    parts = [Part(verdict.exercise, verdict.answer) for verdict in verdicts if verdict.passed]
    if not parts:
        yield "No answer passes yet, so there is nothing to put in the library's place."
        return
    yield from _heading(verdicts, parts, trial)
    with one_thread():
        theirs = [trial.run(model, data) for data in [trial.load()] for model in trial.models]
    agree = True
    for model, library in zip(trial.models, theirs, strict=True):
        row, same = _trained(trial, model, parts, library)
        agree = agree and same
        yield row
    yield ""
    yield from _took_part(parts)
    yield ""
    if not any(part.calls for part in parts):
        yield "These models were trained by the library alone. Write relu, abs, linear or backward to take part."
    elif agree:
        yield f"They agree within {AGREEMENT} points: what was called of yours does what the library's own does."
    else:
        yield "They do not agree everywhere. Each of your functions passes its check, so this is worth a closer look."


def _trained(trial: Trial, model: str, parts: Sequence[Part], library: Measurement) -> tuple[str, bool]:
    """Return a row of the table, and whether the learner's run agrees with the library's."""
    try:
        with one_thread(), in_place(parts):
            mine = trial.run(model, trial.load())
    except Exception as problem:  # noqa: BLE001 - a learner's function may raise anything
        return f"{model:10}  stopped: {_where(problem, parts)}", False
    same = abs(mine.test_accuracy - library.test_accuracy) <= AGREEMENT
    accuracies = f"{mine.test_accuracy:5.2f}   {library.test_accuracy:7.2f}"
    dead = f"{mine.dead_outputs:5}   {library.dead_outputs:7}"
    return f"{model:10}  {accuracies}    {dead}    {'agree' if same else 'differ'}", same


def _heading(verdicts: Sequence[Judgement], parts: Sequence[Part], trial: Trial) -> Iterator[str]:
    left_out = [f"{v.exercise.name} ({v.status})" for v in verdicts if v.status in ("wrong", "unusable")]
    unwritten = sum(verdict.status == "not written" for verdict in verdicts)
    left_out += [f"{unwritten} not written yet"] if unwritten else []
    yield f"Your functions in the library's place: {len(parts)} of {len(verdicts)}."
    if left_out:
        yield paragraphs(f"Left out, so that the library's own take part: {', '.join(left_out)}.")
    yield ""
    yield paragraphs(
        f"A short version of the paper's experiment: MNIST's first {trial.images} images as raw pixels, "
        f"{trial.epochs} full-batch epochs, seed {trial.seed}. These are not the paper's numbers: its runs "
        "take 60,000 images and 5,000 epochs or more."
    )
    yield ""
    yield f"{'':10}  test accuracy %    dead outputs of 10"
    yield f"{'model':10}  yours   library    yours   library"


def _where(problem: Exception, parts: Sequence[Part]) -> str:
    """Return an exception and the last place in a learner's file that it came through."""
    files = {python_function(part.answer).__code__.co_filename for part in parts}
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename in files]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(problem).__name__}: {problem}{place}"


def _took_part(parts: Sequence[Part]) -> Iterator[str]:
    called = [f"{part.exercise.name} {part.calls}" for part in parts if part.calls]
    silent = [part.exercise.name for part in parts if not part.calls]
    yield paragraphs(f"Calls of your functions: {', '.join(called) or 'none'}.")
    if silent:
        yield paragraphs(f"Not needed by these models, or not by your other functions: {', '.join(silent)}.")
