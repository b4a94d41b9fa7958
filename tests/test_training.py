import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from tinydist import Tensor, build_model
from tinydist.batches import Batching
from tinydist.datasets import Dataset, load
from tinydist.errors import BackwardError, DivergedError, GraphFreedError
from tinydist.optim import SGD, Adam
from tinydist.training import Measurement, accuracy, measured_epochs, train, training_step


@pytest.fixture
def data():
    """A small three-class problem."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    x = (rng.normal(size=(60, 4)) + labels[:, None]).astype(np.float32)
    rows = {"x_train": x[:40], "y_train": labels[:40], "x_test": x[40:], "y_test": labels[40:]}
    return Dataset(name="toy", input="raw", classes=3, **rows)


def model_for(name, seed=0):
    return build_model(name, in_features=4, hidden=5, classes=3, seed=seed)


def parabola(*start):
    """Two parameters and the loss (a - 3)² + 5 b, whose gradient is (2 (a - 3), 5)."""
    a, b = (Tensor(value, requires_grad=True) for value in start)
    return (a, b), lambda: (a - 3.0) ** 2 + 5 * b


def test_a_training_step_moves_every_parameter_against_the_gradient():
    (a, b), loss = parabola(1.0, 2.0)
    training_step(loss(), SGD([a, b], lr=0.1))
    assert a.data == pytest.approx(1 + 0.1 * 4)
    assert b.data == pytest.approx(2 - 0.1 * 5)
    training_step(loss(), SGD([a, b], lr=0.1))
    assert a.data == pytest.approx(1.4 + 0.1 * 3.2)


def test_a_training_step_uses_the_gradient_of_its_loss_alone():
    (a, b), loss = parabola(1.0, 2.0)
    loss().backward()  # left over from something else
    optimizer = SGD([a, b], lr=0.1)
    for _ in range(2):
        training_step(loss(), optimizer)
    assert b.data == pytest.approx(2 - 2 * 0.1 * 5)
    assert (a.grad, b.grad) == (pytest.approx(2 * (1.4 - 3)), 5)


def test_a_training_step_leaves_other_parameters_where_they_are():
    (a, b), loss = parabola(1.0, 2.0)
    unused = Tensor(7.0, requires_grad=True)
    training_step(loss(), SGD([a, unused], lr=0.1))
    assert (b.data, unused.data) == (2, 7)
    assert unused.grad is None


def test_a_training_step_uses_the_graph_up():
    (a, b), loss = parabola(1.0, 2.0)
    spent = loss()
    training_step(spent, SGD([a, b], lr=0.1))
    with pytest.raises(GraphFreedError):
        training_step(spent, SGD([a, b], lr=0.1))


def test_a_training_step_needs_a_single_number_and_moves_nothing_without():
    a = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(BackwardError, match="one entry, such as a loss"):
        training_step(a * a, SGD([a], lr=0.1))
    assert a.data.tolist() == [1, 2]


def test_full_batch_descent_matches_backpropagation_written_out(data):
    model = model_for("ReLU-Bias")
    w0, b0, w1, b1 = (value.astype(float) for value in model.state_dict().values())
    x, y, lr = data.x_train.astype(float), data.y_train, 0.05
    losses = []
    for _ in range(8):
        z = x @ w0.T + b0
        h = np.maximum(z, 0)
        logits = h @ w1.T + b1
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        losses.append(-np.log(p[np.arange(40), y]).mean())
        d = (p - np.eye(3)[y]) / 40
        dz = (d @ w1) * (z > 0)
        w0, b0, w1, b1 = w0 - lr * dz.T @ x, b0 - lr * dz.sum(0), w1 - lr * d.T @ h, b1 - lr * d.sum(0)

    curve = train(model, SGD(model.parameters(), lr), data, epochs=8)

    measured = {m.epoch: m.train_loss for m in curve if m.epoch < 8}
    assert {0, 1, 2} < measured.keys()
    for epoch, loss in measured.items():
        assert loss == pytest.approx(losses[epoch], rel=1e-5)
    for ours, reference in zip(model.state_dict().values(), (w0, b0, w1, b1), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-6)


def test_the_last_measurement_is_of_the_trained_model(data):
    model = model_for("Abs2")
    final = train(model, SGD(model.parameters(), 0.01), data, epochs=5)[-1]
    state = model.state_dict()
    hidden = np.abs(data.x_test @ state["linear0.weight"].T + state["linear0.bias"])
    outputs = np.abs(hidden @ state["linear1.weight"].T)
    assert final.epoch == 5
    assert final.test_accuracy == pytest.approx(100 * np.mean(outputs.argmax(axis=1) == data.y_test))


def test_dead_outputs_are_counted_on_the_training_images(data):
    model = model_for("ReLU2")
    state = model.state_dict()
    state["linear1.weight"][:2] = -1  # hidden ReLU activations are not negative, so two outputs are silent for ever
    state["linear1.weight"][2] = 1
    model.load_state_dict(state)
    curve = train(model, SGD(model.parameters(), 1e-6), data, epochs=3)
    assert [m.dead_outputs for m in curve] == [2] * len(curve)


def test_activity_of_hidden_units_and_outputs_is_that_of_the_forward_pass(data):
    model = model_for("ReLU2")
    state = model.state_dict()
    state["linear0.weight"][:3], state["linear0.bias"][:3] = 0, -1  # three hidden units never fire
    model.load_state_dict(state)
    (first, *_) = train(model, SGD(model.parameters(), 1e-6), data, epochs=1)
    hidden = np.maximum(data.x_train @ state["linear0.weight"].T + state["linear0.bias"], 0)
    outputs = np.maximum(hidden @ state["linear1.weight"].T, 0)
    assert first.dead_hidden == 3 + np.count_nonzero((hidden[:, 3:] == 0).all(axis=0))
    np.testing.assert_allclose(first.output_activity, (outputs > 1e-6).mean(axis=0))
    assert first.silent_images == (outputs <= 1e-6).all(axis=1).mean()


@pytest.mark.parametrize(("name", "sign"), [("Abs-L2", 1), ("ReLU-L2-Neg", -1), ("Abs2", None)])
def test_of_offset_l2_accuracy_is_measured_with_exchanged_prototypes_too(data, name, sign):
    model = model_for(name)
    *_, last = train(model, SGD(model.parameters(), 0.1), data, epochs=300)
    if sign is None:
        assert last.exchanged_accuracy is None
        return
    state = model.state_dict()
    hidden = data.x_test @ state["linear0.weight"].T + state["linear0.bias"]
    hidden = np.abs(hidden) if name.startswith("Abs") else np.maximum(hidden, 0)
    mu, alpha = state["offset.mu"], state["offset.alpha"]
    correct = {}
    for words, owner in (("own", np.arange(len(mu))), ("exchanged", np.arange(len(mu)) - 1)):
        squares = ((hidden[:, None] - mu[owner]) ** 2 * alpha).sum(axis=2)
        logits = sign * np.sqrt(np.maximum(squares, 1e-12))
        correct[words] = 100 * (logits.argmax(axis=1) == data.y_test).mean()
    assert last.test_accuracy == pytest.approx(correct["own"])
    assert last.exchanged_accuracy == pytest.approx(correct["exchanged"])
    assert correct["own"] != correct["exchanged"]


def test_silent_images_are_told_from_dead_outputs(data):
    """Each image turns one output on and an eleventh none: no output is dead, and yet there is a silent image."""
    model = model_for("ReLU2")
    state = model.state_dict()
    hidden, outputs = state["linear0.weight"].shape[0], state["linear1.weight"].shape[0]
    state["linear0.weight"][:], state["linear0.bias"][:] = 0, 0
    state["linear0.weight"][:outputs, :outputs] = np.eye(outputs)
    state["linear1.weight"][:] = -1.0
    state["linear1.weight"][:, :outputs] = 2 * np.eye(outputs) - 1
    model.load_state_dict(state)
    pixels = np.zeros((outputs + 1, data.x_train.shape[1]), dtype=data.x_train.dtype)
    pixels[:outputs, :outputs] = np.eye(outputs)
    assert hidden >= outputs
    eleven = replace(data, x_train=pixels, y_train=np.arange(outputs + 1) % outputs)
    (first, *_) = train(model, SGD(model.parameters(), 1e-6), eleven, epochs=1)
    assert first.dead_outputs == 0
    assert first.silent_images == pytest.approx(1 / (outputs + 1))


def test_activations_that_overflow_count_as_divergence(data):
    model = model_for("ReLU2")
    state = model.state_dict()
    state["linear1.weight"][:] = -3e38  # so much below 0 that it is minus infinity, which the last ReLU hides
    state["linear0.bias"][:] = 1e3
    model.load_state_dict(state)
    with np.errstate(over="ignore"), pytest.raises(DivergedError, match="after 0 steps the outputs of linear1"):
        train(model, SGD(model.parameters(), 1e-6), data, epochs=1)


def test_a_measurement_survives_json(data):
    model = model_for("Abs2")
    (first, *_) = train(model, SGD(model.parameters(), 1e-6), data, epochs=1)
    assert Measurement.from_json(json.loads(json.dumps(asdict(first)))) == first


def test_progress_is_told_after_every_step(data):
    steps = []
    model = model_for("ReLU")
    train(model, SGD(model.parameters(), 0.01), data, 4, steps.append)
    assert steps == [1, 2, 3, 4]


def test_measurements_are_told_as_they_are_made(data):
    told = []
    model = model_for("ReLU")
    curve = train(model, SGD(model.parameters(), 0.01), data, 4, told.append, told.append)
    assert told == [curve[0], 1, curve[1], 2, curve[2], 3, curve[3], 4, curve[4]]


@pytest.mark.parametrize("start", [0, 1, 5, 9])
@pytest.mark.parametrize(
    "optimizer", [lambda p: SGD(p, 0.01), lambda p: SGD(p, 0.01, momentum=0.9), lambda p: Adam(p, 0.01)]
)
def test_training_goes_on_where_an_earlier_run_stopped(data, optimizer, start):
    def keep_state(epoch):
        if epoch == start:
            kept.append((model.state_dict(), stepper.state_dict()))

    kept = []
    model = model_for("Abs2")
    stepper = optimizer(model.parameters())
    keep_state(0)
    whole = train(model, stepper, data, 9, keep_state)
    resumed = model_for("Abs2", seed=1)
    second = optimizer(resumed.parameters())
    (weights, memory), *_ = kept
    resumed.load_state_dict(weights)
    second.load_state_dict(memory)
    curve = train(resumed, second, data, 9, start=start)
    assert curve == [m for m in whole if m.epoch >= start]
    for ours, theirs in zip(resumed.parameters(), model.parameters(), strict=True):
        assert ours.data.tobytes() == theirs.data.tobytes()


@pytest.mark.parametrize("name", ["ReLU-Bias", "Abs2-Neg", "ReLU-L2"])
def test_a_step_in_chunks_is_the_step_with_all_rows(data, name):
    """In float64, where rounding is far below the tolerance."""
    wide = replace(data, x_train=data.x_train.astype(float), x_test=data.x_test.astype(float))
    states, curves = [], []
    for batching in (Batching(), Batching(chunk_size=7), Batching(chunk_size=1)):
        model = model_for(name)
        for parameter in model.parameters():
            parameter.data = parameter.data.astype(float)
        curves.append(train(model, SGD(model.parameters(), 0.05), wide, epochs=6, batching=batching))
        states.append(model.state_dict())
    for state, curve in zip(states[1:], curves[1:], strict=True):
        for part, whole in zip(state.values(), states[0].values(), strict=True):
            np.testing.assert_allclose(part, whole, rtol=1e-12, atol=1e-14)
        assert [m.train_loss for m in curve] == pytest.approx([m.train_loss for m in curves[0]], rel=1e-12)
        assert [m.output_activity for m in curve] == [m.output_activity for m in curves[0]]


def test_mini_batches_match_stochastic_descent_written_out(data):
    """Softmax regression on fixed features: each step over its own four rows, in the order of the epoch."""
    model = model_for("Abs")
    features = np.abs(data.x_train @ model.state_dict()["linear0.weight"].T + model.state_dict()["linear0.bias"])
    head = model.linear1.weight
    w, lr, batching = head.data.astype(float), 0.05, Batching(batch_size=4, seed=3)
    for epoch in range(2):
        order = np.random.default_rng([3, epoch]).permutation(40)
        for start in range(0, 40, 4):
            rows = order[start : start + 4]
            p = np.exp(features[rows] @ w.T)
            d = p / p.sum(axis=1, keepdims=True) - np.eye(3)[data.y_train[rows]]
            w = w - lr * d.T @ features[rows] / 4
    train(model, SGD([head], lr), data, epochs=2, batching=batching)
    np.testing.assert_allclose(head.data, w, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("start", [1, 3])
def test_training_by_mini_batches_goes_on_to_the_same_bits(data, start):
    def keep_state(epoch):
        if epoch == start:
            kept.append((model.state_dict(), stepper.state_dict()))

    kept, batching = [], Batching(batch_size=16, seed=2)
    model = model_for("ReLU2-Neg")
    stepper = Adam(model.parameters(), 0.01)
    whole = train(model, stepper, data, 5, keep_state, batching=batching)
    resumed = model_for("ReLU2-Neg", seed=1)
    second = Adam(resumed.parameters(), 0.01)
    ((weights, memory),) = kept
    resumed.load_state_dict(weights)
    second.load_state_dict(memory)
    assert train(resumed, second, data, 5, start=start, batching=batching) == [m for m in whole if m.epoch >= start]
    for ours, theirs in zip(resumed.parameters(), model.parameters(), strict=True):
        assert ours.data.tobytes() == theirs.data.tobytes()


def test_measurements_do_not_depend_on_how_rows_are_cut(data):
    whole, cut = (
        train((model := model_for("ReLU2")), SGD(model.parameters(), 1e-9), data, epochs=1, batching=batching)[0]
        for batching in (Batching(), Batching(chunk_size=3))
    )
    assert cut.train_loss == pytest.approx(whole.train_loss, rel=1e-6)
    assert replace(cut, train_loss=whole.train_loss) == whole


def test_a_loss_that_is_not_finite_within_an_epoch_names_the_step(data):
    model = model_for("ReLU")
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match=r"after [1-9] steps; a smaller lr"):
        train(model, SGD(model.parameters(), 1e30), data, epochs=50, batching=Batching(batch_size=4))


@pytest.mark.parametrize("start", [-1, 6])
def test_a_start_outside_the_run_is_refused(data, start):
    model = model_for("ReLU")
    with pytest.raises(ValueError, match=f"5 epochs cannot start after {start}; start is from 0 to 5"):
        train(model, SGD(model.parameters(), 0.01), data, epochs=5, start=start)


def test_a_loss_that_is_not_finite_stops_training_with_the_step_and_a_remedy(data):
    model = model_for("ReLU")
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match=r"after \d+ steps; a smaller lr"):
        train(model, SGD(model.parameters(), 1e30), data, epochs=50)


def test_nan_in_the_data_stops_training_at_once(data):
    data.x_train[3, 1] = np.nan
    model = model_for("Abs-L2")
    with pytest.raises(DivergedError, match="nan after 0 steps"):
        train(model, SGD(model.parameters(), 0.01), data, epochs=5)


def test_at_least_one_epoch(data):
    model = model_for("ReLU")
    with pytest.raises(ValueError, match="at least one epoch, got 0"):
        train(model, SGD(model.parameters(), 0.01), data, epochs=0)


@pytest.mark.parametrize(("input", "lr"), [("raw", 1e-6), ("normalized", 1e-3)])
@pytest.mark.parametrize("name", ["ReLU", "Abs2-Neg", "Abs-L2"])
def test_the_sparse_layout_learns_what_the_dense_one_learns(name, input, lr):
    """At a learning rate at which training is smooth: where it is chaotic, rounding alone sets two runs apart."""
    curves = []
    for layout in ("dense", "sparse"):
        data = load("mnist", input, train_size=500, layout=layout)
        model = build_model(name)
        curves.append(train(model, SGD(model.parameters(), lr), data, epochs=10))
    for dense, sparse in zip(*curves, strict=True):
        assert sparse.train_loss == pytest.approx(dense.train_loss, rel=1e-4)
        assert sparse.test_accuracy == pytest.approx(dense.test_accuracy, abs=0.1)


@pytest.mark.parametrize("epochs", [1, 2, 7, 300, 50_000])
def test_measured_epochs_begin_with_0_and_end_with_the_last(epochs):
    measured = measured_epochs(epochs)
    assert {0, 1, epochs} <= measured <= set(range(epochs + 1))
    assert len(measured) <= 11 + 3 * math.log10(epochs)


def test_a_run_is_measured_at_every_tenth():
    """The reference's curves of 5,000 epochs have a point every 500."""
    assert set(range(0, 5_001, 500)) <= measured_epochs(5_000)
    assert len([epoch for epoch in measured_epochs(5_000) if 1 <= epoch <= 500]) <= 3 * 3 + 1


def test_accuracy_is_in_percent():
    logits = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0], [5.0, 6.0]])
    assert accuracy(logits, np.array([1, 0, 0, 1])) == 75


DIGEST_OF_WEIGHTS = """
import hashlib, sys
from tinydist import build_model, datasets
from tinydist.optim import SGD
from tinydist.training import train
digest = hashlib.sha256()
for layout in ("dense", "sparse"):
    data = datasets.load("mnist", train_size=3001, layout=layout)
    for name in ("ReLU", "Abs2-Neg", "Abs-L2"):
        model = build_model(name)
        train(model, SGD(model.parameters(), 0.001), data, epochs=3)
        for array in model.state_dict().values():
            digest.update(array.tobytes())
print(digest.hexdigest())
"""


def test_same_seed_same_bits_with_one_thread_or_two():
    digests = []
    for threads in ("1", "2", "2"):
        variables = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = os.environ | dict.fromkeys(variables, threads)
        ended = subprocess.run(
            [sys.executable, "-c", DIGEST_OF_WEIGHTS], env=environment, capture_output=True, text=True, check=True
        )
        digests.append(ended.stdout.strip())
    assert len(digests[0]) == hashlib.sha256().digest_size * 2
    assert digests[0] == digests[1] == digests[2]
