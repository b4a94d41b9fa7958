"""The flow of a training run equals what is computed apart from it, and training takes no notice of being measured."""

import gc
import weakref

import numpy as np
import pytest

import tinydist as td
from tinydist import Tensor, nn
from tinydist.datasets import Dataset
from tinydist.errors import DivergedError
from tinydist.optim import SGD
from tinydist.recording import watchers
from tinydist.sparse import SparseMatrix
from tinydist.trace.flow import record_flow
from tinydist.training import spaced_epochs, train


@pytest.fixture
def data():
    """A small three-class problem."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 40)
    x = (rng.normal(size=(40, 4)) + labels[:, None]).astype(np.float32)
    rows = {"x_train": x, "y_train": labels, "x_test": x[:10], "y_test": labels[:10]}
    return Dataset(name="toy", input="raw", classes=3, **rows)


def model_for(name):
    return td.build_model(name, in_features=4, hidden=5, classes=3)


def flow_of(name, data, epochs=12, points=5, lr=0.05):
    model = model_for(name)
    return record_flow(model, SGD(model.parameters(), lr), data.x_train, data.y_train, epochs, points), model


def test_norms_zeros_and_losses_are_those_of_backpropagation_written_out(data):
    flow, _ = flow_of("ReLU2", data)
    w0, b0, w1 = (value.astype(float) for value in model_for("ReLU2").state_dict().values())
    x, y, lr = data.x_train.astype(float), data.y_train, 0.05
    losses, norms, zeros = [], [], []
    for _ in range(13):
        linear0 = x @ w0.T + b0
        act0 = np.maximum(linear0, 0)
        linear1 = act0 @ w1.T
        act1 = np.maximum(linear1, 0)
        p = np.exp(act1) / np.exp(act1).sum(axis=1, keepdims=True)
        to_act1 = (p - np.eye(3)[y]) / len(y)
        to_linear1 = to_act1 * (linear1 > 0)
        to_act0 = to_linear1 @ w1
        to_linear0 = to_act0 * (linear0 > 0)
        gradients = [np.array(1.0), to_act1, to_linear1, to_act0, to_linear0]
        losses.append(-np.log(p[np.arange(len(y)), y]).mean())
        norms.append([np.linalg.norm(gradient) for gradient in gradients])
        zeros.append([np.mean(gradient == 0) for gradient in gradients])
        w0, b0 = w0 - lr * to_linear0.T @ x, b0 - lr * to_linear0.sum(axis=0)
        w1 = w1 - lr * to_linear1.T @ act0
    moments = sorted(spaced_epochs(12, 5))
    assert flow.layers == ("loss", "act1", "linear1", "act0", "linear0")
    assert flow.epochs == tuple(moments)
    assert {0, 12} <= set(moments)
    np.testing.assert_allclose(flow.losses, np.array(losses)[moments], rtol=1e-5)
    np.testing.assert_allclose(flow.norms, np.array(norms)[moments], rtol=1e-4)
    np.testing.assert_array_equal(flow.zero_shares, np.array(zeros)[moments])
    assert flow.zero_shares.max() > 0.2


@pytest.mark.parametrize("name", ["ReLU", "Abs2-Neg", "ReLU-L2"])
def test_training_takes_the_same_steps_whether_measured_or_not(name, data):
    _, measured = flow_of(name, data, epochs=7)
    plain = model_for(name)
    curve = train(plain, SGD(plain.parameters(), 0.05), data, epochs=7)
    for ours, reference in zip(measured.state_dict().values(), plain.state_dict().values(), strict=True):
        assert ours.tobytes() == reference.tobytes()
    flow, _ = flow_of(name, data, epochs=7, points=20)
    losses = dict(zip(flow.epochs, flow.losses.tolist(), strict=True))
    assert {m.epoch: m.train_loss for m in curve}.items() <= losses.items()
    assert losses.keys() == set(range(8))


def test_points_do_not_change_what_is_measured(data):
    few, many = flow_of("Abs", data, points=2)[0], flow_of("Abs", data, points=50)[0]
    assert len(few.epochs) < len(many.epochs) == 13
    for row, epoch in enumerate(few.epochs):
        np.testing.assert_array_equal(few.norms[row], many.norms[many.epochs.index(epoch)])


def test_a_sparse_input_flows_like_a_dense_one(data):
    pixels = (data.x_train > 1).astype(np.uint8) * 3
    flows = []
    for x in (pixels.astype(np.float32), SparseMatrix(pixels)):
        model = model_for("ReLU")
        flows.append(record_flow(model, SGD(model.parameters(), 0.01), x, data.y_train, 3))
    np.testing.assert_allclose(flows[0].norms, flows[1].norms, rtol=1e-4)


def test_nodes_without_a_layers_name_are_left_out(data):
    model = nn.Sequential(offset=nn.OffsetL2(4, 3, form="paper", rng=np.random.default_rng(0)), neg=nn.Neg())
    flow = record_flow(model, SGD(model.parameters(), 0.01), data.x_train, data.y_train, 2)
    assert flow.layers == ("loss", "neg", "offset")  # alpha is squared by an op of its own
    assert flow.norms.shape == flow.zero_shares.shape == (3, 3)


def test_a_model_that_is_no_sequence(data):
    class Doubled(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(4, 3, rng=np.random.default_rng(0))

        def forward(self, x):
            return self.inner(x) * 2

    model = Doubled()
    flow = record_flow(model, SGD(model.parameters(), 0.01), data.x_train, data.y_train, 1)
    assert flow.layers == ("loss", "model")


def test_activations_are_not_kept_from_moment_to_moment(data):
    alive, most = [], []

    class Census(nn.Module):
        def forward(self, x):
            alive.append(weakref.ref(x))
            gc.collect()
            most.append(sum(reference() is not None for reference in alive))
            return x.abs()

    model = nn.Sequential(linear0=nn.Linear(4, 3, rng=np.random.default_rng(0)), census=Census())
    record_flow(model, SGD(model.parameters(), 0.01), data.x_train, data.y_train, 10, points=50)
    assert len(most) == 11
    assert max(most) <= 2  # this epoch's and the last one's


def test_a_loss_that_is_not_finite_stops_it(data):
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match=r"after \d+ steps; a smaller lr may help"):
        flow_of("ReLU", data, lr=1e30)
    data.x_train[3, 1] = np.nan
    with pytest.raises(DivergedError, match="nan after 0 steps"):
        flow_of("Abs", data)
    assert watchers() == ()


def test_at_least_one_epoch(data):
    with pytest.raises(ValueError, match="at least one epoch of training, got 0"):
        flow_of("Abs", data, epochs=0)


def test_the_last_moment_is_of_the_trained_model(data):
    flow, model = flow_of("Abs", data)
    left = [parameter.grad for parameter in model.parameters()]
    loss = model(Tensor(data.x_train)).cross_entropy(data.y_train)
    assert flow.losses[-1] == loss.item()
    for parameter in model.parameters():
        parameter.grad = None
    loss.backward()
    for parameter, gradient in zip(model.parameters(), left, strict=True):
        assert parameter.grad.tobytes() == gradient.tobytes()
