# %% [markdown]
# # 14. What kills ReLU2: the task, or the step?
#
# After this lesson you can split the effect of a learning rate into the start and the step it gives a network. You can
# say which of them kills the outputs of ReLU2. You will also know how far the paper's conclusion reaches.
#
# Lesson 8 showed *how* the outputs of ReLU2 die on raw pixels. The paper concludes that networks do not like to learn
# intensities. But there is a second possible cause: pixels up to 255 with a learning rate of 0.001. To separate the
# two, change one and keep the other.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td
from tinydist.activity import dead_units
from tinydist.training import accuracy

FAST = "TINYDIST_FAST" in os.environ
IMAGES, STEPS, SEEDS = (200, 8, 1) if FAST else (1000, 300, 3)

data = td.datasets.load("mnist", input="raw", train_size=IMAGES, layout="sparse")
images, labels = data.x_train, data.y_train
small_images = td.datasets.load("mnist", input="unit", train_size=IMAGES, layout="sparse").x_train

# %% [markdown]
# ## One scale, two effects
#
# Divide all pixels by 255, and two things happen at once. The first layer computes $z = W x + b$, so it *starts* with
# pre-activations 255 times smaller. Its gradient with respect to $W$ is $g x^T$, so with the same learning rate $W$
# *moves* 255 times less. This move is multiplied by the small x again, so a step changes $z$ $255^2 = 65{,}025$ times
# less.
#
# Nothing forces the two to go together. On raw pixels, multiply the initial weights by `start` and the learning rate of
# this one layer by `step`:
#
# | | start | step |
# |---|---|---|
# | raw pixels, as the author's program | 1 | 1 |
# | pixels from 0 to 1 | 1/255 | 1/255² |
# | starts like small pixels, moves like raw ones | 1/255 | 1 |
# | starts like raw pixels, moves like small ones | 1 | 1/255² |
#
# First check that the two effects are exactly these. The second row and a network that is really fed small pixels are
# the same function, before and after a step.


# %%
def build(name: str, seed: int, start: float, step: float, lr: float) -> tuple[td.nn.Sequential, list[td.optim.SGD]]:
    """Build a model and its optimisers: one for the weights of the first layer, one for all else."""
    model = td.build_model(name, seed=seed)
    first = model.linear0.weight
    first.data *= np.float32(start)
    rest = [parameter for parameter in model.parameters() if parameter is not first]
    return model, [td.optim.SGD([first], lr * step), td.optim.SGD(rest, lr)]


def descend(
    model: td.nn.Sequential, optimizers: list[td.optim.SGD], x: td.sparse.SparseMatrix
) -> tuple[np.ndarray, float]:
    """Take one full-batch step, and return the outputs and the loss before it."""
    outputs = model(x)
    loss = outputs.cross_entropy(labels)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return outputs.data, loss.item()


scaled, on_raw = build("ReLU2", 0, 1, 1, 0.1), build("ReLU2", 0, 1 / 255, 1 / 255**2, 0.1)
for step in range(3):
    ours, loss = descend(*scaled, small_images)
    theirs, same = descend(*on_raw, images)
    print(f"step {step}: loss {loss:.5f} and {same:.5f}, outputs differ by at most {np.abs(ours - theirs).max():.1e}")

# %% [markdown]
# ## The four corners
#
# **Predict first.** If ReLU2 fails because it cannot learn an intensity, it fails in all four. If the step kills its
# outputs, it fails where the step is large. What if it is the start?


# %%
def run(name: str, seed: int, start: float, step: float, lr: float = 0.001) -> tuple[float, list[int]]:
    """Train, and return the test accuracy in percent and the dead outputs before each step."""
    model, optimizers = build(name, seed, start, step, lr)
    dead = [int(dead_units(descend(model, optimizers, images)[0]).sum()) for _ in range(STEPS)]
    with td.no_grad():
        return accuracy(model(data.x_test).data, data.y_test), dead


def table(corners: dict[str, tuple[float, float, float]], names: tuple[str, ...]) -> dict[str, list]:
    """Run every model in every corner with every seed, and print the results."""
    results = {}
    print(f"{'':42}{'model':8}test accuracy % (dead outputs), a seed each")
    for corner, (start, step, lr) in corners.items():
        for name in names:
            runs = results[corner, name] = [run(name, seed, start, step, lr) for seed in range(SEEDS)]
            shown = "   ".join(f"{percent:4.1f} ({dead[-1]:2})" for percent, dead in runs)
            print(f"{corner:42}{name:8}{shown}")
    return results


corners = table(
    {
        "raw: large start, large step": (1, 1, 0.001),
        "small start, large step": (1 / 255, 1, 0.001),
        "large start, small step": (1, 1 / 255**2, 0.001),
        "pixels 0 to 1: small start, small step": (1 / 255, 1 / 255**2, 0.001),
    },
    ("ReLU", "ReLU2"),
)

# %% [markdown]
# **Notice.** With raw pixels ReLU2 is dead, and ReLU is not: the paper's failure. In the corner with a small start and
# the *large* step something remarkable happens. Two of three networks lose all their outputs, and the third reaches
# what ReLU reaches, with none dead. So in this corner it is a matter of luck whether a step goes too far. It is not a
# matter of what ReLU2 is able to learn. In the corner of large start and small step outputs may die slowly or not at
# all. Yet ReLU2 learns nothing in so few steps: many of its outputs are off for most images from the beginning.
#
# The last corner looks like a failure, too, but there ReLU fails the same way. With steps this small, 300 of them lead
# nowhere. This is evidence that training was too short, not evidence about intensities. So give small pixels a learning
# rate that fits them.
#
# ## The same start, a fitting step
#
# **Predict first.** Pixels from 0 to 1, ReLU2, and learning rates 10, 100 and 1,000 times the paper's. How many outputs
# will be dead?

# %%
rates = table(
    {f"pixels 0 to 1, learning rate {lr:g}": (1 / 255, 1 / 255**2, lr) for lr in (0.01, 0.1, 1.0)},
    ("ReLU", "ReLU2"),
)

# %% [markdown]
# **Notice.** ReLU2 learns as well as ReLU, with all of its outputs alive. It *can* learn an intensity, without any Neg.
# What the raw pixels measured was the step. At learning rate 0.001 they make it so long that the outputs are thrown
# into the flat side of the ReLU before they have learned anything.
#
# Be as careful with this conclusion as with the paper's. It holds for 1,000 digits, 300 steps and these seeds. It says
# that dead outputs are no *necessity* of intensities. It does not say that the two kinds of output are equally easy to
# learn. With the long step, ReLU2-Neg survives where ReLU2 does not. That asymmetry, which lesson 8 explains, is real.
#
# ## The first steps
#
# When do the outputs die? Follow them from step to step.

# %%
figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
lines = {
    "raw: large start, large step": ("o", "#D55E00"),
    "small start, large step": ("s", "#0072B2"),
    "large start, small step": ("^", "#009E73"),
}
for corner, (marker, color) in lines.items():
    for seed, (_, dead) in enumerate(corners[corner, "ReLU2"]):
        axes.plot(dead[:60], marker=marker, ms=3.5, lw=1, color=color, alpha=0.8, label=corner if seed == 0 else None)
for seed, (_, dead) in enumerate(rates["pixels 0 to 1, learning rate 0.1", "ReLU2"]):
    label = "pixels 0 to 1, learning rate 0.1" if seed == 0 else None
    axes.plot(dead[:60], ls="--", lw=2, color="black", alpha=0.8, label=label)
axes.set_xlabel("step")
axes.set_ylabel("dead outputs of 10")
axes.set_ylim(-0.4, 10.4)
axes.set_title(f"ReLU2: outputs that are off on all of {IMAGES:,} images ({SEEDS} seeds)", fontsize=10)
axes.legend(fontsize=8)
axes.grid(alpha=0.3)
path = Path("results/lessons/14_what_kills_relu2.png")
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"saved {path}")

# %% [markdown]
# With the large step most of the outputs that die are dead within ten steps. In the network that survives, even outputs
# that were dead come back: the hidden layer goes on changing as long as one output lets a gradient through. With the
# fitting step nothing dies, early or late.
#
# `python -m tinydist.reproduce --study dying` does all this on 3,000 digits with five seeds. It varies width and
# initialisation as well, and tests its statements. One of its arms needs neither smaller pixels nor a smaller step. It
# makes the output weights positive at the start, by `np.abs(model.linear1.weight.data)`, and ReLU2 learns on raw pixels
# at the paper's learning rate. All outputs start on the side where they have a gradient, and stay there.
#
# `python -m tinydist.reproduce --study activations` asks the other half of the question. Is it the ReLU, whose flat
# side has no slope, or would any activation do the same? GELU is nearly as flat there, but not quite.
#
# **Exercise.** Write GELU and its gradient rule:
#
# `python -m tinydist.exercises check gelu`
#
# Then replace `build("ReLU2", …)` above by GELU2. Do its outputs die on raw pixels? For good?
