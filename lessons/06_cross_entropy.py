# %% [markdown]
# # 6. Cross-entropy, and what it asks of an output
#
# **Time.** About 25 minutes, without the exercise. **Before it:** lessons 0 and 1.
#
# After this lesson you can explain how softmax cross-entropy pushes each output, and why the push never ends. You can
# explain why large logits make its gradient all or nothing. You also know which pushes remain when an output may not be
# negative.
#
# A network gives one number for each class, the **logits** z. Softmax turns them into probabilities. Cross-entropy
# measures how unlikely the network considers the right class y:
#
# $$p_i = \frac{e^{z_i}}{\sum_j e^{z_j}} \qquad L = -\log p_y = \log \sum_j e^{z_j} - z_y$$
#
# Differentiate the second form. The first term gives p, and the second subtracts 1 at the right class:
#
# $$\frac{\partial L}{\partial z_i} = p_i - [i = y]$$
#
# In words: softmax minus *one-hot*, a row with 1 at the right class and 0 elsewhere. Gradient descent moves against the
# gradient, so this lesson speaks of the **push**, the negative gradient.
#
# **Predict first.** The logits are 2, 1 and -1, the second class is right. Which logit is pushed hardest, and which
# way? What do the three pushes add up to? And what changes if you add 1000 to every logit?

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipy.special

import tinydist as td


def push(logits: td.Tensor, labels: np.ndarray) -> np.ndarray:
    """Return minus the gradient of the mean loss at the logits, (batch, classes)."""
    leaf = td.Tensor(logits.data, requires_grad=True)
    leaf.cross_entropy(labels).backward()
    return -leaf.grad


label = np.array([1])
for added in (0, 1000):
    z = np.array([[2.0, 1.0, -1.0]]) + added
    by_hand = np.eye(3)[label] - scipy.special.softmax(z, axis=1)
    loss = td.Tensor(z).cross_entropy(label).item()
    by_machine = push(td.Tensor(z), label)
    assert np.allclose(by_machine, by_hand)
    total = abs(by_machine.sum())
    push_on_each = by_machine[0].round(4)
    print(f"logits {z[0]}  loss {loss:.4f}  push {push_on_each}  sum {total:.4f}")

# %% [markdown]
# **Notice.** Only the right logit is pushed up. All others are pushed down, the largest of them hardest. The pushes add
# up to 0. Adding a constant to all logits changes nothing: softmax depends only on *differences* of logits. So a single
# logit has no meaning of its own: "large" means "larger than the others". 0 is a logit like any other, unless something
# in the network gives 0 a special role. Remember this when you meet ReLU2.
#
# **Predict first.** Let the right logit lead all others by a margin. At which margin is the loss satisfied, so that the
# push is exactly 0?

# %%
print(
    "margin      loss   push on the right logit   on a wrong one"
    "   (two classes, float32)"
)
for margin in (0, 1, 5, 10, 17, 20, 50):
    z = np.array([[margin, 0]], dtype=np.float32)
    loss = td.Tensor(z).cross_entropy(np.array([0])).item()
    right, wrong = push(td.Tensor(z), np.array([0]))[0]
    print(f"{margin:6}  {loss + 0:8.1e}   {right + 0:23.1e}   {wrong:14.1e}")

# %% [markdown]
# **Notice.** In exact arithmetic there is no such margin: the push is 1 - p, and p never reaches 1. From a margin of a
# few on, each further 1 makes the push smaller by a factor of e, nearly. It always points the same way: right logit up,
# others down, *without end*. This is the meaning of "cross-entropy wants intensity". Only rounding stops the push. In
# float32, p next to 1 rounds to 1 from a margin of about 17. The right logit then gets no push any more, while a push
# of 2e-09 on the wrong logit can still be represented.
#
# ## Do not overflow
#
# **Predict first.** Write the formula as it stands, with float32 logits of 1000, 999 and 0. What comes out?


# %%
def naive_log_softmax(z: np.ndarray) -> np.ndarray:
    return np.log(np.exp(z) / np.exp(z).sum())


def shifted_log_softmax(z: np.ndarray) -> np.ndarray:
    """Subtract the largest logit, which changes no result, and form no quotient."""
    shifted = z - z.max()
    return shifted - np.log(np.exp(shifted).sum())


z = np.array([1000, 999, 0], dtype=np.float32)
with np.errstate(all="ignore"):
    print("as it stands      ", naive_log_softmax(z))
print("shifted by hand   ", shifted_log_softmax(z).round(4))
print("tinydist          ", td.Tensor(z).log_softmax().data.round(4))
print("scipy, in float64 ", scipy.special.log_softmax(z.astype(float)).round(4))

# %% [markdown]
# **Notice.** In float32 already e^89 is infinite, and infinity over infinity is not a number. Subtracting the largest
# logit makes the largest exponent 0. The sum then lies between 1 and the number of classes, and its logarithm is safe.
# Here log p is -1000, although p itself underflows to 0. So compute log p directly, never from a computed p. The
# expression max + log Σ e^(z - max) is called **log-sum-exp**. It is a smooth version of the maximum.
#
# ## Large logits are not exotic
#
# Take the paper's untrained `Abs` network and 3,000 digits, once with pixels from 0 to 1 and once with raw pixels, from
# 0 to 255, as the paper's program has them.
#
# **Predict first.** A network that knows nothing should give every class about 1/10, a loss of ln 10 = 2.30 and pushes
# of about +0.9 and -0.1. Does it, with either input?

# %%
for scale in ("unit", "raw"):
    data = td.datasets.load("mnist", input=scale, train_size=3000)
    rows = np.arange(len(data.y_train))
    logits = td.build_model("Abs", seed=0)(td.Tensor(data.x_train))  # (3000, 10)
    log_p = logits.log_softmax().data
    losses = -log_p[rows, data.y_train]
    p = np.exp(log_p)
    pushes = push(logits, data.y_train) * len(rows)  # of each image's own loss
    all_or_nothing = (np.abs(pushes - pushes.round()) < 0.01).all(axis=1)
    print(f"{scale} pixels")
    print(f"  logits from {logits.data.min():.1f} to {logits.data.max():.1f}")
    print(f"  loss: mean {losses.mean():.2f}, largest {losses.max():.1f}")
    print(f"  median of the largest probability: {np.median(p.max(axis=1)):.3f}")
    zero = 100 * np.mean(p[rows, data.y_train] == 0)
    print(f"  images whose right class has probability exactly 0: {zero:.0f}%")
    extreme = 100 * np.mean(all_or_nothing)
    print(f"  images whose pushes are all -1, 0 or +1 (within 0.01): {extreme:.0f}%")

# %% [markdown]
# **Notice.** With raw pixels the logits lie far apart. The untrained network is certain of most images, and often
# wrong. The losses are 54 on average and above 200 for some images. (The logarithm of a computed p would have given
# infinity for more than one image in ten.) For most images the push is all or nothing: one wrong logit is pushed down
# by a full 1, the right one up by a full 1, and the others get no push. Where the network is right by chance, there is
# no push at all.
#
# ## The paper's experiment, in one picture
#
# Take two classes, of which the first is right. The plane holds the two numbers that the last linear layer gives. Draw
# the push at every point of it. Then put an activation between these numbers and the loss, so that no logit can be
# negative.
#
# **Predict first.** With nothing in between, every arrow points right and down. With `relu`: where has an arrow lost
# one of its components, where both? Can a point to the left of the vertical axis ever come back?

# %%
activations = {
    "no activation": lambda z: z,
    "relu": td.Tensor.relu,
    "abs": td.Tensor.abs,
}
steps = np.linspace(-2.75, 2.75, 12)
plane = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)  # (points, 2)
fields = {}
print("points of the plane (144) where the push on")
for name, activation in activations.items():
    z = td.Tensor(plane, requires_grad=True)
    activation(z).cross_entropy(np.zeros(len(plane), dtype=int)).backward(len(plane))
    fields[name] = -z.grad  # (points, 2)
    right, wrong = np.sum(fields[name] == 0, axis=0)
    print(f"  {name:13}  the right output is lost: {right:2}, the wrong: {wrong:2}")

# %%
figure, axes = plt.subplots(2, 2, figsize=(7, 7), layout="constrained")
meanings = (("both pushed", "#0072B2"), ("one push lost", "#D55E00"))
for panel, (name, arrows) in zip(axes.flat, fields.items(), strict=False):
    lost = np.sum(arrows == 0, axis=1)  # 0, 1 or 2 at each point
    for count, (meaning, color) in enumerate(meanings):
        points, moves = plane[lost == count].T, arrows[lost == count].T
        look = {"color": color, "width": 0.006, "scale": 16, "label": meaning}
        panel.quiver(*points, *moves, **look)
    panel.plot(*plane[lost == 2].T, "x", color="black", ms=5, label="both lost")
    panel.axhline(0, color="grey", lw=0.8)
    panel.axvline(0, color="grey", lw=0.8)
    panel.set(title=name, aspect="equal")
    panel.set(xlabel="number for the right class", ylabel="number for the wrong class")
axes[1, 1].axis("off")
axes[1, 1].legend(*axes[0, 1].get_legend_handles_labels(), loc="center")
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "06_cross_entropy.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# **Notice.** `relu` cuts the component of every output that is at 0. On the left, the right class has lost its push.
# Only the wrong output moves, down to 0, and in the lower left quadrant there is no push at all. A point on the left
# never moves to the right again by a push of its own. `abs` cuts nothing. It mirrors the field, so that on the left the
# right class is pushed to *minus* infinity, which is as good. The loss is the same in all three pictures. They differ
# in how much of its gradient at the logits gets through the activation. This is the paper's experiment. Lesson 9
# follows it on all digits.
#
# **In three sentences.** The push is one-hot minus softmax, and at margins up to 50 only rounding stopped it. With raw
# pixels, the untrained network's pushes were all or nothing for 80% of the images, and with pixels from 0 to 1 for
# none. In the plane, `relu` lost the push on each output at 72 of 144 points, and `abs` at none.
#
# **Exercise.** Write both ops: `python -m tinydist.exercises check log_softmax` and `python -m tinydist.exercises check
# cross_entropy`. Then negate the three functions in `activations`, as the paper's Neg does. The quadrant without a push
# stays where it is. Do the arrows of `relu` still lead into it?
#
# **Answer.** Yes, but from another side. With `relu`, the arrows of the upper left quadrant point down into it, as the
# wrong output is pushed to 0. Negated, those of the lower right point left into it, as the *right* output is pushed to
# 0. If every point follows the arrows in small steps, 72 of 144 end without a push in both cases: the 36 of the
# quadrant itself, and the 36 of the upper left or of the lower right. The difference is what it means. With Neg, a
# right output at 0 is at its best, and a wrong one that has a push is driven away for ever. With `abs` there is no such
# quadrant, negated or not.
