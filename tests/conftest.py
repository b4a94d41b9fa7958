"""What the tests share: Hypothesis settings and the oracles that owe nothing to tinydist."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from autograd import make_vjp
from hypothesis import settings

settings.register_profile("tinydist", deadline=None, derandomize=True)
settings.load_profile("tinydist")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def autograd_gradients() -> Callable[..., list[Any]]:
    """HIPS autograd: the gradients of <cotangent, function(*inputs)>, one per input.

    The function must be written with ``autograd.numpy``.
    """

    def gradients(function: Callable[..., Any], inputs: Any, cotangent: Any) -> list[Any]:
        return [make_vjp(function, position)(*inputs)[0](cotangent) for position in range(len(inputs))]

    return gradients
