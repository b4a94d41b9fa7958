"""One step of each model, against finite differences, SciPy and numbers by hand."""

import numpy as np
import pytest
from scipy.special import logsumexp

from tinydist.exercises.step import LR, MODELS, first_digits, gap, in_words, one_step, what_differs
from tinydist.gradcheck import central_difference
from tinydist.recording import no_grad

GRADIENTS, LOSS, CHANGES, DEAD = range(4)


@pytest.fixture(scope="module")
def digits():
    return first_digits()


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: model.name)
def taken(request, digits):
    """A model, a network of it in float64, and what a step computed."""
    network = request.param.build()
    for parameter in network.parameters():
        parameter.data = parameter.data.astype(float)
    return request.param, network, one_step(request.param, *digits)


def test_the_loss_is_the_cross_entropy_of_the_networks_outputs(taken, digits):
    _, network, outcome = taken
    pixels, labels = digits
    with no_grad():
        logits = network(pixels / 255).data
    expected = np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels])
    assert outcome[LOSS]["the loss"] == pytest.approx(expected, rel=1e-12)


def test_gradients_are_the_slopes_of_the_loss_and_none_is_zero(taken, digits):
    model, network, outcome = taken
    pixels, labels = digits
    rng = np.random.default_rng(1)
    for name, parameter in network.named_parameters():
        gradient = outcome[GRADIENTS][f"the gradient of {name}"]
        at, direction = parameter.data, rng.normal(size=parameter.shape)

        def loss(moved, parameter=parameter):
            parameter.data = moved
            with no_grad():
                return model.loss(network(pixels / 255), labels).item()

        slope = central_difference(loss, at, direction, 1e-8)
        parameter.data = at
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-5, abs=1e-6), name
        assert np.count_nonzero(gradient) > gradient.size / 3, name


def test_changes_go_against_the_gradient_and_forget_the_one_left_over(taken):
    _, _, outcome = taken
    for name, gradient in outcome[GRADIENTS].items():
        change = outcome[CHANGES][name.replace("gradient", "change")]
        np.testing.assert_allclose(change, -LR * gradient, rtol=1e-9, atol=1e-15)


def test_one_output_is_dead_in_one_of_the_models(digits):
    dead = {model.name: int(one_step(model, *digits)[DEAD]["the dead outputs"].sum()) for model in MODELS}
    assert dead.pop("ReLU2-Neg") == 1
    assert not any(dead.values())


def test_a_gap_is_a_share_of_the_largest_expected_entry():
    assert gap(np.array([1.0, -4.0]), np.array([1.0, -5.0])) == 0.25
    assert gap(np.array([0.0, 0.0]), np.array([0.0, 0.5])) == 0.5
    assert gap(np.array([True, False]), np.array([False, False])) == 1


@pytest.mark.parametrize("received", [None, np.ones(3), np.ones((2, 1)), np.array([1.0, np.nan])])
def test_what_cannot_be_compared_is_infinitely_far(received):
    assert gap(np.array([1.0, 2.0]), received) == np.inf


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (None, "it is missing."),
        (np.ones(3), "it has shape (3,) instead of (2, 2)."),
        (
            np.array([[1.0, 2.0], [5.0, 4.0]]),
            "it differs, by up to 50 % of its largest entry. The first entry that differs is [1, 0]: "
            "expected 3, received 5.",
        ),
        (
            np.array([[1.0, np.nan], [5.0, 4.0]]),
            "it is not finite everywhere. The first entry that differs is [0, 1]: expected 2, received nan.",
        ),
    ],
)
def test_a_difference_in_words(received, words):
    assert in_words("it", np.array([[1.0, 2.0], [3.0, 4.0]]), received) == words


def test_a_gradient_is_named_before_the_changes_that_follow_from_it():
    def outcome(first=1.0, second=1.0, loss=1.0):
        one = np.array([1.0])
        return {"first": one * first, "second": one * second}, {"the loss": np.array(loss)}, {"change": one * first}

    assert what_differs(outcome(), outcome()) == (0, "")
    assert what_differs(outcome(), outcome(loss=1 + 1e-12))[1] == ""
    largest, words = what_differs(outcome(), outcome(first=1.5, second=3, loss=9))
    assert largest == 8
    assert words.startswith("second differs, by up to 200 %")
    assert words.endswith(" The loss differs as well.")
    assert what_differs(outcome(), outcome(first=1.5))[1].endswith(" The loss is right.")
    assert what_differs(outcome(), outcome(loss=9))[1] == "the loss differs: expected 1, received 9."
