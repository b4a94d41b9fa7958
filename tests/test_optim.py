"""Optimisers against the published update rules, written out again here."""

import numpy as np
import pytest

from tinydist import Tensor
from tinydist.errors import StateDictError
from tinydist.optim import SGD, Adam, Optimizer

STEPS = 7
START = (np.array([[1.0, -2.0], [0.5, 3.0]]), np.array(0.25))


def gradients_at(step):
    rng = np.random.default_rng(step)
    return [rng.normal(size=start.shape) for start in START]


def trajectory(optimizer, **settings):
    """The parameters after each step of the optimiser on the given gradients."""
    parameters = [Tensor(start.copy(), requires_grad=True) for start in START]
    optimizer = optimizer(parameters, **settings)
    visited = []
    for step in range(STEPS):
        for parameter, gradient in zip(parameters, gradients_at(step), strict=True):
            parameter.grad = np.asarray(gradient)
        optimizer.step()
        visited.append([parameter.data.copy() for parameter in parameters])
    return visited


def sgd(lr, momentum=0.0, weight_decay=0.0):
    """Sutskever et al. 2013 without Nesterov's term, the learning rate outside the velocity."""
    p, v, visited = list(START), [0, 0], []
    for step in range(STEPS):
        g = [gi + weight_decay * pi for gi, pi in zip(gradients_at(step), p, strict=True)]
        v = [momentum * vi + gi for vi, gi in zip(v, g, strict=True)]
        p = [pi - lr * vi for pi, vi in zip(p, v, strict=True)]
        visited.append(p)
    return visited


def adam(lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """arXiv 1412.6980, algorithm 1, line by line."""
    beta1, beta2 = betas
    p, m, v, visited = list(START), [0, 0], [0, 0], []
    for t in range(1, STEPS + 1):
        g = [gi + weight_decay * pi for gi, pi in zip(gradients_at(t - 1), p, strict=True)]
        m = [beta1 * mi + (1 - beta1) * gi for mi, gi in zip(m, g, strict=True)]
        v = [beta2 * vi + (1 - beta2) * gi**2 for vi, gi in zip(v, g, strict=True)]
        m_hat = [mi / (1 - beta1**t) for mi in m]
        v_hat = [vi / (1 - beta2**t) for vi in v]
        p = [pi - lr * mi / (np.sqrt(vi) + eps) for pi, mi, vi in zip(p, m_hat, v_hat, strict=True)]
        visited.append(p)
    return visited


@pytest.mark.parametrize(
    ("optimizer", "reference", "settings"),
    [
        (SGD, sgd, {"lr": 0.1}),
        (SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
        (SGD, sgd, {"lr": 0.1, "weight_decay": 0.3}),
        (SGD, sgd, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.3}),
        (Adam, adam, {}),
        (Adam, adam, {"lr": 0.1, "betas": (0.5, 0.8), "eps": 0.1}),
        (Adam, adam, {"lr": 0.1, "betas": (0.0, 0.0)}),
        (Adam, adam, {"lr": 0.1, "weight_decay": 0.3}),
    ],
)
def test_steps_follow_the_published_rule(optimizer, reference, settings):
    for received, wanted in zip(trajectory(optimizer, **settings), reference(**settings), strict=True):
        for position in range(len(START)):
            np.testing.assert_allclose(received[position], wanted[position], rtol=1e-12)


def test_sgd_shrinks_a_parabola_geometrically():
    x = Tensor(8.0, requires_grad=True)
    optimizer = SGD([x], lr=0.25)
    for _ in range(3):
        optimizer.zero_grad()
        (x * x).backward()
        optimizer.step()
    assert x.item() == 1  # each step multiplies by 1 - 2 lr


def test_momentum_approaches_its_terminal_velocity():
    x = Tensor(0.0, requires_grad=True)
    optimizer = SGD([x], lr=1, momentum=0.5)
    for _ in range(60):
        x.grad, before = np.array(1.0), x.item()
        optimizer.step()
    assert before - x.item() == pytest.approx(1 / (1 - 0.5))


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_adam_moves_by_lr_whatever_the_scale_of_a_steady_gradient(scale):
    x = Tensor([0.0, 0.0], requires_grad=True)
    optimizer = Adam([x], lr=0.01)
    for _ in range(5):
        x.grad = np.array([scale, -scale])
        optimizer.step()
    np.testing.assert_allclose(x.data, [-0.05, 0.05], rtol=1e-4)


every_optimizer = pytest.mark.parametrize(
    "make", [lambda p: SGD(p, lr=0.1), lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p)]
)


@every_optimizer
def test_float32_is_updated_in_place(make):
    data = np.ones(3, dtype=np.float32)
    x = Tensor(data, requires_grad=True)
    optimizer = make([x])
    for _ in range(2):
        x.grad = np.ones(3, dtype=np.float32)
        optimizer.step()
    assert x.data is data
    assert (data < 1).all()


@every_optimizer
def test_a_parameter_without_gradient_stays(make):
    still, moved = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = make([still, moved])
    moved.grad = np.ones(1)
    optimizer.step()
    assert still.item() == 1
    assert moved.item() < 1


@every_optimizer
def test_gradients_are_not_changed_by_a_step(make):
    x = Tensor([1.0], requires_grad=True)
    x.grad = np.ones(1)
    optimizer = make([x])
    optimizer.step()
    optimizer.step()
    assert x.grad.tolist() == [1]


def test_zero_grad_forgets_all_gradients():
    parameters = [Tensor([1.0], requires_grad=True) for _ in range(2)]
    for parameter in parameters:
        parameter.grad = np.ones(1)
    SGD(parameters, lr=0.1).zero_grad()
    assert [parameter.grad for parameter in parameters] == [None, None]


def test_parameters_may_come_from_a_generator():
    x = Tensor([1.0], requires_grad=True)
    x.grad = np.ones(1)
    SGD((p for p in [x]), lr=0.5).step()
    assert x.item() == 0.5


@pytest.mark.parametrize("optimizer", [SGD, Adam])
@pytest.mark.parametrize("parameters", [[], [Tensor([1.0])]])
def test_something_to_optimise_is_needed(optimizer, parameters):
    with pytest.raises(ValueError, match="needs at least one parameter, and each must have requires_grad=True"):
        optimizer(parameters, lr=0.1)


@pytest.mark.parametrize(
    ("optimizer", "settings", "message"),
    [
        (SGD, {"lr": 0}, "lr > 0 .* got lr=0,"),
        (SGD, {"lr": -1}, "got lr=-1,"),
        (SGD, {"lr": float("nan")}, "got lr=nan,"),
        (SGD, {"lr": 1, "weight_decay": -1}, "weight_decay >= 0, got lr=1, weight_decay=-1"),
        (SGD, {"lr": 1, "momentum": 1}, "0 <= momentum < 1, got 1"),
        (SGD, {"lr": 1, "momentum": -0.1}, "0 <= momentum < 1, got -0.1"),
        (Adam, {"lr": 0}, "got lr=0,"),
        (Adam, {"betas": (1, 0.9)}, r"0 <= beta < 1 .* got betas=\(1, 0.9\)"),
        (Adam, {"betas": (0.9, -0.1)}, r"got betas=\(0.9, -0.1\)"),
        (Adam, {"eps": 0}, "eps > 0, .* eps=0"),
    ],
)
def test_settings_out_of_range_are_refused(optimizer, settings, message):
    with pytest.raises(ValueError, match=message):
        optimizer([Tensor([1.0], requires_grad=True)], **settings)


def test_the_base_class_takes_no_step():
    with pytest.raises(NotImplementedError):
        Optimizer([Tensor([1.0], requires_grad=True)], lr=1, weight_decay=0).step()


def test_a_parameter_given_twice_is_refused():
    parameter = Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="twice"):
        SGD([parameter, parameter], lr=0.1)


def test_adam_corrects_each_parameter_by_its_own_number_of_steps():
    early, late = (Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = Adam([early, late], lr=0.1)
    for step in range(3):
        early.grad = np.array([2.0])
        late.grad = np.array([2.0]) if step == 2 else None
        optimizer.step()
    np.testing.assert_allclose(late.data, [0.9], rtol=1e-6)  # the first Adam step is lr, whatever the gradient


def steps_of(optimizer, steps):
    for step in steps:
        for parameter, gradient in zip(optimizer.parameters, gradients_at(step), strict=True):
            parameter.grad = np.asarray(gradient)
        optimizer.step()


OPTIMIZERS = {
    "SGD": lambda p: SGD(p, lr=0.1),
    "momentum": lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "Adam": lambda p: Adam(p, lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_second_optimiser_goes_on_from_the_state_of_the_first(name):
    first, whole = (OPTIMIZERS[name]([Tensor(start.copy(), requires_grad=True) for start in START]) for _ in range(2))
    steps_of(first, range(4))
    second = OPTIMIZERS[name]([Tensor(parameter.data.copy(), requires_grad=True) for parameter in first.parameters])
    second.load_state_dict(first.state_dict())
    steps_of(first, [5])  # must not reach the second: the state is a copy
    steps_of(second, range(4, STEPS))
    steps_of(whole, range(STEPS))
    for resumed, straight in zip(second.parameters, whole.parameters, strict=True):
        assert resumed.data.tobytes() == straight.data.tobytes()


def test_only_an_optimiser_with_a_memory_has_a_state():
    parameter = Tensor([1.0, 2.0], requires_grad=True)
    assert SGD([parameter], lr=1).state_dict() == {}
    assert set(SGD([parameter], lr=1, momentum=0.5).state_dict()) == {"velocity0"}
    assert set(Adam([parameter]).state_dict()) == {"steps", "mean0", "square0"}


def test_a_state_that_does_not_fit_is_refused_whole():
    optimizer = Adam([Tensor([1.0, 2.0], requires_grad=True)])
    state = {"steps": np.array([9]), "mean0": np.ones(3), "velocity0": np.ones(2)}
    with pytest.raises(StateDictError) as caught:
        optimizer.load_state_dict(state)
    for problem in (
        "'square0' is missing",
        "'velocity0' is unknown to this optimiser",
        "The optimiser's arrays are steps, mean0, square0",
        r"'mean0' has shape (3,), the optimiser needs (2,)",
    ):
        assert problem in str(caught.value)
    assert optimizer.state_dict()["steps"] == [0]
