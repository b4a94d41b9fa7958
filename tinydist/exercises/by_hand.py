"""Gradients of outputs small enough to work them out by hand, as the engine computes them."""

from __future__ import annotations

from tinydist.tensor import Tensor

G = -4.0
"""What arrives at each of the outputs from the loss."""


def gradients_of_tiny_outputs() -> dict[str, float]:
    """Return seven gradients of the loss with respect to numbers inside a ReLU2, an Abs2 and an OffsetL2 output.

    Returns:
        By name, in this order: ``relu2_v``, ``relu2_w``, ``relu2_v_at_the_kink``, ``abs2_v``, ``abs2_w``,
        ``offset_l2_mu``, ``offset_l2_alpha``.
    """
    (relu2_v, relu2_w), (at_the_kink, _), (abs2_v, abs2_w) = (
        _two_layers(*numbers)
        for numbers in (("relu", 1.5, 1, -0.5, 3), ("relu", 1.5, 1, -0.5, 2), ("abs", -2, 1, -2.5, 0.5))
    )
    mu, alpha = (Tensor([row], requires_grad=True, dtype=float) for row in ([1, 2], [1, 7]))
    Tensor([[4.0, 3.0]]).weighted_distance(mu, alpha, floor=1e-12).backward([[G]])
    assert mu.grad is not None
    assert alpha.grad is not None
    return {
        "relu2_v": relu2_v,
        "relu2_w": relu2_w,
        "relu2_v_at_the_kink": at_the_kink,
        "abs2_v": abs2_v,
        "abs2_w": abs2_w,
        "offset_l2_mu": float(mu.grad[0, 1]),
        "offset_l2_alpha": float(alpha.grad[0, 0]),
    }


def _two_layers(activation: str, *numbers: float) -> tuple[float, float]:
    """Return the gradients of v and w in ``act(v act(2 w + b) + c)``; `numbers` are w, b, v and c."""
    w, b, v, c = (Tensor(float(number), requires_grad=True) for number in numbers)
    hidden = getattr(2 * w + b, activation)()
    getattr(v * hidden + c, activation)().backward(G)
    assert v.grad is not None
    assert w.grad is not None
    return float(v.grad), float(w.grad)
