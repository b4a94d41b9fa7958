# %% [markdown]
# # 11. OffsetL2: a gradient that never dies
#
# **Time.** About 25 minutes, without the exercise. **Before it:** lessons 6, 8 and 9.
#
# After this lesson you can explain what the gradient of a distance looks like, what happens at its one singular point,
# and why that point does not matter in practice. You also know what is left of ten gradients that nearly cancel, and
# what OffsetL2 decides by on raw pixels.
#
# OffsetL2 gives class i the distance of the hidden activations x from a learned prototype mu:
#
# $$d_i = \sqrt{\sum_k \alpha_{ik} (x_k - \mu_{ik})^2}$$
#
# The gradient of a distance with respect to x points straight away from the prototype. For alpha = 1 its length is 1,
# *however far away x is*.

# %%
import os
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td
from tinydist.analysis.ablation import ablate
from tinydist.training import accuracy, training_step

FAST = "TINYDIST_FAST" in os.environ
IMAGES, EPOCHS = (200, 5) if FAST else (1000, 100)


def distance(points: td.Tensor, prototype: tuple[float, float]) -> td.Tensor:
    """Return the distances from one prototype; (points, 2) to (points, 1)."""
    return points.weighted_distance(np.array([prototype]), np.ones((1, 2)))


points = td.Tensor(
    [[5.0, 1.0], [1.1, 1.0], [1.000001, 1.0], [1.0, 1.0]], requires_grad=True
)
distance(points, (1.0, 1.0)).sum().backward()
for point, gradient in zip(points.data, points.grad, strict=True):
    length = np.linalg.norm(gradient)
    print(f"point {point[0]:.6f}, {point[1]:.0f}: ", end="")
    print(f"gradient {gradient}, length {length:.3f}")

# %% [markdown]
# ## The singular point
#
# **Predict first.** At the prototype itself the formula says 0 / 0. What would a rule written straight from the
# formula, (x - mu) / d, give? And what should it give?

# %%


def naive_distance(x: np.ndarray) -> td.ops.Result:
    """Return the distance from the origin; (points, 2) to (points,)."""
    d = np.sqrt((x**2).sum(axis=1))
    return d, (lambda g: g[:, None] * x / d[:, None],)


try:
    with td.trace.check_numbers():
        origin = td.Tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
        td.apply(naive_distance, origin).sum().backward()
except td.errors.NotFiniteError as problem:
    print(textwrap.fill(str(problem).partition(" The op was")[0], 90))

# %% [markdown]
# **Notice.** The rule gives a NaN. A step carries it to the hidden units, and with the second step every weight is NaN.
# (The optimisers of this library refuse such a step.) The library's own rule gives 0 there, the last line of the first
# output. Zero is a fair choice (a subgradient, lesson 5): all directions away from the prototype are equally good.
#
# ## Three kinds of zero
#
# The paper's three output layers differ in *where* they are zero, so in where an image can get stuck:
#
# | output | is zero on | its gradient there |
# |---|---|---|
# | `relu(w·x)` | half of all space | 0: stuck |
# | `abs(w·x)` | a plane through space | 0 on the plane; flipped across it |
# | OffsetL2 | a single point | 0 at the point; any direction around it |
#
# **Predict first.** Take 1,000 digits and the hidden layer of an untrained network. For how many of the 10,000 outputs
# does no gradient come back? And how close does the nearest image come to a prototype?

# %%
data = td.datasets.load("mnist", input="raw", train_size=IMAGES)
images, labels = data.x_train, data.y_train
for name in ("ReLU2", "Abs2", "Abs-L2"):
    # (images, classes), none of them negative
    outputs = td.build_model(name)(td.Tensor(images)).data
    # where the rules of all three give 0
    closed = np.mean(outputs <= np.sqrt(td.nn.OffsetL2.FLOOR))
    print(f"{name:7} closed for {closed:6.1%} of its outputs; ", end="")
    print(f"the smallest output is {outputs.min():.3g}")

# %% [markdown]
# **Notice.** ReLU passes no gradient on for 44% of its outputs. The other two layers pass it on everywhere. And no
# image is anywhere near a prototype: with raw pixels the distances are in the hundreds. In 128 dimensions no image
# falls into the singular point by chance.
#
# ## Never dead, but how large?
#
# Every class sends a gradient of its own to the hidden layer, and they add up. A positive one pulls the image towards a
# prototype, a negative one pushes it away.
#
# **Predict first.** How much of ten such arrows is left in their sum, for raw pixels and for pixels from 0 to 1?

# %%
for pixels, x in (("0 to 255", images), ("0 to 1", images / np.float32(255))):
    trace = td.trace.record_model(td.build_model("Abs-L2"), x, labels)
    mu, alpha = trace["offset.mu"].value, trace["offset.alpha"].value
    distance = trace["offset"].value[:, :, None]  # (images, classes, 1)
    asked = trace["offset"].gradient[:, :, None]
    # (images, classes, hidden)
    arrows = asked * alpha * (trace["act0"].value[:, None] - mu) / distance
    assert np.allclose(arrows.sum(axis=1), trace["act0"].gradient, atol=1e-7)
    added = np.linalg.norm(arrows, axis=2).sum() / IMAGES
    left = np.linalg.norm(arrows.sum(axis=1), axis=1).sum() / IMAGES
    differ = distance.std(axis=1).mean()
    print(
        f"pixels {pixels:9} lengths of the ten arrows {1000 * added:.2f},"
        f" of their sum {1000 * left:.4f};\n{'':17}distances {distance.mean():.1f},"
        f" an image's ten differ by {differ:.2f}"
    )

# %% [markdown]
# **Notice.** With raw pixels a thousandth is left. Seen from an image that is 555 away, all prototypes lie in nearly
# the same direction, and the requests of the classes add up to 0 (lesson 6). So pull and push cancel. With pixels from
# 0 to 1 they are near, the directions differ, and a quarter is left. `python -m tinydist.trace Abs-L2` shows the same
# drop: a gradient that never dies can still be very small, and on raw pixels the hidden layer hardly moves at first.
#
# ## With Neg and without
#
# Abs-L2 must make the right class's distance *large*, Abs-L2-Neg must make it *small*. Yet in the paper they reach
# 97.61 ± 0.07 and 97.56 ± 0.09%.
#
# **Predict first.** Both models start from the same weights. Compare the first gradients of the two: are they
# unrelated, equal, or opposite? Is that so for Abs2 and Abs2-Neg as well? And after training, will Abs-L2-Neg have its
# images close to their prototypes?


# %%
def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b))


print("cosine between the first gradients of the first layer's weights, ", end="")
print("without Neg and with it")
for name in ("Abs-L2", "Abs2", "ReLU2"):
    cells = []
    for x in (images, images / np.float32(255)):
        first = [
            td.trace.record_model(td.build_model(model), x, labels)
            for model in (name, f"{name}-Neg")
        ]
        cells.append(cosine(*(trace["linear0.weight"].gradient for trace in first)))
    print(f"  {name:7} pixels 0 to 255: {cells[0]:+.2f}   0 to 1: {cells[1]:+.2f}")

runs, trained = {}, {}
for name in ("Abs-L2", "Abs-L2-Neg"):
    model = td.build_model(name)
    optimizer = td.optim.SGD(model.parameters(), 0.001)
    for _ in range(EPOCHS):
        training_step(model(td.Tensor(images)).cross_entropy(labels), optimizer)
    distances = np.abs(model(td.Tensor(images)).data)  # (images, classes)
    own = distances[np.arange(len(labels)), labels]
    others = (distances.sum(axis=1) - own) / 9
    correct = accuracy(model(td.Tensor(data.x_test)).data, data.y_test)
    runs[name], trained[name] = (own, others), model
    print(
        f"{name:11} {correct:.1f}% of the test images right;\n"
        f"{'':12}distance from the own prototype {own.mean():.1f},"
        f" from the others {others.mean():.1f};"
        f" own minus others {np.mean(own - others):+.1f}"
    )

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.3), layout="constrained")
for (name, (own, others)), color, hatch in zip(
    runs.items(), ("#D55E00", "#0072B2"), ("", "//"), strict=True
):
    axes[0].hist(own, bins=40, alpha=0.55, color=color, hatch=hatch, label=name)
    axes[1].hist(
        own - others, bins=40, alpha=0.55, color=color, hatch=hatch, label=name
    )
axes[0].set_xlabel("distance from the own prototype")
axes[0].set_xlim(left=0)
axes[1].set_xlabel("own distance minus the mean of the others")
for panel in axes:
    panel.set_ylabel("images")
    panel.grid(alpha=0.3)
    panel.legend()
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "11_offset_l2.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# **Notice.** The first gradients of Abs-L2 are nearly exact opposites. That says little about OffsetL2. With pixels
# from 0 to 1, Abs2 and ReLU2 do it too: their logits are small, the softmax gives every class about a tenth, and only
# the sign differs. But OffsetL2 starts like that on raw pixels as well: the ten distances of an image differ by 0.08 of
# 555.
#
# After training both answer equally well. And *no image is close to any prototype, in either*: the distances are about
# 625 on average, and the own class differs from the others by 2.
#
# ## What does the layer rest on?
#
# If no image is close to a prototype, do the prototypes matter at all? Exchange the trained prototypes between classes,
# and measure. Then do so with the scales alpha instead.
#
# **Predict first.** Which of the two costs more?

# %%
for name, model in trained.items():
    found = {each.change: each for each in ablate(model, data.x_test, data.y_test)}
    for change in ("mu exchanged", "alpha exchanged", "mu = 0"):
        before, after = found[change].before, found[change].after
        print(f"{name:11} {change:15} {before:5.1f}% before, {after:5.1f}% after")

# %% [markdown]
# **Notice.** The prototypes hardly matter: with those of other classes, or all at the origin, the accuracy changes by
# two points at most. All is in the scales. What the layer computes here is a norm of the hidden activations, around the
# origin, weighted for each class. Each weight may grow or shrink, so "large" and "small" are equally easy to reach, and
# the layer does not care about the sign.
#
# So the network does not measure here how close an image is to its prototype. But on pixels up to 1 it is the other way
# round: the hidden activations are less than twice as long as the prototypes then, and exchanged prototypes cost
# everything. `data/results/ablation` has both, on all images after 5,000 epochs.
#
# **In three sentences.** The gradient of a distance keeps its length at any distance, and no image was near the
# singular point. On raw pixels the gradients of the ten classes cancel to a thousandth at first. There the trained
# layer decides by its scales alpha, not by its prototypes, while on pixels up to 1 it is the other way round.
#
# **Exercise.** Work out seven gradients by hand. Then write the op with its three gradient rules, and the layer:
#
#     python -m tinydist.exercises check predict_the_gradient
#     python -m tinydist.exercises check weighted_distance
#     python -m tinydist.exercises check offset_l2
#
# Last, look at the field of gradients around two prototypes next to those of ReLU2 and Abs2: `python -m tinydist.trace
# ReLU2 Abs2 Abs-L2 --figures results/trace` draws it in `gradient_field.png`.
#
# **Answer.** The grey areas of `gradient_field.png` show where no gradient comes back. For ReLU2 that is a whole
# quadrant, where both outputs are off; for Abs2 one point, where both are 0; for OffsetL2 there is none in the picture.
# In the OffsetL2 panel the arrows mostly lead away from the prototype of the right class and towards that of the other
# one, because the larger distance wins. With Neg every arrow turns round. The arrows are longest near the prototype
# that they lead away from. In the ReLU2 panels the grey quadrant stays where it is, with Neg or without.
