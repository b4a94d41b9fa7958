"""What the figures show, and that they reach the disk whole or not at all."""

import os
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

import tinydist as td
from tinydist import Tensor
from tinydist.figures import save
from tinydist.trace import figures
from tinydist.trace.flow import Flow


def flow_of(layers=("loss", "act0", "linear0"), norms=(1.0, 0.5, 0.25), zeros=(0.0, 0.25, 1.0)):
    """Three moments; gradients shrink by ten each time."""
    factors = np.array([[1.0], [0.1], [0.01]])
    return Flow((0, 1, 10), tuple(layers), factors * norms, np.tile(zeros, (3, 1)), np.array([2.5, 1.0, 0.125]))


def leaf(data):
    return Tensor(data, requires_grad=True, dtype=float)


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


def overlapping(figure):
    """Texts of a figure that run into each other or over its edge."""
    figure.draw_without_rendering()
    renderer, edge = figure.canvas.get_renderer(), figure.bbox
    labels = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label) if axes.axison]
    texts = [*labels, *(text for axes in figure.axes for text in axes.texts), *figure.texts]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
    boxes += [("legend", legend.get_window_extent(renderer)) for legend in figure.legends]
    outside = [
        name for name, box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > edge.x1 + 1 or box.y1 > edge.y1 + 1
    ]
    return outside + [(a, b) for i, (a, one) in enumerate(boxes) for b, other in boxes[:i] if one.overlaps(other)]


# --- gradient flow -------------------------------------------------------------------------------------------------


def test_flow_shows_lengths_above_and_zeros_below_for_every_model():
    figure = figures.gradient_flow({"one": flow_of(), "two": flow_of(norms=(2.0, 3.0, 4.0))}, "what was trained")
    assert len(figure.axes) == 4
    above, below = figure.axes[:2], figure.axes[2:]
    for axes, name, norms in zip(above, ("one", "two"), ((1.0, 0.5, 0.25), (2.0, 3.0, 4.0)), strict=True):
        assert axes.get_title() == f"{name}, loss 2.5 to 0.125"
        assert axes.get_yscale() == "log"
        for layer, norm in zip(("loss", "act0", "linear0"), norms, strict=True):
            assert lines_of(axes)[layer].get_xdata().tolist() == [0, 1, 10]
            np.testing.assert_allclose(lines_of(axes)[layer].get_ydata(), [norm, norm / 10, norm / 100])
    for axes in below:
        assert {name: line.get_ydata().tolist() for name, line in lines_of(axes).items()} == {
            "loss": [0] * 3,
            "act0": [25] * 3,
            "linear0": [100] * 3,
        }
        assert axes.get_xlabel() == "epochs (full-batch steps)"
    assert "length of the gradient" in above[0].get_ylabel()
    assert below[0].get_ylabel() == "entries exactly zero, %"
    assert "what was trained" in figure.get_suptitle()


def test_a_layer_looks_the_same_in_every_model_and_different_from_other_layers():
    figure = figures.gradient_flow({"a": flow_of(), "b": flow_of(("loss", "neg", "linear0"))}, "")
    first, second = (lines_of(axes) for axes in figure.axes[:2])
    for layer in ("loss", "linear0"):
        assert first[layer].get_color() == second[layer].get_color()
        assert first[layer].get_marker() == second[layer].get_marker()
    lines = first | second
    assert (
        len({line.get_color() for line in lines.values()}) == len({line.get_marker() for line in lines.values()}) == 4
    )
    (legend,) = figure.legends
    assert sorted(text.get_text() for text in legend.get_texts()) == ["act0", "linear0", "loss", "neg"]


def test_gradients_of_length_zero_draw_without_a_warning(tmp_path):
    figure = figures.gradient_flow({"dead": flow_of(norms=(1.0, 0.0, 0.0))}, "nothing flows")
    save(figure, tmp_path / "dead.png")
    assert "0 is not shown" in figure.axes[0].get_ylabel()


@pytest.mark.parametrize("models", [1, 2, 4])
def test_the_texts_of_a_flow_do_not_run_into_each_other(models):
    layers = ("loss", "neg", "act1", "linear1", "act0", "linear0")
    flow = flow_of(layers, norms=[1.0] * 6, zeros=[0.5] * 6)
    label = "60,000 images, normalized pixels, 1000 epochs, learning rate 0.001, seed 10"
    figure = figures.gradient_flow({f"ReLU2-Neg-Bias{i}": flow for i in range(models)}, label)
    assert overlapping(figure) == []


# --- gradient field ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def field():
    return figures.gradient_field()


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title() == title)


def arrows_of(axes):
    (quiver,) = (artist for artist in axes.collections if type(artist).__name__ == "Quiver")
    return np.column_stack([quiver.X, quiver.Y]), np.column_stack([quiver.U, quiver.V]), quiver.get_array()


def test_the_field_has_a_panel_for_every_head_with_and_without_neg(field):
    titles = [axes.get_title() for axes in field.axes if axes.get_title()]
    assert titles == ["ReLU2", "Abs2", "OffsetL2", "ReLU2-Neg", "Abs2-Neg", "OffsetL2-Neg"]
    assert panel(field, "Abs2-Neg").get_xlabel() == "right class, before the activation"
    assert panel(field, "OffsetL2").get_ylabel() == "hidden unit 2"
    assert "length of the gradient" in [axes.get_ylabel() for axes in field.axes]
    assert "exactly zero" in field.get_suptitle()


@pytest.mark.parametrize(
    ("title", "head"),
    [
        ("ReLU2", lambda p: np.maximum(p, 0)),
        ("ReLU2-Neg", lambda p: -np.maximum(p, 0)),
        ("Abs2", np.abs),
        ("Abs2-Neg", lambda p: -np.abs(p)),
        ("OffsetL2", lambda p: np.hypot(*(p[:, None] - [[-1, -0.5], [1, 0.5]]).transpose(2, 0, 1))),
        ("OffsetL2-Neg", lambda p: -np.hypot(*(p[:, None] - [[-1, -0.5], [1, 0.5]]).transpose(2, 0, 1))),
    ],
)
def test_arrows_point_down_the_slope_that_is_measured(field, title, head):
    def loss(points):
        logits = head(points)
        return np.log(np.exp(logits).sum(axis=1)) - logits[:, 0]

    points, directions, lengths = arrows_of(panel(field, title))
    smooth = ~np.any(np.isclose(points, 0), axis=1)  # on the axes are the kinks
    points, directions, lengths = points[smooth], directions[smooth], lengths[smooth]
    steps = 1e-6 * np.eye(2)
    slope = np.stack([(loss(points + step) - loss(points - step)) / 2e-6 for step in steps], axis=1)
    np.testing.assert_allclose(-slope, directions * lengths[:, None], atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert len(points) > 50


@pytest.mark.parametrize("title", ["ReLU2", "ReLU2-Neg", "Abs2", "Abs2-Neg", "OffsetL2", "OffsetL2-Neg"])
def test_grey_is_where_the_gradient_is_zero(field, title):
    axes = panel(field, title)
    grey = np.concatenate(
        [np.asarray(artist.get_offsets()) for artist in axes.collections if type(artist).__name__ == "PathCollection"]
    )
    if title.startswith("ReLU2"):
        assert len(grey) == 100  # of 19 × 19 points those with neither coordinate above 0
        assert grey.max() == pytest.approx(0)
    elif title.startswith("Abs2"):
        assert grey == pytest.approx(np.zeros((1, 2)))
    else:
        assert len(grey) == 0
    assert len(grey) + len(arrows_of(axes)[0]) == 19 * 19


def test_one_scale_of_colours_holds_all_lengths(field):
    lowest, highest = zip(
        *(artist.get_clim() for axes in field.axes[:6] for artist in axes.collections[1:2]), strict=True
    )
    assert len(set(lowest)) == len(set(highest)) == 1
    for axes in field.axes[:6]:
        assert arrows_of(axes)[2].max() <= highest[0]


def test_the_texts_of_the_field_do_not_run_into_each_other(field):
    assert overlapping(field) == []


# --- the graph -----------------------------------------------------------------------------------------------------


def arrows_between(axes):
    """(from, to) of every arrow, by the first line of the box nearest to each end."""
    boxes = {text.get_text().split("\n")[0]: np.array(text.get_position()) for text in axes.texts if text.get_text()}

    def nearest(place):
        return min(boxes, key=lambda name: np.abs(boxes[name] - place).sum())

    arrows = [text for text in axes.texts if not text.get_text()]
    return sorted((nearest(arrow.get_position()), nearest(arrow.xy)) for arrow in arrows)


def test_a_graph_has_a_box_for_every_node_and_an_arrow_for_every_use():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (axes,) = figures.graph(td.trace.record((x * y + x * 5).sum(), names={"x": x, "y": y})).axes
    texts = sorted(text.get_text() for text in axes.texts if text.get_text())
    assert texts == [
        "add\n2\nvalue 8 … 18\n|gradient| 1.41",
        "mul#1\n2\nvalue 3 … 8\n|gradient| 1.41",
        "mul#2\n2\nvalue 5 … 10\n|gradient| 1.41",
        "sum\nnumber\nvalue 26\ngradient 1",
        "x\n2\nvalue 1 … 2\n|gradient| 12",  # 3 + 5, 4 + 5
        "y\n2\nvalue 3 … 4\n|gradient| 2.24",
    ]
    (first, second) = ("mul#1", "mul#2")
    assert arrows_between(axes) == sorted(
        [("x", first), ("y", first), (first, "add"), ("x", second), (second, "add"), ("add", "sum")]
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x.exp() * x + x) * 2,
        lambda x: x.exp().exp().exp() + x.abs(),
        lambda x: x.abs() + x.exp().exp().exp(),
    ],
)
def test_arrows_go_up_from_inputs_to_results(function):
    (axes,) = figures.graph(td.trace.record(function(leaf(0.5)))).axes
    arrows = [text for text in axes.texts if not text.get_text()]
    assert len(arrows) == 6
    assert all(arrow.xy[1] > arrow.get_position()[1] for arrow in arrows)


def test_an_arrow_past_other_nodes_is_bent_round_them():
    x = leaf(2.0)
    (axes,) = figures.graph(td.trace.record(x.exp() * x)).axes
    arrows = [text for text in axes.texts if not text.get_text()]
    bent = [arrow for arrow in arrows if arrow.arrow_patch.get_connectionstyle().rad]
    assert [arrow.xy[1] - arrow.get_position()[1] > 1 for arrow in bent] == [True]
    assert len(arrows) == 3


def test_layers_have_their_names_and_leaves_another_shape():
    model = td.build_model("ReLU2", in_features=4, hidden=5, classes=3)
    trace = td.trace.record_model(model, np.ones((2, 4), dtype=np.float32), np.array([0, 1]))
    (axes,) = figures.graph(trace).axes
    boxes = {text.get_text().split("\n")[0]: text.get_bbox_patch() for text in axes.texts if text.get_text()}
    assert set(boxes) == {
        *("loss: cross_entropy", "act1: relu", "linear1: linear", "act0: relu", "linear0: linear"),
        *("linear0.weight", "linear0.bias", "linear1.weight"),
    }
    shapes = {name: type(box.get_boxstyle()).__name__ for name, box in boxes.items()}
    assert {shape for name, shape in shapes.items() if ".weight" in name or ".bias" in name} == {"Round"}
    assert {shape for name, shape in shapes.items() if ":" in name} == {"Square"}


def test_the_boxes_of_a_graph_do_not_run_into_each_other():
    model = td.build_model("Abs-L2-Neg", hidden=128)
    trace = td.trace.record_model(model, np.ones((1, 784), dtype=np.float32), np.array([0]))
    assert overlapping(figures.graph(trace)) == []


def test_an_input_that_is_used_twice_has_two_arrows_apart():
    x = leaf(3.0)
    (axes,) = figures.graph(td.trace.record(x * x)).axes
    arrows = [text for text in axes.texts if not text.get_text()]
    assert len({arrow.arrow_patch.get_connectionstyle().rad for arrow in arrows}) == 2
    assert [text.get_text() for text in axes.texts if text.get_text()] == [
        "leaf\nnumber\nvalue 3\ngradient 6",
        "mul\nnumber\nvalue 9\ngradient 1",
    ]


@pytest.mark.parametrize("wrong", [td.Tensor(2.0), None, "trace"])
def test_a_graph_of_anything_but_a_trace_says_what_it_is_drawn_of(wrong):
    with pytest.raises(TypeError, match=rf"a Trace, which trace\.record\(loss\) returns; got a {type(wrong).__name__}"):
        figures.graph(wrong)


def test_a_single_leaf_is_a_graph():
    (axes,) = figures.graph(td.trace.record(leaf([[1.0, 2.0]]), gradient=[[3.0, 4.0]])).axes
    assert [text.get_text() for text in axes.texts] == ["leaf\n1×2\nvalue 1 … 2\n|gradient| 5"]


# --- files ---------------------------------------------------------------------------------------------------------


def test_all_three_are_saved_and_show_something(tmp_path, field):
    x = leaf(2.0)
    flow = figures.gradient_flow({"one": flow_of()}, "a label")
    for name, figure in {"flow": flow, "field": field, "graph": figures.graph(td.trace.record(x.exp() * x))}.items():
        path = tmp_path / "new folder" / f"{name}.png"
        save(figure, path)
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) > 200
        assert np.ptp(pixels) > 0.5
    assert len(list((tmp_path / "new folder").iterdir())) == 3


@pytest.mark.parametrize("problem", [OSError("disk full"), KeyboardInterrupt()])
def test_a_figure_that_cannot_be_written_leaves_no_half_file(tmp_path, problem):
    class Failing:
        def savefig(self, file, **_):
            file.write(b"half")
            raise problem

    old = tmp_path / "old.png"
    old.write_bytes(b"whole")
    for path in (old, tmp_path / "new.png"):
        with pytest.raises(type(problem)):
            save(Failing(), path)
    assert [path.name for path in tmp_path.iterdir()] == ["old.png"]
    assert old.read_bytes() == b"whole"


def test_figures_need_no_display(tmp_path):
    """Even where matplotlib is told to use a backend that needs one."""
    program = (
        "import pathlib, sys; from tinydist.figures import save; from tinydist.trace import figures; "
        "save(figures.gradient_field(), pathlib.Path(sys.argv[1]))"
    )
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name} | {"MPLBACKEND": "tkagg"}
    path = tmp_path / "field.png"
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(path)], env=environment, check=True)
    assert path.stat().st_size > 10_000
