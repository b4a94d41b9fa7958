# %% [markdown]
# # 15. What kills ReLU2: the task, or the step?
#
# **Time.** About 20 minutes, without the exercise. **Before it:** lesson 9.
#
# After this lesson you can split the scale of an input into the start and the step it gives a network. From one
# gradient you can say how far the first step goes, and which outputs it may switch off.
#
# Lesson 9 showed *how* the outputs of ReLU2 die on raw pixels. The paper concludes that networks do not like to learn
# intensities. But there is a second possible cause: pixels up to 255 with a learning rate of 0.001.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td
from tinydist.activity import dead_units, silent_rows
from tinydist.analysis.overshoot import THRESHOLD, measure_overshoot
from tinydist.training import accuracy, training_step

FAST = "TINYDIST_FAST" in os.environ
IMAGES, STEPS, SEEDS = (200, 8, 1) if FAST else (1000, 300, 3)

data = td.datasets.load("mnist", input="raw", train_size=IMAGES, layout="sparse")
images, labels = data.x_train, data.y_train
small_images = td.datasets.load(
    "mnist", input="unit", train_size=IMAGES, layout="sparse"
).x_train

# %% [markdown]
# ## One scale, two effects
#
# Divide all pixels by 255, and two things happen at once. The first layer computes $z = W x + b$, so it *starts* with
# products $W x$ that are 255 times smaller. Its gradient with respect to $W$ is $g x^T$, so with the same learning rate
# $W$ *moves* 255 times less. This move is multiplied by the small x again, so a step changes $z$ $255^2 = 65{,}025$
# times less. For the second layer the input is the hidden layer, which is 255 times smaller as well: the same two
# effects.
#
# To separate the two, multiply the initial weights of the first layer by `start`, on raw pixels. Then choose a learning
# rate for each layer, so that a step moves both `step` times as far as on raw pixels: `step` times the usual one in the
# first layer, and `step / start²` times in the second, because its input is now `start` times as large.
#
# | | start | step |
# |---|---|---|
# | raw pixels, as the author's program | 1 | 1 |
# | pixels from 0 to 1 | 1/255 | 1/255² |
# | starts like small pixels, moves like raw ones | 1/255 | 1 |
# | starts like raw pixels, moves like small ones | 1 | 1/255² |
#
# First check that the second row and a network fed small pixels are the same function, before and after a step.


# %%
def build(
    name: str, seed: int, start: float, step: float, lr: float
) -> tuple[td.nn.Sequential, td.optim.SGD]:
    """Build a model, and its optimiser with a learning rate for each layer."""
    model = td.build_model(name, seed=seed)
    model.linear0.weight.data *= np.float32(start)
    factors = {"linear0.weight": step, "linear1.weight": step / start**2}
    names, parameters = zip(*model.named_parameters(), strict=True)
    return model, td.optim.SGD(
        parameters, lr, lr_factors=[factors.get(name, 1.0) for name in names]
    )


def descend(
    model: td.nn.Sequential, optimizer: td.optim.SGD, x: td.sparse.SparseMatrix
) -> tuple[np.ndarray, float]:
    """Take one full-batch step, and return the outputs and the loss before it."""
    outputs = model(x)
    loss = outputs.cross_entropy(labels)
    value = loss.item()
    training_step(loss, optimizer)
    return outputs.data, value


scaled = build("ReLU2", 0, 1, 1, 0.1)
on_raw = build("ReLU2", 0, 1 / 255, 1 / 255**2, 0.1)
for step in range(3):
    ours, loss = descend(*scaled, small_images)
    theirs, same = descend(*on_raw, images)
    print(
        f"step {step}: loss {loss:.5f} and {same:.5f},",
        f"outputs differ by at most {np.abs(ours - theirs).max():.1e}",
    )

# %% [markdown]
# ## What one step does
#
# An output of ReLU2 is dead when its pre-activation z is below 0 on every image. Before the first step most outputs
# are on for some images, so a step has to move z far to switch one off everywhere: as far as z is from 0.
# The *overshoot* of an output is the mean $|\Delta z|$ of a step over the mean $|z|$ before it, and κ is its median
# over the outputs. A first pilot put the edge at 0.7. κ takes one gradient, and the step is taken back:
# nothing is trained yet.

# %%
networks = {
    "raw: large start, large step": (1, 1, 0.001),
    "small start, large step": (1 / 255, 1, 0.001),
    "large start, a tenth of the step": (1, 1 / 10, 0.001),
    "large start, small step": (1, 1 / 255**2, 0.001),
    "pixels 0 to 1, learning rate 0.1": (1 / 255, 1 / 255**2, 0.1),
    "pixels 0 to 1, learning rate 1": (1 / 255, 1 / 255**2, 1.0),
}
print(f"{'':34}overshoot of ReLU2's first step, a seed each")
for words, (start, step, lr) in networks.items():
    kappas = [
        measure_overshoot(*build("ReLU2", seed, start, step, lr), images, labels).kappa
        for seed in range(SEEDS)
    ]
    shown = "".join(f"{kappa:9.2g}" for kappa in kappas)
    side = "above" if np.median(kappas) > THRESHOLD else "below"
    print(f"{words:34}{shown}   {side} {THRESHOLD}")

# %% [markdown]
# **Predict first.** Which of the six lose outputs? Will every network whose outputs stay alive learn? And if ReLU2
# fails because it cannot learn an intensity, what do you expect of the six?


# %%
def run(
    name: str, seed: int, start: float, step: float, lr: float
) -> tuple[float, list[int], float]:
    """Return test accuracy in %, dead outputs step by step, silent images in %."""
    model, optimizer = build(name, seed, start, step, lr)
    dead = []
    for _ in range(STEPS):
        outputs, _loss = descend(model, optimizer, images)
        dead.append(int(dead_units(outputs).sum()))
    with td.no_grad():
        return (
            accuracy(model(data.x_test).data, data.y_test),
            dead,
            100 * float(silent_rows(outputs).mean()),
        )


results = {}
print(
    "a seed each: test accuracy %; dead outputs at the end (most ever);",
    "silent images %",
)
for words, settings in networks.items():
    for name in ("ReLU", "ReLU2"):
        runs = results[words, name] = [
            run(name, seed, *settings) for seed in range(SEEDS)
        ]
        shown = "   ".join(
            f"{percent:4.1f} {dead[-1]:2} ({max(dead):2}) {silent:3.0f}"
            for percent, dead, silent in runs
        )
        print(f"{words:34}{name:7}{shown}")

# %% [markdown]
# **Notice.** One by one, with ReLU beside each:
#
# * **Raw pixels**, κ near 1: most outputs of ReLU2 are dead, and ReLU learns. This is the paper's failure.
# * **Small start, large step**, κ in the hundreds: every output dies, and ReLU falls to guessing with it, as its
#   hidden units die. This step is too long for any network, so it says nothing about intensities.
# * **Large start, small step**: no output dies, and ReLU2 ends where ReLU does, to a tenth of a point: at guessing.
#   Training was too short.
# * **Pixels from 0 to 1 at 0.1**: ReLU2 learns as well as ReLU, with all of its outputs alive. It *can* learn an
#   intensity, without any Neg.
# * **The same at 1**: κ is above the threshold, and in two networks three outputs did die on the way. They came back. κ
#   is about the *first* step only.
# * **Large start, a tenth of the step**: κ is small, and no output ever dies. Yet ReLU2 is at 24 to 28%, where ReLU is
#   above 70%. For two thirds of the images *all ten* outputs are off. Each output is on for
#   some image, so none is dead. But a silent image gives no gradient at all, so it cannot be learned from.
#
# **Dead outputs and silent images are two different failures.** A dead output is silent on all images. A silent image
# has no output that is on.
#
# ## What comes back
#
# How can a dead output come back? Its own weights get no gradient. But its input, the hidden layer, goes on changing
# as long as another output lets a gradient through.

# %%
figure, axes = plt.subplots(figsize=(7.4, 4.2), layout="constrained")
lines = {
    "raw: large start, large step": ("o", "#D55E00"),
    "small start, large step": ("s", "#0072B2"),
    "large start, a tenth of the step": ("^", "#009E73"),
    "pixels 0 to 1, learning rate 1": ("D", "#000000"),
}
for words, (marker, color) in lines.items():
    for seed, (_, dead, _) in enumerate(results[words, "ReLU2"]):
        axes.plot(
            dead,
            marker=marker,
            ms=3,
            lw=1,
            color=color,
            alpha=0.7,
            label=words if seed == 0 else None,
        )
axes.set_xscale("symlog", linthresh=1)
axes.set_xlabel("step")
axes.set_ylabel("dead outputs of 10")
axes.set_ylim(-0.4, 10.4)
axes.set_title(
    f"ReLU2: outputs that are off on all of {IMAGES:,} images ({SEEDS} seeds)",
    fontsize=10,
)
axes.legend(fontsize=8)
axes.grid(alpha=0.3)
path = Path("results/lessons/15_what_kills_relu2.png")
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"saved {path}")

# %% [markdown]
# Where all ten are dead, no gradient is left, and nothing comes back.
#
# How good is κ as a prediction? Here it is wrong for one network of six. `--study overshoot` of `python -m
# tinydist.reproduce` asked 380 networks, with predictions that were written down before. None of the six came out: κ
# tells the first step well, and the end badly, because outputs come back and others die late. (A second test, on other
# data, predicted just that, and it came out.)
#
# This holds for 1,000 digits, 300 steps and these seeds. It says that dead outputs are no *necessity* of intensities.
# It does not say that the two kinds of output are equally easy to learn. With the step of raw pixels, ReLU2-Neg
# survives where ReLU2 does not.
#
# `--study dying` varies width and initialisation as well. In one of its arms the output weights are positive at the
# start, and ReLU2 learns on raw pixels at the paper's learning rate.
#
# **In three sentences.** On raw pixels eight or nine outputs of ReLU2 died, while on pixels from 0 to 1 it learned as
# well as ReLU. With a tenth of the step none died, but ReLU2 stayed at 24 to 28%, with most images silent. So
# outputs die by start and step, not by the task alone.
#
# **Exercise.** Write κ yourself:
#
# `python -m tinydist.exercises check kappa`
#
# Then replace `"ReLU2"` in the two loops above by `"GELU2"`. Do its outputs die on raw pixels? For good?
#
# **Answer.** Yes, and none comes back within the 300 steps. In the three networks 5, 7 and 5 outputs are dead. All of
# them die in the first nine steps, and the numbers do not change after that. κ is 1, 0.86 and 1.1, nearly as for ReLU2,
# where 8, 9 and 8 outputs died. With the small start and the large step it is otherwise: up to 6 outputs are dead after
# two or three steps, and none at the end. So a count at one step does not show what lasts. The accuracy is near
# guessing there, too, at 7 to 11%.
