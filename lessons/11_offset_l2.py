# %% [markdown]
# # 11. OffsetL2: a gradient that never dies
#
# After this lesson you can explain what the gradient of a distance looks like and what happens at its one singular
# point. You can explain why that point does not matter in practice, and why OffsetL2 learns equally well with and
# without Neg.
#
# OffsetL2 gives class i the distance of the hidden activations x from a learned prototype mu:
#
# $$d_i = \sqrt{\sum_k \alpha_{ik} (x_k - \mu_{ik})^2}$$
#
# The gradient of a distance with respect to the point is easy to describe. It points straight away from the prototype.
# For alpha = 1 its length is 1, *however far away the point is*.

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
    """Return the distance of every point from one prototype; (points, 2) to (points, 1)."""
    return points.weighted_distance(np.array([prototype]), np.ones((1, 2)))


points = td.Tensor([[5.0, 1.0], [1.1, 1.0], [1.000001, 1.0], [1.0, 1.0]], requires_grad=True)
distance(points, (1.0, 1.0)).sum().backward()
for point, gradient in zip(points.data, points.grad, strict=True):
    print(f"point {point[0]:.6f}, {point[1]:.0f}: gradient {gradient}, length {np.linalg.norm(gradient):.3f}")

# %% [markdown]
# ## The singular point
#
# **Predict first.** At the prototype itself the formula says 0 / 0. What would a rule give that is written straight
# from the formula, (x - mu) / d? And what should it give?

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
    print(textwrap.fill(str(problem).splitlines()[0], 90))

# %% [markdown]
# **Notice.** The rule gives a NaN, and one NaN is enough: after the next step every weight is NaN. This library gives 0
# there (the last line of the first output). Zero is a subgradient: all directions away from the prototype are equally
# good, so none is preferred.
#
# ## Three kinds of zero
#
# The three output layers of the paper differ in *where* they are zero, and so in where an image can get stuck:
#
# | output | is zero on | its gradient there |
# |---|---|---|
# | `relu(w·x)` | half of all space | 0: stuck |
# | `abs(w·x)` | a plane through space | 0 on the plane; turned round across it |
# | OffsetL2 | a single point | 0 at the point; any direction around it |
#
# **Predict first.** Take 1,000 digits and the hidden layer of an untrained network. For how many of the 10,000 outputs
# (one for each image and class) does no gradient come back? And how close does the nearest image come to a prototype?

# %%
data = td.datasets.load("mnist", input="raw", train_size=IMAGES)
images, labels = data.x_train, data.y_train
for name in ("ReLU2", "Abs2", "Abs-L2"):
    outputs = td.build_model(name)(td.Tensor(images)).data  # (images, classes), none of them negative
    closed = np.mean(outputs <= np.sqrt(td.nn.OffsetL2.FLOOR))  # where the rules of all three give 0
    print(f"{name:7} closed for {closed:6.1%} of its outputs; the smallest output is {outputs.min():.3g}")

# %% [markdown]
# **Notice.** ReLU lets no gradient back for about half of its outputs. The other two layers let it back everywhere. And
# no image is anywhere near a prototype: with raw pixels the distances are in the hundreds. The singular point is only a
# theoretical problem: in 128 dimensions no image falls into it by chance.
#
# ## Why the sign does not matter
#
# Abs-L2 must make the right class's distance *large*, Abs-L2-Neg must make it *small*. Yet in the paper they reach
# 97.61 ± 0.07 and 97.56 ± 0.09%.
#
# **Predict first.** Both models start from the same weights. Compare the very first gradients of the two: are they
# unrelated, equal, or opposite? And after training, will Abs-L2-Neg have its images close to their prototypes?


# %%
def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b))


plain, neg = (td.trace.record_model(td.build_model(name), images, labels) for name in ("Abs-L2", "Abs-L2-Neg"))
print("cosine between the first gradients of Abs-L2 and Abs-L2-Neg")
for node in ("offset", "offset.mu", "offset.alpha", "act0", "linear0.weight"):
    print(f"  {node:15} {cosine(plain[node].gradient, neg[node].gradient):+.3f}")

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
        f"{name:11} {correct:.1f}% of the test images right; distance from the own prototype {own.mean():.1f}, "
        f"from the others {others.mean():.1f}; own minus others {np.mean(own - others):+.1f}"
    )

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for (name, (own, others)), color, hatch in zip(runs.items(), ("#D55E00", "#0072B2"), ("", "//"), strict=True):
    axes[0].hist(own, bins=40, alpha=0.55, color=color, hatch=hatch, label=name)
    axes[1].hist(own - others, bins=40, alpha=0.55, color=color, hatch=hatch, label=name)
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
# **Notice.** The first gradients are nearly exact opposites. Where one model is asked to push away, the other is asked
# to pull in, by the same amount. And both can do it. The figure shows the reason: *no image is close to any prototype,
# in either model*. All distances are in the hundreds, and the classes differ by a few units in them.
#
# ## What does the layer rest on?
#
# If no image is close to a prototype, do the prototypes matter at all? Change the trained layers, without training them
# again, and measure. Exchange the prototypes between classes, so that each class has the one of another. Then put the
# prototypes back, and exchange the scales alpha instead.
#
# **Predict first.** Which of the two costs more?

# %%
for name, model in trained.items():
    found = {change.change: change for change in ablate(model, data.x_test, data.y_test)}
    for change in ("mu exchanged", "alpha exchanged", "mu = 0"):
        print(f"{name:11} {change:15} {found[change].before:5.1f}% before, {found[change].after:5.1f}% after")

# %% [markdown]
# **Notice.** The prototypes hardly matter: with those of other classes, or all at the origin, the accuracy changes by
# two points at most. All is in the scales. What the layer computes here is a norm of the hidden activations, around the
# origin, weighted for each class. Each weight may grow or shrink, so "large" and "small" are equally easy to reach, and
# the layer does not care about the sign.
#
# This differs from the statement "the network measures how close an image is to its prototype". But mind the input. On
# pixels up to 1 it is the other way round: the hidden activations are hardly longer than the prototypes then, and
# exchanged prototypes cost everything. `data/results/ablation` has both, on all images after 5,000 epochs.
#
# **Exercise.** Begin with paper and pencil, and work out seven gradients of ReLU2, Abs2 and OffsetL2. Then write the op
# with its three gradient rules, and the layer:
#
#     python -m tinydist.exercises check predict_the_gradient
#     python -m tinydist.exercises check weighted_distance
#     python -m tinydist.exercises check offset_l2
#
# Last, look at the field of gradients around two prototypes next to those of ReLU2 and Abs2: `python -m tinydist.trace
# ReLU2 Abs2 Abs-L2 --figures results/trace` draws it in `gradient_field.png`.
