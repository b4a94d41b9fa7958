# %% [markdown]
# # 16. A flat side
#
# **Time.** About 15 minutes, without the exercise. **Before it:** lessons 9 and 15.
#
# After this lesson you can read off the curve of an activation whether outputs behind it may get stuck. You will also
# know eight activations well enough to predict which of the paper's models survive with each.
#
# The paper has two activations: ReLU, which is flat on one side, and Abs, which is flat nowhere. ReLU2 fails, Abs2 does
# not. But the two differ in more than that. ReLU is exactly 0 on half of its inputs, Abs hardly ever. ReLU is
# monotonic, Abs is not. Which of these differences matters? Other activations have other combinations of these
# properties.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td
from tinydist.activity import layer_output
from tinydist.analysis.activation_shapes import stuck_units
from tinydist.nn import Activation
from tinydist.training import accuracy

FAST = "TINYDIST_FAST" in os.environ
IMAGES, STEPS, SEEDS = (200, 8, 1) if FAST else (1000, 200, 2)
NAMES = ("ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus", "ELU", "Tanh", "Abs")

# %% [markdown]
# ## The curve and its slope
#
# The gradient rule of an elementwise activation is one product: the gradient from above, times the slope. So what gets
# through an activation depends on its slope. What arrives there depends on the values, too: the loss sees those. The
# slope is easy to get: it is the gradient of the sum of the outputs.


# %%
def curve(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an activation and its slope at each of these points."""
    points = td.Tensor(x, requires_grad=True)
    y = Activation(name)(points)
    y.sum().backward()
    return y.data, points.grad


print(f"{'slope at':10}" + "".join(f"{x:>10}" for x in (-20, -5, -1, 1, 5, 20)))
for name in NAMES:
    _, slope = curve(name, np.array([-20.0, -5, -1, 1, 5, 20]))
    print(f"{name:10}" + "".join(f"{s:10.4f}" for s in slope))

# %% [markdown]
# **Predict first.** Put each of these behind the outputs, where the paper puts ReLU and Abs to force an intensity.
# (Those that can be negative, such as Tanh, force nothing. They show what a curve does to the gradient.) The pixels are
# raw, so pre-activations are in the tens. Whose outputs will get stuck? Write down a group of those that fail.


# %%
def run(name: str, seed: int) -> tuple[float, int]:
    """Train; return test accuracy in percent and the outputs stuck on every image."""
    model = td.build_model(name, seed=seed)
    optimizer = td.optim.SGD(model.parameters(), lr=0.001)
    for _ in range(STEPS):
        loss = model(data.x_train).cross_entropy(data.y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with td.no_grad():
        percent = accuracy(model(data.x_test).data, data.y_test)
    if not name.endswith("2"):
        return percent, 0
    activation = Activation(name.removesuffix("2"))
    pre_activations = layer_output(model, data.x_train, "linear1")
    return percent, int(stuck_units(activation, pre_activations).sum())


data = td.datasets.load("mnist", input="raw", train_size=IMAGES, layout="sparse")
results = {
    name: [run(name, seed) for seed in range(SEEDS)]
    for act in NAMES
    for name in (act, f"{act}2")
}
for act in NAMES:
    plain = "  ".join(f"{percent:5.1f}" for percent, _ in results[act])
    forced = "  ".join(
        f"{percent:5.1f} ({stuck} stuck)" for percent, stuck in results[f"{act}2"]
    )
    print(f"{act:10} plain {plain}    {act + '2':11} {forced}")

# %% [markdown]
# **Notice.** Without the second activation all of them learn, to 75% and more, but for Tanh, which is at half. With it,
# ReLU, GELU, SiLU, Softplus and ELU all fail, with four to nine outputs stuck.
#
# * Being exactly 0 is not the reason: Softplus is positive everywhere, SiLU and GELU dip below 0, ELU goes to -1.
# * Being non-negative is not the reason either. Abs is non-negative and does well; ELU is not and fails.
# * Those five share a *side on which the slope vanishes*: far out, no gradient from above gets through. LeakyReLU keeps
#   a hundredth of the slope there. No output is stuck, yet after 200 steps it is far behind.
# * Tanh is flat on both sides. Yet it loses some ten points at most, from a baseline that is poor to begin with, and no
#   output is stuck. It is bounded: no output can be larger than another by more than 2, so the softmax is never
#   certain, and the loss of a wrong answer never large. That may be why, but nothing here tests it.
#
# These are only eight curves, and it would be easy to find another explanation that fits them all. The study
# `python -m tinydist.reproduce --study activations` runs eleven with all five heads. It tests each property with a
# correction for their number, and says plainly that eleven are too few to settle the question.
#
# Lesson 15 still holds: a flat side is dangerous only if something throws the outputs far onto it.

# %%
figure, all_axes = plt.subplots(4, 2, figsize=(7, 9), layout="constrained", sharex=True)
x = np.linspace(-10, 10, 401)
for axes, act in zip(all_axes.flat, NAMES, strict=True):
    y, slope = curve(act, x)
    axes.fill_between(
        x, -1.5, 10.5, where=np.abs(slope) < 0.005, color="#D55E00", alpha=0.18, lw=0
    )
    axes.plot(x, y, color="#0072B2", label="value")
    axes.plot(x, slope, color="black", ls="--", lw=1.2, label="slope")
    percent = np.mean([result[0] for result in results[f"{act}2"]])
    plain = np.mean([result[0] for result in results[act]])
    axes.set_title(f"{act}: plain {plain:.0f}%, {act}2 {percent:.0f}%", fontsize=9)
    axes.set_ylim(-1.5, 10.5)
    axes.grid(alpha=0.3)
all_axes[0, 0].legend(fontsize=8)
for axes in all_axes[3]:
    axes.set_xlabel("pre-activation")
figure.suptitle(
    "Orange: slope below 0.005. Test accuracy on raw pixels,\n"
    f"{IMAGES:,} images, {STEPS} steps, {SEEDS} seeds",
    fontsize=10,
)
path = Path("results/lessons/16_a_flat_side.png")
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"saved {path}")

# %% [markdown]
# **In three sentences.** With a second activation, ReLU, GELU, SiLU, Softplus and ELU fell to 8 to 25%, with four to
# nine outputs stuck. LeakyReLU, which keeps a hundredth of the slope, had none stuck, but was far behind. Abs lost
# nothing, and Tanh, flat on both sides, ten points at most.
#
# **Exercise.** GELU is x times the share of a normal distribution below x. Write it with its gradient rule:
#
# `python -m tinydist.exercises check gelu`
#
# Then make an activation of your own with a slope that never falls below 0.1. Put it into `tinydist.ops.ACTIVATIONS`
# and its name into `NAMES` at the top of this lesson, and see whether its outputs get stuck.
#
# **Answer.** One such activation is a leaky ReLU whose slope is 0.1 where x is negative. Its value is
# `np.where(x > 0, x, 0.1 * x)`, and its rule gives `np.where(x > 0, g, 0.1 * g)`. No output gets stuck. With it behind
# the outputs as well, the two seeds reach 81.0 and 80.9%, more than without (77.8 and 78.0%). With a slope of 0.3 they
# reach 80.8 and 82.1%. LeakyReLU, with 0.01, has none stuck either, but only 42.9 and 27.7%. So within 200 steps "not
# stuck" is not yet "learns": a tenth of the slope was enough here, a hundredth was not.
