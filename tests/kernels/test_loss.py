import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from tinydist import kernels
from tinydist.kernels import loss

KERNELS = [loss.softmax_cross_entropy_numba, loss.softmax_cross_entropy_numpy]
every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)


def batch_of(batch, classes, scale, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=(batch, classes))).astype(dtype), rng.integers(0, classes, batch)


@every_kernel
@given(
    batch=st.sampled_from([1, 2, 63, 64, 65, 300]),
    classes=st.integers(1, 12),
    scale=st.sampled_from([0.1, 1, 30, 3000]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_loss_and_gradient_are_those_of_scipy(kernel, batch, classes, scale, dtype):
    logits, labels = batch_of(batch, classes, scale, dtype)
    value, gradient = kernel(logits, labels)
    exact = logits.astype(np.float64)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(
        value, -log_softmax(exact, axis=1)[np.arange(batch), labels].mean(), rtol=50 * eps, atol=50 * eps
    )
    wanted = (softmax(exact, axis=1) - np.eye(classes)[labels]) / batch
    np.testing.assert_allclose(gradient, wanted, rtol=0, atol=(10 + scale) * eps / batch)
    assert (value.dtype, gradient.dtype) == (dtype, dtype)


@every_kernel
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_nan_and_infinity_reach_the_loss(kernel, bad, column):
    logits, labels = batch_of(70, 3, 1, np.float32)
    logits[5, column] = bad
    with np.errstate(invalid="ignore"):
        assert np.isnan(kernel(logits, labels)[0])


@every_kernel
def test_probabilities_next_to_nothing_count_as_nothing(kernel):
    logits = np.array([[0, -69.5, -95, -200]], dtype=np.float32)
    _, gradient = kernel(logits, np.array([0]))
    assert gradient[0, 1] == 0
    assert kernel(logits + np.float32([0, 5, 0, 0]), np.array([0]))[1][0, 1] > 0


def test_same_bits_with_one_thread_or_two(at_threads):
    logits, labels = batch_of(5000, 10, 5, np.float32)
    (loss_one, one), (loss_two, two) = at_threads(kernels.softmax_cross_entropy, logits, labels)
    assert loss_one == loss_two
    np.testing.assert_array_equal(one, two)


def test_the_losses_of_a_large_batch_are_added_up_in_float64():
    logits = np.zeros((100_000, 10), dtype=np.float32)
    received = loss.softmax_cross_entropy_numba(logits, np.zeros(100_000, dtype=int))[0]
    np.testing.assert_allclose(received, np.log(10), rtol=1e-6)


@pytest.mark.parametrize(("rows", "by"), [(kernels.LARGE_LOSS // 8 - 1, "numpy"), (kernels.LARGE_LOSS // 8, "numba")])
def test_numba_computes_the_loss_from_large_loss_on(rows, by, monkeypatch):
    for name in ("numpy", "numba"):
        monkeypatch.setattr(loss, f"softmax_cross_entropy_{name}", lambda *_, name=name: name)
    assert kernels.softmax_cross_entropy(np.zeros((rows, 8), np.float32), np.zeros(rows, int)) == by
