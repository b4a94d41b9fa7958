"""Tables of traces side by side: what is in them, and that they fit."""

import numpy as np
import pytest

import tinydist as td
from tinydist import Tensor
from tinydist.trace import record, record_model
from tinydist.trace.compare import classes_table, entries, layers_table, side_by_side


@pytest.fixture
def traces():
    """Three models of 4 inputs, 5 hidden units and 3 classes, on a single sample of class 1."""
    x = np.array([[0.0, 3.0, -1.0, 0.0]], dtype=np.float32)
    return {
        name: record_model(td.build_model(name, in_features=4, hidden=5, classes=3), x, np.array([1]))
        for name in ("ReLU2", "Abs2-Neg", "Abs-L2")
    }


def rows_of(table):
    """The cells of a table with one model, by node."""
    return {line.split()[0]: line.split("│")[1].split() for line in table.splitlines()[2:]}


def test_a_row_shows_op_length_zeros_and_their_author(traces):
    trace = traces["ReLU2"]
    table = layers_table({"ReLU2": trace}, 200)
    rows = rows_of(table)
    assert list(rows) == [
        *("loss", "act1", "linear1", "act0", "linear0"),
        *("linear1.weight", "linear0.bias", "linear0.weight"),
    ]
    assert rows["loss"] == ["cross_entropy", "1", "0%"]
    blocked = np.mean(trace["linear1"].value <= 0)
    assert blocked > 0
    norm = np.linalg.norm(trace["linear1"].gradient)
    assert rows["linear1"] == ["linear", f"{norm:.3g}", f"{blocked:.0%}", "act1"]
    assert rows["linear1.weight"][0] == "parameter"
    assert table.splitlines()[1].split() == ["│", "op", "|gradient|", "zeros", "by"]


def test_shares_are_given_where_several_nodes_made_the_zeros():
    x = Tensor([[0.0, 2.0]])
    weight = Tensor([[1.0, 1.0], [-1.0, -1.0]], requires_grad=True)
    trace = record(td.nn.linear(x, weight).relu().sum(), names={"weight": weight})
    assert rows_of(layers_table({"it": trace}, 200))["weight"][2:] == ["75%", "relu", "25%,", "linear", "50%"]


def test_layers_come_in_the_order_of_every_model_and_second_layers_together(traces):
    table = layers_table(traces, 300)
    rows = [line.split()[0] for line in table.splitlines()[2:]]
    assert rows[:3] == ["loss", "neg", "act1"]
    assert sorted(rows[3:5]) == ["linear1", "offset"]
    assert rows[5:7] == ["act0", "linear0"]
    for trace in traces.values():
        for leaves in (True, False):
            names = [step.name for step in trace.steps if (step.op is None) == leaves]
            assert sorted(names, key=rows.index) == names
    assert len(rows) == len(set(rows)) == len({step.name for trace in traces.values() for step in trace.steps})


def test_a_node_that_a_model_does_not_have_is_a_dash(traces):
    for line in layers_table(traces, 300).splitlines()[2:]:
        name, *cells = (cell.strip() for cell in line.split("│"))
        cells += [""] * (3 - len(cells))
        for cell, trace in zip(cells, traces.values(), strict=True):
            assert (cell == "–") is (name not in trace.names)


def test_models_without_a_common_node():
    x, y = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    table = layers_table({"one": record(x.exp(), names={"x": x}), "two": record(y.tanh(), names={"y": y})}, 200)
    rows = [[cell.strip() for cell in line.split("│")] for line in table.splitlines()[2:]]
    assert sorted(row[0] for row in rows) == ["exp", "tanh", "x", "y"]
    assert all((row[1] == "–") is not (row[2] == "–") for row in rows)


def test_models_that_order_the_same_names_differently():
    def trace(outer, inner):
        x = Tensor(0.5, requires_grad=True)
        first = getattr(x, inner)()
        return record(getattr(first, outer)(), names={"x": x})

    table = layers_table({"a": trace("exp", "tanh"), "b": trace("tanh", "exp")}, 200)
    assert [line.split()[0] for line in table.splitlines()[2:]] == ["exp", "tanh", "x"]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 200, 300])
def test_columns_fit_the_width_or_go_below(traces, width):
    wide = layers_table(traces, 1000)
    assert "\n\n" not in wide
    blocks = layers_table(traces, width).split("\n\n")
    column = max(len(cell) for line in wide.splitlines() for cell in line.split("  │ "))
    for block in blocks:
        assert max(map(len, block.splitlines())) <= max(width, 20 + column)
        assert [line.split()[0] for line in block.splitlines()[2:]] == [
            line.split()[0] for line in wide.splitlines()[2:]
        ]
    assert len(blocks) == 1 or width < max(map(len, wide.splitlines()))
    titles = [title.strip() for block in blocks for title in block.splitlines()[0].split("│")[1:]]
    assert titles == list(traces)


def test_side_by_side_is_as_wide_as_it_may_be():
    labels, blocks = ["", "row"], [["one", "1"], ["two", "2"], ["three", "3"]]
    assert side_by_side(labels, blocks, 27) == "     │ one  │ two  │ three\nrow  │ 1    │ 2    │ 3"
    assert side_by_side(labels, blocks, 26).split("\n\n") == ["     │ one  │ two  │ three\nrow  │ 1    │ 2    │ 3"]
    assert side_by_side(labels, blocks, 25).split("\n\n") == [
        "     │ one  │ two\nrow  │ 1    │ 2",
        "     │ three\nrow  │ 3",
    ]
    assert len(side_by_side(labels, blocks, 1).split("\n\n")) == 3


@pytest.mark.parametrize(
    ("model", "head", "sign"), [("ReLU2", "linear1", 1), ("Abs2-Neg", "linear1", -1), ("Abs-L2", "offset", 1)]
)
def test_class_by_class(traces, model, head, sign):
    trace = traces[model]
    lines = classes_table({model: trace}, 1, 200).splitlines()
    assert lines[0].split() == ["│", model]
    assert lines[1].split("│")[1].split() == ["layer", "2", "logit", "gradient", "passed"]
    assert [line.split("│")[0].strip() for line in lines[2:]] == ["class 0", "class 1 (right)", "class 2"]
    numbers = np.array([line.split("│")[1].split() for line in lines[2:]], dtype=float)
    outputs = trace[head].value[0]
    activation = {"ReLU2": lambda z: np.maximum(z, 0), "Abs2-Neg": np.abs, "Abs-L2": lambda z: z}[model]
    slope = {"ReLU2": outputs > 0, "Abs2-Neg": np.sign(outputs), "Abs-L2": np.ones(3)}[model]
    logits = sign * activation(outputs)
    gradient = np.exp(logits) / np.exp(logits).sum() - [0, 1, 0]
    expected = np.stack([outputs, logits, gradient, sign * gradient * slope], axis=1)
    np.testing.assert_allclose(numbers, expected, rtol=1e-3)


def test_no_zero_has_a_sign():
    weight = np.array([[1.0], [-1.0], [2.0]])
    x = Tensor([[-1.0]])
    linear1 = td.nn.linear(x, Tensor(weight, requires_grad=True))
    logits = linear1 * np.array([[-0.0, 0.0, 1.0]])
    trace = record(logits.cross_entropy([1]), names={"linear1": linear1, "logits": logits})
    assert np.signbit(trace["linear1"].gradient[0, :2]).all()  # -0.0 · 0.3 and 0.0 · (0.4 - 1)
    table = classes_table({"it": trace}, 1, 200)
    assert [line.split()[-1] for line in table.splitlines()[2:4]] == ["0", "0"]


def test_class_by_class_fits_too(traces):
    table = classes_table(traces, 1, 70)
    assert len(table.split("\n\n")) == 3
    assert max(map(len, table.splitlines())) <= 70


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([1, 2e-7, 1e-7, -1e-30, 0, -0.0], np.float32), ["1", "2e-07", "≈0", "≈0", "0", "0"]),
        (np.array([[1, 1e-7], [1e-17, np.nan]]), ["1", "1e-07", "≈0", "nan"]),
        (np.array([np.inf, 1], np.float32), ["inf", "1"]),
        (np.array([0, 0], np.float32), ["0", "0"]),
        (np.array([3, 0]), ["3", "0"]),
        (np.array([], np.float32), []),
    ],
)
def test_what_rounding_loses_beside_the_largest_is_said_to_be_nearly_zero(array, words):
    assert entries(array) == words
