# %% [markdown]
# # 5. Kinks
#
# **Time.** About 25 minutes, without the exercise. **Before it:** lessons 1 and 2.
#
# After this lesson you can explain what a gradient means where no derivative exists, and why a library has to write its
# choice down. You also know what ReLU and Abs do to gradients on the two sides of 0.
#
# `relu` and `abs` are straight on both sides of 0 and have a kink at 0. A line through the kink that stays below the
# graph touches it like a tangent. The slope of such a line is called a **subgradient**. At 0, `relu` has every
# subgradient from 0 to 1 and `abs` every one from -1 to 1. A gradient rule has to return one of them.
#
# **Predict first.** Which one would you choose for each? What is there to choose for `sqrt`, and for `maximum(x, 0)`?

# %%
import os
import textwrap
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td
from tinydist.training import training_step

EPOCHS = 20 if "TINYDIST_FAST" in os.environ else 100

FUNCTIONS = {
    "relu(x)": td.Tensor.relu,
    "abs(x)": td.Tensor.abs,
    "sqrt(x)": td.Tensor.sqrt,
    "maximum(x, 0)": lambda x: x.maximum(0.0),
    "relu(x) - relu(-x)": lambda x: x.relu() - (-x).relu(),
}


def slope_between(function, start: float, end: float) -> float:
    rise = function(td.Tensor(end)).item() - function(td.Tensor(start)).item()
    return rise / (end - start)


print("at x = 0              from the left  from the right  backward says")
for name, function in FUNCTIONS.items():
    x = td.Tensor(0.0, requires_grad=True)
    function(x).backward()
    with np.errstate(invalid="ignore"):  # there is no root of a negative number
        left = slope_between(function, -1e-8, 0.0)
        right = slope_between(function, 0.0, 1e-8)
    print(f"{name:20}  {left:13.1f}  {right:14.1f}  {x.grad:13.1f}")

# %% [markdown]
# **Notice.** `relu`, `abs` and `sqrt` get a gradient of 0. `maximum` gives one half of the gradient to each of two tied
# inputs. So `relu(x)` and `maximum(x, 0)`, one function written in two ways, have two gradients at 0. The last row is
# worse: `relu(x) - relu(-x)` is x, with slope 1, but backward says 0. No other choice would be right for all functions.
# The last row needs one half. The function `relu(x) - relu(relu(x))`, which is always 0, needs 0 or 1. So a library has
# to document its choice where users look, and test it.
#
# `sqrt` has no subgradient at 0: its slope from the right grows without limit as the step shrinks. Infinity would be a
# bad value, because the next factor in the chain may be 0. In a distance this factor is 0.
#
# **Predict first.** What is the gradient of the distance of a digit from a prototype that equals it?

# %%
data = td.datasets.load("mnist", input="raw", train_size=1000)
images, labels = data.x_train, data.y_train  # (1000, 784), (1000,)


def sqrt_without_a_choice(x: np.ndarray) -> tuple:
    return np.sqrt(x), (lambda g: 0.5 * g / np.sqrt(x),)


roots = {
    "sqrt, 0 at 0": td.Tensor.sqrt,
    "without a choice": partial(td.apply, sqrt_without_a_choice),
}
for name, root in roots.items():
    prototype = td.Tensor(images[0], requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        root(((images[0] - prototype) ** 2).sum()).backward()
    count = np.isnan(prototype.grad).sum()
    print(f"{name:16}  {count:3} of 784 gradients are not a number")

# %% [markdown]
# **Notice.** Infinity times 0 is not a number, and one step would turn every pixel of the prototype into NaN. With a
# gradient of 0, a prototype that equals its digit does not move.
#
# ## How often does it happen?
#
# An `Abs` and a `ReLU` network start from the same first layer and train on 1000 digits for 100 steps, with the paper's
# raw pixels and learning rate. (This is a short run with one seed. The paper takes 60,000 digits, 5,000 steps and 20
# seeds.)
#
# **Predict first.** How many of the 128,000 pre-activations of the 128 hidden units are exactly 0? How many are
# negative, before and after training? And how many pairs of neighbouring pixels tie, where a maximum of the two would
# have its kink?


# %%
def at_the_hidden_layer(model: td.nn.Sequential) -> tuple[np.ndarray, ...]:
    """Return the pre-activations and the gradients behind and before the activation.

    Each has the shape (1000, 128).
    """
    before = td.Tensor(model.linear0(td.Tensor(images)).data, requires_grad=True)
    # a new leaf, so that its gradient is kept
    behind = td.Tensor(model.act0(before).data, requires_grad=True)
    model.linear1(behind).cross_entropy(labels).backward()
    model.act0(before).backward(behind.grad)
    return before.data, behind.grad, before.grad


snapshots = {}
for name in ("ReLU", "Abs"):
    model = td.build_model(name, seed=0)
    snapshots[name, "initial"] = at_the_hidden_layer(model)
    optimizer = td.optim.SGD(model.parameters(), lr=0.001)
    for _ in range(EPOCHS):
        training_step(model(td.Tensor(images)).cross_entropy(labels), optimizer)
    snapshots[name, "trained"] = at_the_hidden_layer(model)

print("               exactly 0  negative %")
for (name, when), (z, _, _) in snapshots.items():
    zeros, negative = np.count_nonzero(z == 0), 100 * np.mean(z < 0)
    print(f"{name:4}  {when}  {zeros:9}  {negative:10.1f}")
pixels = images.reshape(-1, 28, 28)
ties = pixels[:, :, :-1] == pixels[:, :, 1:]
print(f"neighbouring pixels that tie: {100 * np.mean(ties):.0f}%")

# %% [markdown]
# **Notice.** Practically no pre-activation is exactly at the kink, so for these activations the choice at 0 hardly
# matters. (Pixels do tie, most of the time.) The *negative side* matters: about half of all pre-activations start
# there. With Abs about half of them stay negative: |z| = |-z|, so Abs has no reason to prefer a side. With ReLU most
# pre-activations end on the negative side.
#
# ## What the negative side does to a gradient
#
# **Predict first.** Of all |g| that arrives at the activations, which share does ReLU cut? Which does Abs flip,
# or lose?

# %%
print("                  cut %       flipped %  passed on as it is %")
shares = {}
for key, (_, arriving, leaving) in snapshots.items():
    size = np.abs(arriving, dtype=float)
    kinds = (leaving == 0, leaving == -arriving, leaving == arriving)
    shares[key] = [100 * size[kind].sum() / size.sum() for kind in kinds]
    print("{:4}  {}  {:10.1f}  {:14.1f}  {:20.1f}".format(*key, *shares[key]))

for function in (td.Tensor.relu, td.Tensor.abs):
    z = snapshots["ReLU", "initial"][0][:4, :32].astype(float)
    td.gradcheck(function, z, step=1e-4)
    z[0, 0] = 0.0
    try:
        td.gradcheck(function, z, step=1e-4)
        at_0 = "also at 0"
    except td.errors.GradientCheckError as caught:
        at_0 = f"but not at 0: {caught}"
    verdict = f"{function.__name__} agrees with finite differences, {at_0}"
    print(textwrap.fill(verdict, 88))

# %% [markdown]
# **Notice.** Abs flips the sign and loses nothing: every gradient is passed on with its full size. ReLU cuts
# about half of the gradient at the start and most of it at the end. A unit learns only from images on which it is
# already active. ReLU2 dies because of this cut (lesson 9). Abs2 cannot die, because Abs only turns the sign.
#
# At 0 itself, central differences give the mean of the slopes from left and right. For `abs` the mean is 0, which
# happens to be the choice. For `relu` it is one half of the gradient that arrives, which is not the choice. Keep
# gradient checks away from kinks.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.2), layout="constrained")
for slope in np.linspace(-1, 1, 9):
    axes[0].plot([-1, 1], [-slope, slope], color="#56B4E9", lw=0.8)
axes[0].plot([-1, 0, 1], [1, 0, 1], color="#0072B2", lw=2.5)
axes[0].set(xlabel="x", ylabel="abs(x)", title="subgradients of abs at 0")

names, start = [" ".join(key) for key in shares], np.zeros(len(shares))
looks = {
    "cut": {"color": "#D55E00", "hatch": "//"},
    "flipped": {"color": "#56B4E9", "hatch": ".."},
    "passed on": {"color": "#009E73"},
}
parts = np.transpose(list(shares.values()))
for (label, look), part in zip(looks.items(), parts, strict=True):
    axes[1].barh(names, part, left=start, label=label, edgecolor="white", **look)
    start = start + part
axes[1].invert_yaxis()
axes[1].set(xlabel="share of the arriving |gradient|, %")
axes[1].legend(fontsize="small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "05_kinks.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# **In three sentences.** At 0, `relu(x)` and `maximum(x, 0)`, the same function, got the gradients 0 and 0.5, and
# `relu(x) - relu(-x)` got 0 though its slope is 1. No pre-activation was exactly 0, but about half were negative at the
# start. There ReLU cut 48% of the gradient before training and 85% after it, and Abs cut nothing.
#
# **Exercise.** Write the four ops, with their choices at the kink:
#
#     python -m tinydist.exercises check relu
#     python -m tinydist.exercises check abs
#     python -m tinydist.exercises check maximum
#     python -m tinydist.exercises check sqrt
#
# Then add `"relu(x) - relu(relu(x))"` to `FUNCTIONS`, and write `relu` with a half at 0, as a rule for `td.apply`.
# Which of the last two rows does it make right, and which wrong?
#
# **Answer.** It makes `relu(x) - relu(-x)` right: both terms pass on one half, and 0.5 + 0.5 = 1. It makes
# `relu(x) - relu(relu(x))` wrong. The inner `relu` of the second term passes on one half of one half, so backward says
# 0.5 - 0.25 = 0.25 in place of 0. With the choice 0, backward says 0 for both, which is right for the second only.
