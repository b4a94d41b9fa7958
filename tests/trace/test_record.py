"""The trace is the very backward pass that ran: its gradients, its zeros, its names."""

import gc
import weakref

import autograd.numpy as anp
import numpy as np
import pytest

import tinydist as td
from tinydist import Tensor, apply, nn
from tinydist.errors import BackwardError, GraphFreedError, ShapeError
from tinydist.optim import SGD
from tinydist.recording import watchers
from tinydist.sparse import SparseMatrix
from tinydist.trace import named_loss, record, record_model

LABELS = np.array([2, 0, 1, 1])


def leaf(data):
    return Tensor(data, requires_grad=True, dtype=float)


@pytest.fixture
def model(rng):
    """A small float64 network: 5 inputs, 4 hidden units, 3 classes."""
    return nn.Sequential(
        linear0=nn.Linear(5, 4, rng=rng, dtype=float),
        act0=nn.Activation("Abs"),
        linear1=nn.Linear(4, 3, bias=False, rng=rng, dtype=float),
        act1=nn.Activation("ReLU"),
        neg=nn.Neg(),
    )


@pytest.fixture
def pixels(rng):
    return rng.normal(size=(4, 5))


# --- the gradients -------------------------------------------------------------------------------------------------


def test_every_gradient_is_that_of_autograd(model, pixels, autograd_gradients):
    weights = model.state_dict()

    def loss(w0, b0, w1, *shifts):
        """The network with something added to every node; the gradient of what is added is that of the node."""
        linear0 = anp.dot(pixels, w0.T) + b0 + shifts[0]
        act0 = anp.abs(linear0) + shifts[1]
        linear1 = anp.dot(act0, w1.T) + shifts[2]
        act1 = anp.maximum(linear1, 0) + shifts[3]
        neg = -act1 + shifts[4]
        logs = neg - anp.log(anp.sum(anp.exp(neg), axis=1, keepdims=True))
        return -anp.mean(logs[anp.arange(4), LABELS]) + shifts[5]

    trace = record_model(model, pixels, LABELS)
    layers = ["linear0", "act0", "linear1", "act1", "neg", "loss"]
    shifts = [np.zeros(trace[name].shape) for name in layers]
    expected = autograd_gradients(loss, [*weights.values(), *shifts], np.array(1.0))
    assert sorted(trace.names) == sorted([*weights, *layers])
    for name, wanted in zip([*weights, *layers], expected, strict=True):
        np.testing.assert_allclose(trace[name].gradient, wanted, rtol=1e-11, atol=1e-14, strict=True, err_msg=name)


def test_values_are_those_of_the_network_written_out(model, pixels):
    weights = model.state_dict()
    trace = record_model(model, pixels, LABELS)
    linear0 = pixels @ weights["linear0.weight"].T + weights["linear0.bias"]
    linear1 = np.abs(linear0) @ weights["linear1.weight"].T
    for name, value in [("linear0", linear0), ("act0", np.abs(linear0)), ("act1", np.maximum(linear1, 0))]:
        np.testing.assert_allclose(trace[name].value, value, rtol=1e-12, err_msg=name)
    np.testing.assert_array_equal(trace["linear0.bias"].value, weights["linear0.bias"])


def test_the_leaves_gradients_are_the_bits_that_backward_stores(model, pixels):
    loss, names = named_loss(model, pixels, LABELS)
    trace = record(loss, names=names)
    for name, parameter in model.named_parameters():
        assert trace[name].gradient.tobytes() == parameter.grad.tobytes()
    recorded = [parameter.grad for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = None
    named_loss(model, pixels, LABELS)[0].backward()
    for parameter, gradient in zip(model.parameters(), recorded, strict=True):
        assert parameter.grad.tobytes() == gradient.tobytes()


def test_contributions_add_up_to_the_gradients(model, pixels):
    trace = record_model(model, pixels, LABELS)
    for name in trace.names[1:]:
        given = [c for step in trace.steps for n, c in zip(step.inputs, step.contributions, strict=True) if n == name]
        np.testing.assert_array_equal(sum(given), trace[name].gradient)


def test_the_pass_is_a_real_one():
    x = leaf([1.0, 2.0])
    x.grad = np.array([10.0, 10.0])
    loss = (x * x).sum()
    record(loss)
    assert x.grad.tolist() == [12, 14]
    assert loss.inputs == ()


def test_a_retained_graph_runs_again():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    first, second = record(loss, retain_graph=True), record(loss, np.array(3.0))
    assert first["leaf"].gradient.tolist() == [2, 4]
    assert second["leaf"].gradient.tolist() == [6, 12]
    assert x.grad.tolist() == [8, 16]


def test_a_seed_for_an_output_with_many_entries():
    x = leaf([1.0, 2.0])
    trace = record(x * x, [1.0, -1.0])
    assert trace.steps[0].gradient.tolist() == [1, -1]
    assert trace["leaf"].gradient.tolist() == [2, -4]


def test_the_values_stay_what_they_were_when_an_optimiser_steps():
    x = leaf([1.0, 2.0])
    trace = record((x.reshape(2, 1) * 3).sum(), names={"x": x})
    SGD([x], lr=0.1).step()
    assert x.data.tolist() != [1, 2]
    assert trace["x"].value.tolist() == [1, 2]
    assert trace["reshape"].value.tolist() == [[1], [2]]


def test_a_backward_pass_that_a_rule_runs_inside_is_not_recorded():
    def checkpointed(x):
        def rule(g):
            again = Tensor(x, requires_grad=True)
            (again * again).sum().backward()
            return g * again.grad

        return x * x, (rule,)

    x = leaf([1.0, 3.0])
    trace = record(apply(checkpointed, x).sum(), names={"x": x})
    assert trace.names == ["sum", "checkpointed", "x"]
    assert x.grad.tolist() == [2, 6]


@pytest.mark.parametrize(
    ("output", "seed", "error"),
    [
        (lambda: Tensor([1.0]).exp(), None, BackwardError),
        (lambda: leaf([1.0, 2.0]).exp(), None, BackwardError),
        (lambda: leaf([1.0, 2.0]).exp(), [1.0], ShapeError),
    ],
)
def test_errors_are_those_of_backward(output, seed, error):
    with pytest.raises(error):
        record(output(), seed)
    assert watchers() == ()


def test_a_freed_graph_says_so():
    loss = leaf(1.0).exp()
    record(loss)
    with pytest.raises(GraphFreedError, match="retain_graph=True"):
        record(loss)


def test_nothing_of_the_graph_is_kept():
    x = leaf([1.0, 2.0])
    middle = x.exp()
    loss = middle.sum()
    trace = record(loss, names={"middle": middle})
    kept = [weakref.ref(tensor) for tensor in (x, middle, loss)]
    del x, middle, loss
    gc.collect()
    assert [reference() for reference in kept] == [None] * 3
    np.testing.assert_allclose(trace["middle"].value, np.exp([1, 2]))


# --- the numbers of a step -----------------------------------------------------------------------------------------


def test_length_and_share_of_zeros():
    x = leaf([-1.0, 3.0, -2.0, 4.0])
    trace = record((x.relu() * np.array([5.0, 3.0, 1.0, 4.0])).sum(), names={"x": x})
    assert trace["relu"].norm == pytest.approx(51**0.5)
    assert trace["relu"].zero_share == 0
    assert trace["x"].norm == 5
    assert trace["x"].zero_share == 0.5
    assert trace["x"].zeroed_by == {"relu": 0.5}
    assert trace["x"].shape == (4,)


def test_authors_account_for_all_zeros(model, pixels):
    pixels[:, 2] = 0
    for step in record_model(model, pixels, LABELS).steps:
        assert sum(step.zeroed_by.values()) == pytest.approx(np.mean(step.gradient == 0))


def test_nothing_has_no_zeros_and_no_length():
    x = leaf(np.ones((0, 3)))
    step = record(x.exp().sum(), names={"x": x})["x"]
    assert (step.zero_share, step.norm, step.zeroed_by) == (0, 0, {})


def test_a_table_with_a_line_for_every_node():
    x = leaf([[-1.0, 3.0]])
    lines = str(record((x.relu() * 2).sum(), names={"x": x})).splitlines()
    assert lines[0].split() == ["node", "op", "shape", "value", "|gradient|", "zero", "zeroed", "by"]
    assert lines[1].split() == ["sum", "sum", "number", "6", "1", "0%"]
    assert lines[2].split() == ["mul", "mul", "1×2", "0", "…", "6", "1.41", "0%"]
    assert lines[3].split() == ["relu", "relu", "1×2", "0", "…", "3", "2.83", "0%"]
    assert lines[4].split() == ["x", "leaf", "1×2", "-1", "…", "3", "2", "50%", "relu", "50%"]
    assert len(lines) == 5
    columns = [lines[0].index(title) for title in ("op", "shape", "value", "|gradient|")]
    assert all(line[column - 1] == " " and line[column] != " " for line in lines for column in columns)


def test_a_table_of_empty_arrays():
    last = str(record(leaf(np.ones((0, 3))).sum())).splitlines()[-1]
    assert last.split() == ["leaf", "leaf", "0×3", "empty", "0", "0%"]


# --- names ---------------------------------------------------------------------------------------------------------


def test_ops_of_one_kind_are_numbered_and_others_are_not():
    x, y = leaf(2.0), leaf(3.0)
    trace = record(((x * 2) * 3).exp() + y)
    assert trace.names[0] == "add"
    assert sorted(trace.names) == ["add", "exp", "leaf#1", "leaf#2", "mul#1", "mul#2"]
    assert trace["mul#1"].value == 4
    assert trace["mul#2"].inputs == ("mul#1", "constant")


def test_given_names_come_first():
    x = leaf(2.0)
    inner = x * 3
    trace = record(inner * 5, names={"x": x, "inner": inner})
    assert trace.names == ["mul", "inner", "x"]
    assert trace["mul"].inputs == ("inner", "constant")
    assert (trace["x"].op, trace["inner"].op) == (None, "mul")


def test_a_constant_may_have_a_name():
    pixels = Tensor([1.0, 2.0])
    trace = record((leaf([3.0, 4.0]) * pixels).sum(), names={"pixels": pixels})
    assert trace["mul"].inputs == ("leaf", "pixels")
    assert trace["mul"].contributions[1] is None


def test_no_two_nodes_are_called_alike():
    x, y = leaf(-2.0), leaf(3.0)
    trace = record(x.relu() * y, names={"relu": x, "mul": y})
    assert sorted(trace.names) == ["mul", "mul#1", "relu", "relu#1"]
    assert trace["relu"].zeroed_by == {"relu#1": 1.0}
    trace = record((x * 2) * 3, names={"mul#1": x})
    assert sorted(trace.names) == ["mul#1", "mul#2", "mul#3"]


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(KeyError, match="unknown step 'linear9'; this trace has exp, leaf"):
        record(leaf(1.0).exp())["linear9"]


def test_the_rule_in_words_is_that_of_the_op_and_not_of_its_name():
    def relu(x):
        return x, (lambda g: g,)

    x = leaf(-1.0)
    assert record(x.relu()).steps[0].rule == "g where x > 0, else 0"
    own, kept = record(apply(relu, x)).steps
    assert own.rule == "a rule of your own"
    assert kept.rule == "kept as .grad"


# --- models --------------------------------------------------------------------------------------------------------


def test_the_named_loss_is_the_models(model, pixels):
    loss, names = named_loss(model, pixels, LABELS)
    assert loss.item() == model(Tensor(pixels)).cross_entropy(LABELS).item()
    assert names["loss"] is loss
    assert names["act0"].inputs == (names["linear0"],)
    assert names["linear1.weight"] is model.linear1.weight


def test_a_model_that_is_no_sequence_is_called_model(pixels, rng):
    class Doubled(nn.Module):
        def __init__(self):
            self.weight = Tensor(rng.normal(size=(3, 5)), requires_grad=True)

        def forward(self, x):
            return td.nn.linear(x, self.weight) * 2

    trace = record_model(Doubled(), pixels, LABELS)
    assert trace.names == ["loss", "model", "linear", "weight"]
    assert trace["model"].op == "mul"


def test_layers_of_several_ops_keep_the_ops_names(pixels, rng):
    model = nn.Sequential(offset=nn.OffsetL2(5, 3, form="paper", rng=rng, dtype=float))
    trace = record_model(model, pixels, LABELS)
    assert sorted(trace.names) == ["loss", "mul", "offset", "offset.alpha", "offset.mu"]
    assert trace["offset"].op == "weighted_distance"


def test_record_model_leaves_the_gradients_as_they_were(model, pixels):
    before = [None, np.ones(4), np.full((3, 4), 2.0)]
    for parameter, gradient in zip(model.parameters(), before, strict=True):
        parameter.grad = gradient
    record_model(model, pixels, LABELS)
    assert all(parameter.grad is gradient for parameter, gradient in zip(model.parameters(), before, strict=True))
    assert before[1].tolist() == [1] * 4


def test_record_model_leaves_them_as_they_were_when_backward_raises(model, pixels):
    def broken(x):
        return x, (lambda g: g.sum(),)

    class Broken(nn.Module):
        def forward(self, x):
            return apply(broken, x)

    # the second layer's weight has its gradient already when the first layer's rule fails
    layers = {"linear0": model.linear0, "broken": Broken(), "linear1": model.linear1}
    with pytest.raises(ShapeError, match="broken"):
        record_model(nn.Sequential(**layers), pixels, LABELS)
    assert [parameter.grad for parameter in model.parameters()] == [None, None, None]
    assert watchers() == ()


def test_a_sparse_input_gives_the_trace_of_the_dense_one(rng):
    pixels = (rng.integers(0, 255, (4, 20)) * (rng.random((4, 20)) < 0.3)).astype(np.uint8)
    model = td.build_model("ReLU2-Neg", in_features=20, hidden=6, classes=3)
    dense = record_model(model, pixels.astype(np.float32), LABELS)
    sparse = record_model(model, SparseMatrix(pixels), LABELS)
    assert dense.names == sparse.names
    for name in dense.names:
        np.testing.assert_allclose(sparse[name].gradient, dense[name].gradient, rtol=1e-5, atol=1e-5)
        assert sparse[name].zero_share == dense[name].zero_share
    assert (dense["linear0"].op, sparse["linear0"].op) == ("linear", "sparse_linear")
