"""The overshoot of a step, against NumPy by hand, finite differences, sums over pairs of images, and runs."""

import math

import numpy as np
import pytest

import tinydist as td
from tinydist.analysis.overshoot import (
    descending_overshoots,
    first_order_change,
    fitting_lr,
    measure_overshoot,
    pre_activations,
    safe_lr,
)
from tinydist.errors import DivergedError, ShapeError

LINEAR_HEADS = ["ReLU2", "ReLU2-Neg", "Abs2", "ReLU", "GELU2-Neg", "ELU2", "ReLU2-Neg-Bias"]


@pytest.fixture
def data(rng):
    return rng.normal(size=(30, 6)), rng.integers(0, 4, size=30)


def build(name, seed=1, scale=1.0):
    model = td.build_model(name, in_features=6, hidden=7, classes=4, seed=seed)
    for parameter in model.parameters():
        parameter.data = scale * parameter.data.astype(float)
    return model


def sgd(model, lr):
    return td.optim.SGD(model.parameters(), lr)


def stepped(model, x, y, lr):
    """Return the pre-activations of the outputs after a step, taken for good."""
    optimizer = sgd(model, lr)
    optimizer.zero_grad()
    model(x).cross_entropy(y).backward()
    optimizer.step()
    return pre_activations(model, x)


def by_hand(model, x):
    """Return the pre-activations of a ReLU2 in plain NumPy."""
    first, last = model.linear0, model.linear1
    return np.maximum(x @ first.weight.data.T + first.bias.data, 0) @ last.weight.data.T


def test_pre_activations_are_those_behind_the_last_weights(data):
    x, _ = data
    for name in ("ReLU", "ReLU2", "ReLU2-Neg"):
        np.testing.assert_allclose(pre_activations(build(name), x), by_hand(build(name), x), rtol=1e-12)
    model = build("Abs-L2-Neg")
    np.testing.assert_allclose(pre_activations(model, x), -model(x).data, rtol=1e-12)


def test_the_overshoot_is_a_ratio_of_means_over_the_images(data):
    x, y = data
    model = build("ReLU2")
    before = by_hand(model, x)
    found = measure_overshoot(model, sgd(model, 0.3), x, y)
    after = stepped(model, x, y, 0.3)
    np.testing.assert_allclose(found.ratios, np.abs(after - before).mean(0) / np.abs(before).mean(0), rtol=1e-9)
    np.testing.assert_allclose(found.heights, np.where(before > 0, before, 0).mean(0), rtol=1e-9)
    assert found.kappa == pytest.approx(np.median(found.ratios))


@pytest.mark.parametrize("optimizer", [td.optim.SGD, td.optim.Adam])
@pytest.mark.parametrize("name", ["ReLU2", "Abs-L2"])
def test_the_measured_step_is_taken_back(name, optimizer, data):
    x, y = data
    model = build(name)
    steps = optimizer(model.parameters(), 0.1)
    stepped(model, x, y, 0.1)
    weights, state = model.state_dict(), steps.state_dict()
    gradients = [parameter.grad.copy() for parameter in model.parameters()]
    measure_overshoot(model, steps, x, y)
    with pytest.raises(ShapeError):
        measure_overshoot(model, steps, x, y[:5])
    for now, was in ((model.state_dict(), weights), (steps.state_dict(), state)):
        assert now.keys() == was.keys()
        assert all(np.array_equal(now[key], was[key]) for key in was)
    assert all(np.array_equal(p.grad, was) for p, was in zip(model.parameters(), gradients, strict=True))


@pytest.mark.parametrize("name", LINEAR_HEADS)
def test_the_first_order_change_is_the_limit_of_small_steps(name, data):
    x, y = data
    change = stepped(build(name), x, y, 1e-6) - pre_activations(build(name), x)
    found = first_order_change(build(name), x, y, 0.5)
    np.testing.assert_allclose(found.total, 0.5 * change / 1e-6, rtol=1e-4, atol=1e-6)


def test_both_parts_are_the_sums_over_pairs_of_images(data):
    x, y = data
    lr, model = 0.2, build("ReLU2")
    first, weight = model.linear0, model.linear1.weight.data
    u = x @ first.weight.data.T + first.bias.data
    h, z = np.maximum(u, 0), by_hand(model, x)
    shares = np.exp(np.maximum(z, 0))
    shares /= shares.sum(axis=1, keepdims=True)
    g = (shares - np.eye(4)[y]) * (z > 0)
    delta = (u > 0) * (g @ weight)
    for i in range(0, 30, 7):
        last = -lr / 30 * sum(g[j] * (h[j] @ h[i]) for j in range(30))
        moved = -lr / 30 * sum(delta[j] * (x[j] @ x[i] + 1) for j in range(30))
        found = first_order_change(model, x, y, lr)
        np.testing.assert_allclose(found.last[i], last, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.first[i], weight @ ((u[i] > 0) * moved), rtol=1e-9, atol=1e-12)


def test_sparse_images_give_what_dense_ones_give():
    found = []
    for layout in ("dense", "sparse"):
        images = td.datasets.load("mnist", input="raw", train_size=50, layout=layout)
        model = td.build_model("ReLU2", seed=3)
        x, y = images.x_train, images.y_train
        found.append((measure_overshoot(model, sgd(model, 0.001), x, y).kappa, safe_lr(model, x, y)))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)


@pytest.mark.parametrize("scale", [0.3, 1, 3])
def test_an_output_that_moves_less_than_it_is_high_is_on_for_some_image_afterwards(scale, data):
    x, y = data
    survivors, dead = 0, 0
    for seed in range(20):
        for lr in (0.1, 1, 10, 100):
            model = build("ReLU2", seed, scale)
            cannot_die = measure_overshoot(model, sgd(model, lr), x, y).cannot_die
            on = (stepped(model, x, y, lr) > 0).any(axis=0)
            assert on[cannot_die].all()
            survivors, dead = survivors + cannot_die.sum(), dead + (~on).sum()
    assert survivors > 20  # both happen here
    assert dead > 20


@pytest.mark.parametrize("name", ["ReLU2", "ReLU2-Neg", "ReLU2-Neg-Bias", "ELU2"])
def test_below_the_safe_learning_rate_no_output_goes_off_on_all_images(name, data):
    x, y = data
    died_above = 0
    for seed in range(20):
        lr = safe_lr(build(name, seed, 2), x, y)
        was_on = (pre_activations(build(name, seed, 2), x) > 0).any(axis=0)
        for part in (0.1, 0.5, 0.9, 0.999):
            assert (stepped(build(name, seed, 2), x, y, part * lr) > 0).any(axis=0)[was_on].all()
        died_above += not (stepped(build(name, seed, 2), x, y, 30 * lr) > 0).any(axis=0)[was_on].all()
    assert died_above  # the bound is not idle: some die at a larger one


def test_an_output_must_die_where_one_vector_lowers_it_on_all_images(rng):
    """Two classes, all images of the other one: the output of the first falls on all at once, and dies where told."""
    x, y = np.abs(rng.normal(size=(20, 6))), np.ones(20, dtype=int)
    model = td.build_model("ReLU2", in_features=6, hidden=7, classes=2, seed=0)
    for parameter in model.parameters():
        parameter.data = np.abs(parameter.data).astype(float)
    z, fall = by_hand(model, x), -first_order_change(model, x, y, 1.0).last
    assert (z[:, 0] > 0).all()
    assert (fall[:, 0] > 0).all()
    lethal = (z[:, 0] / fall[:, 0]).max()
    model.linear0.weight.requires_grad = model.linear0.bias.requires_grad = False
    weights = model.state_dict()
    for lr, dies in ((0.99 * lethal, False), (1.01 * lethal, True)):
        model.load_state_dict(weights)
        after = stepped(model, x, y, lr)
        assert (after[:, 0] <= 0).all() == dies
    still = pre_activations(model, x)[:, 0]
    np.testing.assert_array_equal(stepped(model, x, y, 1.0)[:, 0], still)  # and it stays dead


def test_the_fitting_learning_rate_starts_with_the_overshoot_asked_for(data):
    x, y = data
    model = build("ReLU2")
    lr = fitting_lr(model, x, y, kappa=0.001)
    assert measure_overshoot(model, sgd(model, lr), x, y).kappa == pytest.approx(0.001, rel=0.01)
    assert fitting_lr(model, x, y, kappa=0.5) == pytest.approx(500 * lr)


def test_pixels_and_learning_rate_that_make_the_same_network_have_the_same_overshoot(data):
    """Pixels divided by s are the same as first weights divided by s and their learning rate by s²."""
    x, y = data
    scaled, on_raw = build("ReLU2"), build("ReLU2")
    on_raw.linear0.weight.data /= 8
    first, *rest = on_raw.parameters()
    on_raw_steps = td.optim.SGD([first, *rest], 0.3, lr_factors=[1 / 64, *(1.0 for _ in rest)])
    expected = measure_overshoot(scaled, sgd(scaled, 0.3), x / 8, y).kappa
    assert measure_overshoot(on_raw, on_raw_steps, x, y).kappa == pytest.approx(expected, rel=1e-9)


def test_offset_l2_has_an_overshoot_too(data):
    x, y = data
    model = build("ReLU-L2")
    before = pre_activations(model, x)
    found = measure_overshoot(model, sgd(model, 0.1), x, y)
    after = stepped(model, x, y, 0.1)
    np.testing.assert_allclose(found.ratios, np.abs(after - before).mean(0) / before.mean(0), rtol=1e-9)


def test_outputs_that_are_dead_already_do_not_move(data):
    x, y = data
    model = build("ReLU2")
    model.linear1.weight.data[...] = 0
    found = measure_overshoot(model, sgd(model, 0.1), x, y)
    assert found.kappa == 0
    assert not found.cannot_die.any()
    assert safe_lr(model, x, y) == math.inf
    assert fitting_lr(model, x, y) == math.inf


def test_errors_say_what_is_expected(data):
    x, y = data
    linear = build("ReLU2")
    with pytest.raises(ValueError, match="has none"):
        measure_overshoot(td.nn.Sequential(act=td.nn.Activation("ReLU")), sgd(linear, 0.1), x, y)
    with pytest.raises(ValueError, match="measure_overshoot takes any model"):
        first_order_change(build("Abs-L2"), x, y, 0.1)
    with pytest.raises(ValueError, match=r"slope is at most 1 .*, got GELU"):
        safe_lr(build("GELU2"), x, y)
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"positive overshoot, got {wrong}"):
            fitting_lr(linear, x, y, kappa=wrong)
        with pytest.raises(ValueError, match=f"positive learning rate, got {wrong}"):
            first_order_change(linear, x, y, wrong)
    with pytest.raises(ValueError, match="below 4"):
        measure_overshoot(linear, sgd(linear, 0.1), x, y + 1)
    linear.linear1.weight.data[0, 0] = np.nan
    with pytest.raises(DivergedError, match="not finite"):
        measure_overshoot(linear, sgd(linear, 0.1), x, y)


def test_first_steps_tell_a_mistake_from_a_divergence(data):
    x, y = data
    model = build("ReLU2")
    kappas = descending_overshoots(model, sgd(model, 0.1), x, y, 3)
    again = build("ReLU2")
    for kappa in kappas:
        assert measure_overshoot(again, sgd(again, 0.1), x, y).kappa == pytest.approx(kappa)
        stepped(again, x, y, 0.1)
    square = build("Square2", scale=9)
    with np.errstate(all="ignore"):
        assert descending_overshoots(square, sgd(square, 1e9), x, y, 30)[-1] == math.inf
    with pytest.raises(ShapeError):
        descending_overshoots(model, sgd(model, 0.1), x, y[:5], 3)


def test_the_safe_learning_rate_keeps_its_digits_where_an_output_rises():
    """With one image, one hidden unit and an output that the step raises, the bound is a root that is known."""
    model = td.build_model("ReLU2", in_features=1, hidden=1, classes=2, seed=0)
    for parameter, value in zip(model.parameters(), ([[1.0]], [0.0], [[1e-13], [-1.0]]), strict=True):
        parameter.data = np.array(value)
    x, y = np.array([[1.0]]), np.array([0])
    step = stepped  # the gradient: p = 1/2, so g = -1/2 for the output that is on
    change, v = 0.5, 1e-13  # of V by a step of 1, and V; u changes by v / 2 for the weight and as much for the bias
    moved = 2 * v * 0.5
    a, b, z = moved * change, moved * v - change, v
    expected = (math.sqrt(b * b + 4 * a * z) - b) / (2 * a)
    assert safe_lr(model, x, y) == pytest.approx(expected, rel=1e-9)
    assert step(model, x, y, 0.1)[0, 0] > 0
