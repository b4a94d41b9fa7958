# %% [markdown]
# # 1. A gradient, by hand and by machine
#
# **Time.** About 10 minutes, without the exercise. **Before it:** lesson 0.
#
# After this lesson you can explain what `backward()` computes and why a gradient is a slope. You can also tell when a
# gradient is wrong.
#
# The paper's two activations differ in one thing only: what they do to negative numbers. `relu(x)` turns them into 0,
# `abs(x)` flips their sign. Take a unit with one weight `w`. Its input is a pixel of 2, its output should be 1, the
# target, and the loss is the square of the error. How does the loss change when `w` changes a little? (A tensor with
# `requires_grad=True` is one whose gradient we want.)

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td

PIXEL, TARGET = 2.0, 1.0


def loss(w: td.Tensor, activation: str) -> td.Tensor:
    """Return the squared error of a neuron with weight w."""
    z = w * PIXEL
    output = z.relu() if activation == "relu" else z.abs()
    return (output - TARGET) ** 2


# %% [markdown]
# **Predict first.** The weight is -1.5, so z = w · 2 = -3. Which way should `w` move to lower the loss with `relu`? And
# with `abs`? Decide before you run the next cell.

# %%
for activation in ("relu", "abs"):
    w = td.Tensor(-1.5, requires_grad=True)
    loss(w, activation).backward()
    step = 1e-6
    above = loss(td.Tensor(-1.5 + step), activation)
    below = loss(td.Tensor(-1.5 - step), activation)
    slope = (above - below).item() / (2 * step)
    print(
        f"{activation:4}  backward says {w.grad + 0:+.4f}, "
        f"the slope measured with two evaluations is {slope:+.4f}"
    )

# %% [markdown]
# **Notice.** `backward()` multiplied three slopes: 2 (output - target) from the square, the slope of the activation,
# and the pixel. For `abs` the product is 2 (3 - 1) · (-1) · 2 = -8. A step against this gradient raises `w` towards 0.
# For `relu` the slope of the activation is 0, and so is the product. However wrong the output is, the weight gets no
# gradient. Keep this zero in mind: ReLU2 fails in the paper because of it, with ten outputs instead of one.
#
# The plot shows the loss and its gradient as functions of the weight. Where `relu` is flat, the gradient is 0 and does
# not say in which direction the loss falls.

# %%
weights = np.linspace(-2, 2, 401)
curves = {}
for activation in ("relu", "abs"):
    w = td.Tensor(weights, requires_grad=True)
    losses = loss(w, activation)
    losses.backward(np.ones_like(weights))
    curves[activation] = losses.data, w.grad

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 3), sharex=True, layout="constrained")
looks = {"relu": ("#D55E00", "--"), "abs": ("#0072B2", "-")}
for activation, (color, style) in looks.items():
    for panel, curve in zip(axes, curves[activation], strict=True):
        panel.plot(weights, curve, style, color=color, label=activation)
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
# **The same on real digits.** The gradient of a whole network is the same kind of product, with more factors.
# `gradcheck` compares the gradients with slopes measured along random directions, and names the entry if one is wrong.
# Here it does so on eight digits, for `Abs2`: the network of lesson 0 with Abs in place of ReLU, and a second Abs
# behind its logits. (`state_dict()` gives the weights by name; `cross_entropy` is the loss, which lesson 6 takes
# apart.)

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
# **In three sentences.** At a weight of -1.5, `backward()` gave a gradient of -8 with `abs` and of 0 with `relu`, as
# the measured slopes did. On the whole flat side of `relu` the gradient is 0, and does not say in which direction the
# loss falls. For `Abs2` on eight digits, the gradients agree with the measured slopes, too.
#
# **Exercise.** A *gradient rule* takes g, the gradient of an operation's result, and returns the gradient of its input:
# g times the slope. An operation returns its value and such a rule. Here is one for `x ** 3` whose gradient is wrong by
# one part in a thousand. Read what `gradcheck` reports:
#
#     def cube(x):
#         return x**3, (lambda g: 3.003 * g * x**2,)
#
#     td.gradcheck(lambda x: td.apply(cube, x), np.array([0.5, -1.0, 2.0]))
#
# **Answer.** `gradcheck` raises a `GradientCheckError`. At index [2], where x is 2, it expected 7.6850718 and received
# 7.69275688. The second is 1.001 times the first: the one part in a thousand. The slope of `x ** 3` at 2 is 12, and the
# two numbers differ from it because `gradcheck` gives each entry of the result a random weight.
