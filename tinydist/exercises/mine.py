"""A learner's functions in the library's place: compared in a step of each model, then trained with together."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import get_num_threads, set_num_threads

from tinydist import datasets
from tinydist.exercises.exercise import Exercise, paragraphs, python_function
from tinydist.exercises.judgement import Judgement
from tinydist.exercises.step import IMAGES, MODELS, Model, first_digits, one_step, what_differs
from tinydist.exercises.swap import replaced
from tinydist.models import build_model
from tinydist.optim import SGD
from tinydist.training import Measurement, train

TRAINED = "ReLU2-Neg"


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
class ShortTraining:
    """A short training: the first `images` of MNIST, raw pixels, full-batch steps.

    The images are held sparse, because then they pass through `compress`.
    """

    images: int = 1000
    epochs: int = 200
    lr: float = 0.001
    seed: int = 0

    def run(self) -> list[Measurement]:
        """Train the model, and return its measurements."""
        data = datasets.load("mnist", train_size=self.images, layout="sparse")
        network = build_model(TRAINED, seed=self.seed)
        return train(network, SGD(network.parameters(), lr=self.lr), data, self.epochs)


@contextmanager
def in_place(parts: Sequence[Part]) -> Iterator[None]:
    """Put the parts in the library's place within this block, in which NumPy does not warn, as in the checks."""
    with ExitStack() as stack, np.errstate(all="ignore"):
        for part in parts:
            stack.enter_context(replaced(part.exercise.rubric.library, part))
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


@dataclass(frozen=True)
class StepResult:
    """The result of one model's step with a learner's functions in place.

    Attributes:
        model: its name.
        calls: of the learner's functions.
        gap: the largest difference from the library's step; infinite if the step stopped.
        problem: what differs, in words; "" if all is the same to rounding.
    """

    model: str
    calls: int
    gap: float
    problem: str


@dataclass(frozen=True)
class Row:
    """The results about one function, with the library's own around it, or about several together.

    Attributes:
        name: for the learner.
        parts: what was put in place.
        results: one for each model that called it.
        models: how many models were tried.
    """

    name: str
    parts: Sequence[Part]
    results: Sequence[StepResult]
    models: int

    @property
    def problems(self) -> list[StepResult]:
        """Return the results that are not the same to rounding."""
        return [result for result in self.results if result.problem]

    def __str__(self) -> str:
        calls = sum(result.calls for result in self.results)
        largest = max(result.gap for result in self.results)
        callers = [result.model for result in self.results]
        models = f"all {self.models}" if len(callers) == self.models else ", ".join(callers)
        result = "DIFFERS" if self.problems else "same to rounding"
        shown = f"{largest:.1g}" if math.isfinite(largest) else "-"
        return f"{self.name:22}  {result:16}  {shown:>7}  {calls:5}  {models}"


class Steps:
    """One step of every model: the library's once, then with a learner's functions, as often as wanted."""

    def __init__(self) -> None:
        self.digits = first_digits()
        self.expected = {model.name: one_step(model, *self.digits) for model in MODELS}

    def row(self, name: str, parts: Sequence[Part]) -> Row:
        """Take the steps with these parts in place, and return what was found."""
        results = [self._result(model, parts) for model in MODELS]
        return Row(name, parts, [result for result in results if result.calls], len(MODELS))

    def _result(self, model: Model, parts: Sequence[Part]) -> StepResult:
        before = sum(part.calls for part in parts)
        try:
            with in_place(parts):
                received = one_step(model, *self.digits)
            gap, problem = what_differs(self.expected[model.name], received)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a learner's function may raise anything
            gap, problem = math.inf, f"the step stopped. {_where(error, parts)}."
        return StepResult(model.name, sum(part.calls for part in parts) - before, gap, problem)


def compared(passed: Sequence[Part], judgements: Sequence[Judgement], training: ShortTraining) -> Iterator[str]:
    """Compare the learner's functions with the library's, train with them, and yield the report line by line.

    Args:
        passed: the answers that pass, which take part.
        judgements: of all exercises, to say what is left out.
        training: the short one at the end.
    """
    if not passed:
        yield "No answer passes yet, so there is nothing to put in the library's place."
        return
    with one_thread():
        steps = Steps()
        alone = [steps.row(part.exercise.name, [part]) for part in passed]
    used = [row for row in alone if row.results]
    if not used:
        yield "No model uses any of the functions that pass so far. Write relu, abs, linear or backward to take part."
        return
    right = [part for row in used if not row.problems for part in row.parts]
    with one_thread():
        together = [steps.row("all of these together", right)] if len(right) > 1 else []
    yield from _answer(used, together)
    yield ""
    yield from _table([*used, *together])
    yield ""
    yield from _left_out(judgements, [row.name for row in alone if not row.results])
    yield ""
    yield from _training(training, right, [row.name for row in used if row.problems])


def _answer(used: Sequence[Row], together: Sequence[Row]) -> Iterator[str]:
    """Yield the result in a sentence, then every difference."""
    wrong = [row for row in [*used, *together] if row.problems]
    right = sum(not row.problems for row in used)
    exceptions = f" Not so, though the check passes: {', '.join(row.name for row in wrong)}." if wrong else ""
    yield paragraphs(f"Your functions do what the library's do, to rounding: {right} of {len(used)}.{exceptions}")
    for row in wrong:
        first, *others = row.problems
        more = f" Also in {', '.join(result.model for result in others)}." if others else ""
        yield ""
        yield paragraphs(f"{row.name}, in the model {first.model}: {first.problem}{more}")


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield paragraphs(
        f"Compared in one training step of {len(MODELS)} models, on {IMAGES} digits in float64, with one function of "
        "yours at a time: the gradient of every parameter, the loss, the change of every parameter, the dead outputs. "
        "'largest' is the largest difference, as a share of the largest entry of the same array."
    )
    yield ""
    yield f"{'function':22}  {'result':16}  {'largest':>7}  calls  models that call it"
    yield from map(str, rows)
    yield ""
    yield paragraphs(
        "Maxout and Convolution are small networks made for this comparison, of functions that the paper's models do "
        "not call."
    )


def _left_out(judgements: Sequence[Judgement], unused: Sequence[str]) -> Iterator[str]:
    if unused:
        yield paragraphs(f"No part of a model, so not compared: {', '.join(unused)}.")
    failed = [f"{j.exercise.name} ({j.status})" for j in judgements if j.status in ("wrong", "unusable")]
    unwritten = sum(judgement.status == "not written" for judgement in judgements)
    failed += [f"{unwritten} not written yet"] if unwritten else []
    if failed:
        yield paragraphs(f"Left out, so that the library's own take part: {', '.join(failed)}.")


def _training(training: ShortTraining, parts: Sequence[Part], wrong: Sequence[str]) -> Iterator[str]:
    """Train with the parts in place and with the library alone, and yield both in a table."""
    mine = [Part(part.exercise, part.answer) for part in parts]
    yield paragraphs(
        f"A short training of {TRAINED} with your functions: MNIST's first {training.images} images as raw pixels, "
        f"{training.epochs} full-batch steps, seed {training.seed}. These are not the paper's numbers: its runs take "
        "60,000 images and 5,000 steps or more."
    )
    if wrong:
        yield paragraphs(f"Left out of it, because of what is said above: {', '.join(wrong)}.")
    yield ""
    try:
        with one_thread(), in_place(mine):
            yours = training.run()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a learner's function may raise anything
        yield f"It stopped. {_where(error, mine)}."
        return
    called = [part.exercise.name for part in mine if part.calls]
    if not called:
        yield f"{TRAINED} calls none of your functions yet. Write relu, linear or backward to take part."
        return
    with one_thread():
        library = training.run()
    yield from _beside(yours, library)
    yield ""
    yield paragraphs(f"Your functions in it: {', '.join(called)}.")
    first, last = yours[0].train_loss, yours[-1].train_loss
    yield f"{'It learns' if last < first else 'It does not learn'}: the loss went from {first:.3g} to {last:.3g}."
    if last != library[-1].train_loss:
        yield paragraphs(
            "It drifts away from the library's training although each function is the same to rounding: sums in "
            "another order round differently, and every step amplifies that. What tells is the comparison above."
        )


def _beside(yours: Sequence[Measurement], library: Sequence[Measurement]) -> Iterator[str]:
    yield f"{'':24}  {'yours':>9}  {'library':>9}"
    for place in sorted({round(share * (len(yours) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)}):
        name = f"loss after {yours[place].epoch} steps"
        yield f"{name:24}  {yours[place].train_loss:9.4f}  {library[place].train_loss:9.4f}"
    yield f"{'test accuracy %':24}  {yours[-1].test_accuracy:9.2f}  {library[-1].test_accuracy:9.2f}"
    yield f"{'dead outputs of 10':24}  {yours[-1].dead_outputs:9}  {library[-1].dead_outputs:9}"


def _where(problem: BaseException, parts: Sequence[Part]) -> str:
    """Return an exception and the last place in a learner's file that it came through."""
    files = {python_function(part.answer).__code__.co_filename for part in parts}
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename in files]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    message = next(iter(str(problem).splitlines()), "")  # numba's are a page long
    return f"{type(problem).__name__}: {message}{place}"
