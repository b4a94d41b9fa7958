# %% [markdown]
# # 1. A gradient, by hand and by machine
#
# After this lesson you can explain what `backward()` computes, why a gradient is a slope, and how to tell that one
# is wrong.
#
# The paper's two activations differ in one thing only: what they do to negative numbers. `relu(x)` turns them into
# 0, `abs(x)` turns them round. Take a neuron with one weight `w`, one input and a target, and ask how the loss
# changes when `w` changes a little.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td

PIXEL, TARGET = 2.0, 1.0


def loss(w: td.Tensor, activation: str) -> td.Tensor:
    """Squared error of a neuron with weight w."""
    z = w * PIXEL
    output = z.relu() if activation == "relu" else z.abs()
    return (output - TARGET) ** 2


# %% [markdown]
# **Predict first.** The weight is -1.5, so z = -3. Which way should `w` move to lower the loss with `relu`? And with
# `abs`? Decide before you run the next cell.

# %%
for activation in ("relu", "abs"):
    w = td.Tensor(-1.5, requires_grad=True)
    loss(w, activation).backward()
    step = 1e-6
    slope = (loss(td.Tensor(-1.5 + step), activation) - loss(td.Tensor(-1.5 - step), activation)).item() / (2 * step)
    print(f"{activation:4}  backward says {w.grad + 0:+.4f}, the slope measured with two evaluations is {slope:+.4f}")

# %% [markdown]
# **Notice.** `backward()` multiplied three slopes: 2 (output - target) from the square, the activation's own slope,
# and the pixel. For `abs` that is 2 (3 - 1) · (-1) · 2 = -8: a step against it raises `w` towards 0. For `relu` the
# activation's slope is 0, and so is the product: however wrong the output is, the weight does not learn of it. Keep
# that zero in mind. It is all that happens to ReLU2 in the paper, ten outputs at a time.
#
# The loss as a function of the weight shows both: where `relu` is flat, no gradient can tell the way down.

# %%
weights = np.linspace(-2, 2, 401)
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharex=True, layout="constrained")
for activation, color in (("relu", "#D55E00"), ("abs", "#0072B2")):
    w = td.Tensor(weights, requires_grad=True)
    total = loss(w, activation)
    total.backward(np.ones_like(weights))
    axes[0].plot(weights, total.data, color=color, label=activation, ls="-" if activation == "abs" else "--")
    axes[1].plot(weights, w.grad, color=color, label=activation, ls="-" if activation == "abs" else "--")
axes[0].set_ylabel("loss")
axes[1].set_ylabel("gradient of the loss")
for panel in axes:
    panel.set_xlabel("weight w")
    panel.grid(alpha=0.3)
axes[0].legend()
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "01_a_gradient.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# **The same on a real digit.** A whole network is the same product with more factors. `gradcheck` compares the
# gradients with slopes measured along random directions, here for an `Abs2` network on eight MNIST images.

# %%
data = td.datasets.load("mnist", input="unit")
model = td.build_model("Abs2", hidden=16)
images, labels = data.x_train[:8].astype(float), data.y_train[:8]
first_layer = model.state_dict()["linear0.weight"].T.astype(float)
second_layer = model.state_dict()["linear1.weight"].T.astype(float)


def network_loss(w0: td.Tensor, w1: td.Tensor) -> td.Tensor:
    return (((images @ w0).abs()) @ w1).abs().cross_entropy(labels)


td.gradcheck(network_loss, first_layer, second_layer)
print("the gradients of the network agree with the measured slopes")

# %% [markdown]
# **Exercise.** Write a rule for `x ** 3` that is wrong by one part in a thousand, and read what `gradcheck` says:
#
#     def cube(x):
#         return x**3, (lambda g: 3.003 * g * x**2,)
#
#     td.gradcheck(lambda x: td.apply(cube, x), np.array([0.5, -1.0, 2.0]))
