"""Optimisers against the published update rules, written out again here."""

import numpy as np
import pytest

from tinydist import Tensor
from tinydist.errors import BackwardError, DivergedError, ShapeError, StateDictError
from tinydist.nn import Linear
from tinydist.optim import SGD, Adam, AdamW, Optimizer, clip_gradients

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


def adamw(lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """The algorithm in the documentation of torch.optim.AdamW, line by line."""
    beta1, beta2 = betas
    p, m, v, visited = list(START), [0, 0], [0, 0], []
    for t in range(1, STEPS + 1):
        g = gradients_at(t - 1)
        p = [pi - lr * weight_decay * pi for pi in p]
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
        (AdamW, adamw, {}),
        (AdamW, adamw, {"lr": 0.1, "weight_decay": 0.3, "betas": (0.5, 0.8)}),
    ],
)
def test_steps_follow_the_published_rule(optimizer, reference, settings):
    for received, wanted in zip(trajectory(optimizer, **settings), reference(**settings), strict=True):
        for position in range(len(START)):
            np.testing.assert_allclose(received[position], wanted[position], rtol=1e-12)


@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW])
def test_each_parameter_moves_at_its_own_rate(optimizer):
    together = trajectory(optimizer, lr=0.1, weight_decay=0.3, lr_factors=[0.5, 2])
    slow, fast = (trajectory(optimizer, lr=lr, weight_decay=0.3) for lr in (0.05, 0.2))
    for received, (first, _), (_, second) in zip(together, slow, fast, strict=True):
        np.testing.assert_array_equal(received[0], first)
        np.testing.assert_array_equal(received[1], second)


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


def leaf(data=(1.0, 2.0)):
    return Tensor(data, requires_grad=True)


LAYER = Linear(2, 2, rng=np.random.default_rng(0))

every_optimizer = pytest.mark.parametrize(
    "make", [lambda p: SGD(p, lr=0.1), lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p), lambda p: AdamW(p)]
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
def test_a_parameter_of_no_entries_holds_nothing_up(make):
    empty, moved = Tensor(np.zeros((0, 3)), requires_grad=True), Tensor([1.0], requires_grad=True)
    empty.grad, moved.grad = np.zeros((0, 3)), np.ones(1)
    make([empty, moved]).step()
    assert empty.shape == (0, 3)
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
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ([], ValueError, "an optimiser needs at least one parameter, got none"),
        ([leaf(), Tensor([1.0])], ValueError, "parameter 1, of shape .* has requires_grad=False"),
        ([leaf(), leaf() * 2], ValueError, "parameter 1, of shape .* was computed by 'mul'"),
        ([Tensor([1])], ValueError, "parameter 0 holds int64"),
        ([leaf(np.broadcast_to(1.0, 3))], ValueError, "parameter 0, of shape .* are read-only"),
        (leaf(), TypeError, r"an optimiser takes a list of parameters, got a single Tensor; write \[tensor\]"),
        (LAYER, TypeError, r"an optimiser takes a list .* got a Linear; those of a module are module\.parameters\(\)"),
        (list(LAYER.named_parameters()), TypeError, r"parameter 0 is a tuple.*model\.parameters\(\)"),
        (LAYER.state_dict(), TypeError, "parameter 0 is a str"),
        ([np.ones(3)], TypeError, "parameter 0 is a ndarray"),
    ],
)
def test_what_cannot_be_optimised_is_refused_with_its_position(optimizer, parameters, error, message):
    with pytest.raises(error, match=message):
        optimizer(parameters, lr=0.1)


def test_an_iterator_that_was_used_up_is_no_list_of_parameters():
    parameters = iter([leaf()])
    SGD(parameters, lr=0.1)
    with pytest.raises(ValueError, match="an iterator gives its parameters only once"):
        SGD(parameters, lr=0.1)


@pytest.mark.parametrize(
    ("optimizer", "settings", "message"),
    [
        (SGD, {"lr": 0}, "lr > 0 .* got lr=0,"),
        (SGD, {"lr": -1}, "got lr=-1,"),
        (SGD, {"lr": float("nan")}, "lr must be finite, got lr=nan"),
        (SGD, {"lr": float("inf")}, "lr must be finite, got lr=inf"),
        (Adam, {"betas": (0.9,)}, r"need two betas.* got betas=\(0.9,\)"),
        (Adam, {"betas": 0.9}, "need two betas.* got betas=0.9"),
        (SGD, {"lr": 1, "lr_factors": [float("inf")]}, r"lr_factors\[0\] must be finite"),
        (SGD, {"lr": 1, "lr_factors": [0]}, r"need a positive lr_factor for each of 1 parameters, got \[0\]"),
        (Adam, {"lr_factors": [1, 2]}, r"need a positive lr_factor for each of 1 parameters, got \[1, 2\]"),
        (AdamW, {"lr_factors": []}, r"need a positive lr_factor for each of 1 parameters, got \[\]"),
        (AdamW, {"weight_decay": float("nan")}, "weight_decay must be finite"),
        (SGD, {"lr": 1, "weight_decay": -1}, "weight_decay >= 0, got lr=1, weight_decay=-1"),
        (SGD, {"lr": 1, "momentum": 1}, "0 <= momentum < 1, got 1"),
        (SGD, {"lr": 1, "momentum": -0.1}, "0 <= momentum < 1, got -0.1"),
        (Adam, {"lr": 0}, "got lr=0,"),
        (Adam, {"betas": (1, 0.9)}, r"0 <= beta < 1 .* got betas=\(1, 0.9\)"),
        (Adam, {"betas": (0.9, -0.1)}, r"got betas=\(0.9, -0.1\)"),
        (Adam, {"eps": 0}, "eps > 0, .* eps=0"),
        (Adam, {"eps": float("inf")}, "eps must be finite, got eps=inf"),
        (Adam, {"betas": (0.9, float("nan"))}, r"betas\[1\] must be finite, got betas\[1\]=nan"),
    ],
)
def test_settings_out_of_range_are_refused(optimizer, settings, message):
    with pytest.raises(ValueError, match=message):
        optimizer([Tensor([1.0], requires_grad=True)], **settings)


def test_the_base_class_takes_no_step():
    with pytest.raises(NotImplementedError, match=r"Optimizer does not define step\(\)"):
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


@pytest.mark.parametrize("done", [0, 4])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_second_optimiser_goes_on_from_the_state_of_the_first(name, done):
    first, whole = (OPTIMIZERS[name]([Tensor(start.copy(), requires_grad=True) for start in START]) for _ in range(2))
    steps_of(first, range(done))
    second = OPTIMIZERS[name]([Tensor(parameter.data.copy(), requires_grad=True) for parameter in first.parameters])
    second.load_state_dict(first.state_dict())
    steps_of(first, [5])  # must not reach the second: the state is a copy
    steps_of(second, range(done, STEPS))
    steps_of(whole, range(STEPS))
    for resumed, straight in zip(second.parameters, whole.parameters, strict=True):
        assert resumed.data.tobytes() == straight.data.tobytes()


def test_only_an_optimiser_with_a_memory_has_a_state():
    parameter = Tensor([1.0, 2.0], requires_grad=True)
    assert SGD([parameter], lr=1).state_dict() == {}
    assert set(SGD([parameter], lr=1, momentum=0.5).state_dict()) == {"velocity0"}
    assert set(Adam([parameter]).state_dict()) == {"steps", "mean0", "square0"}
    with pytest.raises(StateDictError, match=r"'velocity0' is unknown .* The optimiser's arrays are none"):
        SGD([parameter], lr=1).load_state_dict({"velocity0": [0, 0]})


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


@pytest.mark.parametrize(
    ("optimizer", "settings", "message"),
    [
        (SGD, {"lr": "0.1"}, "lr must be a number, got '0.1'"),
        (SGD, {"lr": None}, "lr must be a number, got None"),
        (SGD, {"lr": 0.1, "weight_decay": "0"}, "weight_decay must be a number, got '0'"),
        (SGD, {"lr": 0.1, "momentum": "0"}, "momentum must be a number, got '0'"),
        (SGD, {"lr": 0.1, "lr_factors": ["1"]}, r"lr_factors\[0\] must be a number, got '1'"),
        (Adam, {"eps": None}, "eps must be a number, got None"),
        (Adam, {"betas": "ab"}, r"betas\[0\] must be a number, got 'a'"),
    ],
)
def test_a_setting_that_is_no_number_is_refused(optimizer, settings, message):
    with pytest.raises(TypeError, match=message):
        optimizer([leaf()], **settings)


# --- gradients that cannot be followed -----------------------------------------------------------------------------


@every_optimizer
def test_a_step_without_any_gradient_asks_for_backward(make):
    with pytest.raises(BackwardError, match=r"no parameter has a gradient; call backward\(\)"):
        make([leaf(), leaf()]).step()


@every_optimizer
@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        ([np.nan, 1], DivergedError, "gradient of parameter 1, of shape .* is not finite"),
        ([1, -np.inf], DivergedError, "gradient of parameter 1, of shape .* is not finite"),
        ([1], ShapeError, r"gradient of parameter 1 has shape \(1,\), expected \(2,\)"),
    ],
)
def test_a_gradient_that_cannot_be_followed_moves_nothing(make, gradient, error, message):
    first, second = leaf(np.ones(2)), leaf(np.ones(2))
    optimizer = make([first, second])
    before = optimizer.state_dict()
    first.grad, second.grad = np.ones(2), np.array(gradient, dtype=float)
    with pytest.raises(error, match=message):
        optimizer.step()
    assert first.data.tolist() == second.data.tolist() == [1, 1]
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("optimizer", [Adam, AdamW])
def test_adam_refuses_a_gradient_whose_square_overflows(optimizer):
    x = Tensor(np.ones(2, dtype=np.float32), requires_grad=True)
    steps = optimizer([leaf(), x])
    x.grad = np.array([1, 1e30], dtype=np.float32)
    with pytest.raises(DivergedError, match=r"parameter 1, .* up to 1e\+30 in size, and its square is beyond float32"):
        steps.step()
    x.grad = np.array([1, 1e18], dtype=np.float32)
    steps.step()
    np.testing.assert_allclose(x.data, 0.999, rtol=1e-4)


def test_large_gradients_whose_squares_fit_together_only_singly_are_followed():
    x = Tensor(np.ones(100, dtype=np.float32), requires_grad=True)
    x.grad = np.full(100, 1.5e19, dtype=np.float32)  # the sum of the squares is beyond float32, each is within
    Adam([x], lr=0.1).step()
    np.testing.assert_allclose(x.data, 0.9, rtol=1e-6)
    x.grad = np.full(100, 1e30, dtype=np.float32)
    SGD([x], lr=1e-30).step()
    np.testing.assert_allclose(x.data, -0.1, rtol=1e-5)


@every_optimizer
def test_a_parameter_that_was_frozen_later_stays(make):
    frozen, moved = leaf(np.ones(2)), leaf(np.ones(2))
    optimizer = make([frozen, moved])
    frozen.grad, moved.grad, frozen.requires_grad = np.array([np.nan, 1]), np.ones(2), False
    optimizer.step()
    assert frozen.data.tolist() == [1, 1]
    assert (moved.data < 1).all()


@every_optimizer
def test_a_rate_may_become_0_but_not_negative(make):
    x = leaf(np.ones(2))
    optimizer = make([x])
    x.grad, optimizer.lr = np.ones(2), 0
    optimizer.step()
    optimizer.lr = -0.1
    with pytest.raises(ValueError, match="need lr >= 0 in a step, got lr="):
        optimizer.step()
    assert x.data.tolist() == [1, 1]


# --- states --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("steps", [np.nan], "numbers that int64 cannot hold"),
        ("steps", [1.5], "numbers that int64 cannot hold"),
        ("steps", [-1], "numbers below 0"),
        ("square0", [1.0, -1.0], "numbers below 0"),
        ("square0", [1.0, np.nan], "numbers that are not finite"),
        ("mean0", [1j, 1.0], "dtype complex128"),
        ("mean0", ["a", "b"], "dtype <U1"),
    ],
)
def test_a_state_with_impossible_numbers_is_refused_whole(name, value, problem):
    optimizer = Adam([leaf()])
    state = {"steps": [3], "mean0": [1.0, 2.0], "square0": [1.0, 2.0], name: value}
    with pytest.raises(StateDictError, match=f"'{name}' has {problem}"):
        optimizer.load_state_dict(state)
    assert all((array == 0).all() for array in optimizer.state_dict().values())


@pytest.mark.parametrize("state", [None, [], "state.npz"])
def test_a_state_is_a_mapping(state):
    with pytest.raises(TypeError, match=rf"expected a state as state_dict\(\) .* got a {type(state).__name__}"):
        Adam([leaf()]).load_state_dict(state)


# --- clipping ------------------------------------------------------------------------------------------------------


def with_gradients(*gradients):
    parameters = [Tensor(np.zeros_like(gradient), requires_grad=True) for gradient in map(np.asarray, gradients)]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = np.asarray(gradient)
    return parameters


def test_clipping_scales_all_gradients_to_one_common_norm():
    a, b = with_gradients([3.0, 0.0], 4.0)
    assert clip_gradients([a, b], 1) == pytest.approx(5)
    np.testing.assert_allclose(a.grad, [0.6, 0])
    np.testing.assert_allclose(b.grad, 0.8)
    assert clip_gradients([a, b], 2) == pytest.approx(1)
    np.testing.assert_allclose(b.grad, 0.8)


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e30), (np.float64, 1e200), (np.float64, 1e-200)])
def test_the_norm_neither_overflows_nor_vanishes(dtype, size):
    (a,) = with_gradients(np.array([3 * size, 4 * size], dtype))
    assert clip_gradients([a], size) == pytest.approx(5 * size, rel=1e-6)
    assert a.grad.dtype == dtype
    np.testing.assert_allclose(a.grad, [0.6 * size, 0.8 * size], rtol=1e-6)


def test_gradients_of_zero_and_missing_ones_are_left_alone():
    a, b = with_gradients([0.0, 0.0], [1.0])
    b.grad = None
    assert clip_gradients([a, b], 1) == 0
    assert a.grad.tolist() == [0, 0]


def test_a_parameter_of_no_entries_adds_nothing_to_the_norm():
    empty, a = with_gradients(np.zeros((0, 3)), [3.0, 4.0])
    assert clip_gradients([empty, a], 1) == pytest.approx(5)
    np.testing.assert_allclose(a.grad, [0.6, 0.8])


def test_whatever_has_a_gradient_is_clipped_once():
    a, frozen, locked = with_gradients([3.0, 0.0], 4.0, 0.0)
    frozen.requires_grad = False
    locked.data.flags.writeable = False
    assert clip_gradients([a, frozen, a, locked], 1) == pytest.approx(5)
    np.testing.assert_allclose(a.grad, [0.6, 0])
    np.testing.assert_allclose(frozen.grad, 0.8)


@pytest.mark.parametrize("max_norm", ["1", None, [1]])
def test_a_norm_to_clip_to_is_a_number(max_norm):
    with pytest.raises(TypeError, match="max_norm must be a number, got"):
        clip_gradients(with_gradients([1.0]), max_norm)


@pytest.mark.parametrize("max_norm", [0, -1, float("nan")])
def test_a_norm_to_clip_to_is_above_0(max_norm):
    with pytest.raises(ValueError, match="need max_norm > 0, got"):
        clip_gradients(with_gradients([1.0]), max_norm)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        (leaf(), TypeError, r"clip_gradients takes a list of parameters, got a single Tensor; write \[tensor\]"),
        (LAYER, TypeError, "clip_gradients takes a list .* got a Linear; those of a module are"),
        (
            iter(LAYER.parameters()[:0]),
            ValueError,
            "clip_gradients needs at least one parameter, got none; an iterator gives",
        ),
        ([leaf(), np.ones(3)], TypeError, "parameter 1 is a ndarray"),
        ([leaf(), leaf()], BackwardError, "no parameter has a gradient"),
    ],
)
def test_what_cannot_be_clipped_is_refused_with_its_position(parameters, error, message):
    with pytest.raises(error, match=message):
        clip_gradients(parameters, 1)


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        ([np.nan, 1.0], DivergedError, "the gradient of parameter 1, of shape .* is not finite"),
        ([1.0], ShapeError, r"the gradient of parameter 1 has shape \(1,\), expected \(2,\)"),
    ],
)
def test_gradients_that_cannot_be_followed_are_not_clipped_either(gradient, error, message):
    first, second = with_gradients([3.0, 4.0], [0.0, 0.0])
    second.grad = np.array(gradient)
    with pytest.raises(error, match=message):
        clip_gradients([first, second], 1)
    assert first.grad.tolist() == [3, 4]
