"""Command line of ``python -m tinydist.trace``."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist import datasets
from tinydist.analysis.overshoot import measure_overshoot
from tinydist.command_line import add_option, command_parser, exit_status, model_name, not_negative, program
from tinydist.datasets import Dataset
from tinydist.errors import DataError, DivergedError
from tinydist.figures import check_figure, save
from tinydist.models import build_model, parse_model_name
from tinydist.nn import Sequential
from tinydist.optim import SGD
from tinydist.tensor import Tensor
from tinydist.trace import figures
from tinydist.trace.compare import WIDTH, classes_table, layers_table
from tinydist.trace.explain import explain
from tinydist.trace.flow import record_flow
from tinydist.trace.numbers import silent_numpy
from tinydist.trace.record import named_loss, record_model
from tinydist.training import check_loss, training_step

Array = NDArray[Any]

LEGEND = """\
|gradient|: length of the gradient of the loss with respect to what the node computes; zeros: share
of its entries that are exactly zero; by: the node whose rule made them zero (linear does where its
input is 0, the loss where a probability is too small for a float).
"""
CLASS_BY_CLASS = """
Class by class. layer 2: what the second layer computes; logit: the output; gradient: of the loss
with respect to the logit; passed: what of it reaches layer 2 (descent moves layer 2 against it);
≈0: not 0, but lost in rounding beside the largest of its column.
"""
STEP = "A step on this alone (lr {lr:g}): how far it moves layer 2, beside how far from 0 that is (κ)"
LR = 0.001
FLOW, FIELD = "gradient_flow.png", "gradient_field.png"
DESCRIPTION = """\
Watch one backward pass: run models on the same training images, from the same first-layer weights, and print side by
side, for every node of the graph, the length of the gradient that reaches it, how many of its entries are exactly
zero, and which node made them zero. For a single image, also class by class the gradient of the loss with respect to
each logit, and what of it reaches the second layer.
"""
EPILOG = """\
examples:
  python -m tinydist.trace ReLU2 Abs2 Abs-L2 --sample 7         three models on the same digit, untrained
  python -m tinydist.trace ReLU2 Abs2 --sample 7 --epochs 10    after ten full-batch steps
  python -m tinydist.trace ReLU2 --sample 7 --explain           rule by rule, each checked numerically
  python -m tinydist.trace ReLU2 --explain --node act1          the rule of one node
  python -m tinydist.trace ReLU2 Abs2 --figures results/trace   flow over training, field at the output, graphs
"""


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for bad input, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)

    def work() -> int:
        data = datasets.load("mnist", options.input, layout="dense")
        with silent_numpy():  # what diverges says so
            _run(options, data)
        return 0

    return exit_status(work, (DataError, ValueError, OSError, ArithmeticError))


def _run(options: argparse.Namespace, data: Dataset) -> None:
    count = len(data.y_train)
    if wrong := [sample for sample in options.sample if sample >= count]:
        raise ValueError(f"--sample: expected training images of {data.name}, from 0 to {count - 1}, got {wrong[0]}")
    if options.train_size > count:
        raise ValueError(
            f"--train-size: expected 1 to {count} training images of {data.name}, got {options.train_size}"
        )
    if options.figures:
        if options.figures.exists() and not options.figures.is_dir():
            raise NotADirectoryError(f"{options.figures} is a file; --figures takes a folder")
        options.figures.mkdir(parents=True, exist_ok=True)  # now, and not after minutes of training
        for file in (FLOW, FIELD, *map(_graph_file, options.models)):
            check_figure(options.figures / file)
    x, labels = np.asarray(data.x_train)[options.sample], data.y_train[options.sample]
    _check_node(options, x, labels)
    models = {name: _trained(name, options, data) for name in dict.fromkeys(options.models)}
    digits = ", ".join(f"image {sample} (a {label})" for sample, label in zip(options.sample, labels, strict=True))
    state = f"after {options.epochs} steps on {options.train_size:,} images" if options.epochs else "untrained"
    recorded = {name: record_model(model, x, labels) for name, model in models.items()}
    print(f"One backward pass over training {digits}; {options.input} pixels, seed {options.seed}, {state}.")
    print(LEGEND)
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    traces = {f"{name}, loss {trace['loss'].value:.4g}": trace for name, trace in recorded.items()}
    print(layers_table(traces, width))
    if len(labels) == 1:
        print(CLASS_BY_CLASS)
        print(classes_table(traces, int(labels[0]), width))
    print(f"\n{STEP.format(lr=options.lr)}\n{_overshoots(models, options.lr, x, labels)}")
    if options.explain:
        _explain(models, x, labels, options.node)
    if options.figures:
        _draw(options, data, models, x, labels)


def _check_node(options: argparse.Namespace, x: Array, labels: Array) -> None:
    """Raise a ValueError if one node alone is asked for and no model has it, or nothing is to be explained."""
    if options.node is None:
        return
    if not options.explain:
        raise ValueError("--node narrows --explain; give both")
    models = [build_model(name, in_features=x.shape[1]) for name in options.models]
    known = sorted({node for model in models for node in record_model(model, x, labels).names})
    if options.node not in known:
        raise ValueError(f"--node: expected one of {', '.join(known)}, got {options.node}")


def _overshoots(models: dict[str, Sequential], lr: float, x: Array, labels: Array) -> str:
    """Return the overshoot of a step of gradient descent on these images, model by model, in words."""
    found = []
    for name, model in models.items():
        try:
            found.append(f"{name} {measure_overshoot(model, SGD(model.parameters(), lr), x, labels).kappa:.2g}")
        except DivergedError:
            found.append(f"{name} beyond all bounds")
    return ", ".join(found)


def _trained(name: str, options: argparse.Namespace, data: Dataset) -> Sequential:
    """Return the model after the training steps that the options ask for.

    Raises:
        DivergedError: if the loss is not finite; names the model.
    """
    model = build_model(name, in_features=data.x_train.shape[1], seed=options.seed)
    x, labels = Tensor(np.asarray(data.x_train)[: options.train_size]), data.y_train[: options.train_size]
    optimizer = SGD(model.parameters(), options.lr)
    with _named_if_diverged(name):
        for epoch in range(options.epochs + 1):
            loss = model(x).cross_entropy(labels)
            check_loss(loss.item(), epoch)
            if epoch < options.epochs:
                training_step(loss, optimizer)
    return model


@contextmanager
def _named_if_diverged(name: str) -> Iterator[None]:
    """Put the name of the model before the message of a DivergedError that is raised within this block."""
    try:
        yield
    except DivergedError as problem:
        raise DivergedError(f"{name}: {problem}") from None


def _explain(models: dict[str, Sequential], x: Array, labels: Array, node: str | None) -> None:
    """Print every rule of every model, or those of one node."""
    for name, model in models.items():
        print(f"\n{name}, rule by rule, from the loss back. Every rule is checked against the slope of its own op.")
        loss, names = named_loss(model, x, labels)
        for step in explain(loss, names=names):
            if node in (None, step.step.name):
                print(f"\n{step}")


def _draw(options: argparse.Namespace, data: Dataset, models: dict[str, Sequential], x: Array, labels: Array) -> None:
    """Draw the flow over a training run of its own, the field at the output, and every model's graph."""
    size, epochs = options.train_size, options.epochs or 100
    layout = "dense" if any(parse_model_name(name).conv for name in models) else "auto"
    images = datasets.load(data.name, data.input, size, layout)
    print(f"\nTraining each model for {epochs} steps on {size:,} images to draw its gradient flow …", flush=True)
    flows = {}
    for name in models:
        fresh = build_model(name, seed=options.seed)
        optimizer = SGD(fresh.parameters(), options.lr)
        with _named_if_diverged(name):
            flows[name] = record_flow(fresh, optimizer, images.x_train, images.y_train, epochs)
    label = f"{size:,} images, {data.input} pixels, {epochs} epochs, learning rate {options.lr:g}, seed {options.seed}"
    drawn = {FLOW: figures.gradient_flow(flows, label), FIELD: figures.gradient_field()}
    for name, model in models.items():
        drawn[_graph_file(name)] = figures.graph(record_model(model, x, labels))
    for file, figure in drawn.items():
        save(figure, options.figures / file)
    print(f"Saved in {options.figures}: {', '.join(drawn)}")


def _graph_file(model: str) -> str:
    return f"graph_{model}.png"


def _samples(text: str) -> list[int]:
    return [not_negative(part) for part in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m tinydist.trace", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("models", nargs="+", type=model_name, metavar="MODEL", help="names of the form [Conv-]Act[2][-L2][-Neg][-Bias]")
    add("--sample", type=_samples, default=[0], metavar="N,M,…", help="training images, from 0 (default: 0)")
    inputs = {"type": str, "choices": datasets.INPUTS, "default": "raw", "metavar": None}
    add_option(parser, "input", "raw: pixels 0..255; unit: 0..1; normalized (default: raw)", **inputs)
    add_option(parser, "seed", "of the initial weights (default: 0)")
    add_option(parser, "epochs", "train for so many full-batch steps first (default: 0)", type=not_negative, default=0)
    add_option(parser, "train-size", "… on the first N training images (default: 1000)", default=1000)
    add_option(parser, "lr", f"… with this learning rate (default: {LR})", default=LR)
    add("--explain", action="store_true", help="go through the pass rule by rule, each checked against its slope")
    add("--node", metavar="NAME", help="… and show this node alone, such as act1 or linear0.weight")
    add("--figures", type=Path, metavar="DIR", help="draw gradient flow, gradient field and graphs into this folder")
    return parser
