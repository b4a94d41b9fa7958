# %% [markdown]
# # 4. A linear layer measures along directions
#
# **Time.** About 20 minutes, without the exercise. **Before it:** lesson 1.
#
# After this lesson you can explain what a unit of a linear layer measures, and derive the three gradients of the layer.
# You can also say how a step changes the picture that a unit keeps in its weights.
#
# A layer computes Y = X Wᵀ + b: X has a row for each image, Y too, and W has a row for each unit (Wᵀ is W with rows and
# columns exchanged). Row i of W is unit i's weight, an image like its inputs. On one image x the output of the unit is
# w·x + b, the sum of the products of their entries, plus b. It is how far x reaches along w, times ||w||, the length of
# w, plus b. All points with w·x + b = 0 form a **hyperplane**: in two dimensions it would be a line, in three a plane,
# and w stands at right angles to it. The signed distance of x from it is (w·x + b) / ||w||. Move x that far in the
# direction opposite to w, and the output of the unit becomes 0.
#
# **Predict first.** We train a single layer of ten units on 3000 digits with cross-entropy, and look at unit 3. On
# which side of its hyperplane will the 3s lie? And on which side the other digits?

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td
from tinydist.training import training_step

EPOCHS = 20 if "TINYDIST_FAST" in os.environ else 200
LR = 0.5

data = td.datasets.load("mnist", input="unit", train_size=3000)
images, labels = data.x_train, data.y_train  # (3000, 784), (3000,)
layer = td.nn.Linear(784, 10, rng=np.random.default_rng(0))
start = layer.state_dict()

optimizer = td.optim.SGD(layer.parameters(), lr=LR)
for epoch in range(EPOCHS):
    loss = layer(td.Tensor(images)).cross_entropy(labels)
    training_step(loss, optimizer)  # zero_grad, backward, step
    if epoch == 0:
        first_step = layer.weight.data - start["weight"]  # for the end of this lesson

weight = layer.weight.data.astype(float)  # (10, 784)
bias = layer.bias.data.astype(float)  # (10,)
distances = (images @ weight.T + bias) / np.linalg.norm(weight, axis=1)  # (3000, 10)

print(
    "unit  mean signed distance of its own digit  of the others"
    "  own on the positive side %  others %"
)
for unit in range(10):
    own, others = distances[labels == unit, unit], distances[labels != unit, unit]
    shares = f"{100 * np.mean(own > 0):27.0f}  {100 * np.mean(others > 0):8.0f}"
    print(f"{unit:4}  {own.mean():36.2f}  {others.mean():13.2f}  {shares}")

# The distance without the formula: the shortest move that makes w·x + b zero.
x, w, b = images[0].astype(float), weight[3], bias[3]
shortest = np.linalg.norm(np.linalg.lstsq(w[None], [-(w @ x + b)])[0])
print(
    f"\nfirst image, unit 3: formula {distances[0, 3]:.4f}, "
    f"length of the shortest move {shortest:.4f}"
)

# %% [markdown]
# **Notice.** Each unit has nearly all of its own digits on the positive side. The other digits lie on both sides of the
# hyperplane, of some units mostly on the negative one. The reason is that the loss only compares the units with one
# another, so no unit has to place its own zero correctly.
#
# The paper's question is in this table. A unit can say "this is a 3" in two ways. With an *intensity*, the output is
# large, and the hyperplane is far from the 3s. With a *distance*, the output is close to 0, and the hyperplane passes
# through the 3s. `abs` after the layer would turn the signed distance into a plain one, times ||w||.
#
# Here the hyperplanes pass through the other digits, as in an intensity. But the loss has not asked for that. It
# compares logits: take the same number off every bias, and no probability changes, while all hyperplanes move. Only a
# second activation, as in ReLU2 or Abs2, ties the meaning of an output to where it is 0.
#
# ## Three gradients, from the sums
#
# Written out, Y_ni = sum over k of X_nk W_ik, plus b_i. Let G be the gradient of Y, shape (batch, out). Every entry of
# X, W and b goes into several Y_ni, and the gradients from all of them add up:
#
# - X_nk goes into Y_ni for every unit i, with slope W_ik: sum over i of G_ni W_ik, which is **G W**;
# - W_ik goes into Y_ni for every image n, with slope X_nk: sum over n of G_ni X_nk, which is **Gᵀ X**;
# - b_i goes into Y_ni for every image n, with slope 1: sum over n of G_ni, the **column sums of G**.
#
# **Predict first.** With 2 images, 3 pixels and 4 units, which shapes do the three have? Could another product of G, W
# and X have the same shape?

# %%
rng = np.random.default_rng(0)
X, W, B, G = (
    rng.integers(-3, 4, shape).astype(float) for shape in ((2, 3), (4, 3), (4,), (2, 4))
)
tensors = [td.Tensor(array, requires_grad=True) for array in (X, W, B)]
(tensors[0] @ tensors[1].T + tensors[2]).backward(G)

sums_x, sums_w, sums_b = np.zeros(X.shape), np.zeros(W.shape), np.zeros(B.shape)
for n, i in np.ndindex(G.shape):
    for k in range(3):
        sums_x[n, k] += G[n, i] * W[i, k]
        sums_w[i, k] += G[n, i] * X[n, k]
    sums_b[i] += G[n, i]

products = (G @ W, G.T @ X, G.sum(axis=0))
for name, tensor, sums, product in zip(
    "XWb", tensors, (sums_x, sums_w, sums_b), products, strict=True
):
    equal = np.array_equal(tensor.grad, sums) and np.array_equal(product, sums)
    print(
        f"gradient of {name}: shape {tensor.shape!s:6}  "
        f"backward, written-out sums and matrix product agree: {equal}"
    )

# %% [markdown]
# **Notice.** When all sizes differ, the shapes leave no other choice. The gradient of W has shape (out, in), and of the
# products of two of them only Gᵀ X has this shape. The same holds for any product Y = A B: the gradient of A is G Bᵀ,
# and the gradient of B is Aᵀ G.
#
# ## What a step does to the picture
#
# Gᵀ X is a sum over images: image n adds g_ni x_n to the gradient of unit i's weight. So an image can change the
# picture of a unit in one way only: by adding or subtracting a multiple of itself. For all units at once this change is
# a matrix of rank one, a column times a row.
#
# At the logits (`scores` below), g_ni is the probability that the network gives to digit i, less 1 if i is the label,
# divided by the number of images (lesson 6 shows why). It is negative for the unit's own digit and positive for all
# others.
#
# **Predict first.** What does the first step add to unit 3's picture? Draw it in your mind before you look.

# %%
scores = td.Tensor(images @ start["weight"].T + start["bias"], requires_grad=True)
scores.cross_entropy(labels).backward()
G = scores.grad  # (3000, 10)

print("rank of what one image adds:", np.linalg.matrix_rank(np.outer(G[0], images[0])))
towards = -LR * G[labels == 3, 3] @ images[labels == 3]  # (784,)
away = -LR * G[labels != 3, 3] @ images[labels != 3]
same = np.allclose(towards + away, first_step[3], atol=1e-6)
print("their sum is the step taken:", same)

# %%
figure, axes = plt.subplot_mosaic(
    "0011223344;5566778899;hhhhttaass", figsize=(7.4, 5.4), layout="constrained"
)


def show(panel: str, picture: np.ndarray, limit: float, title: str) -> None:
    """Draw weights: blue where positive, red where negative, full colour at `limit`."""
    axes[panel].imshow(picture.reshape(28, 28), cmap="RdBu", vmin=-limit, vmax=limit)
    axes[panel].set(xticks=[], yticks=[], title=title)


for unit in range(10):
    show(str(unit), weight[unit], np.abs(weight).max(), f"unit {unit}")
largest = np.abs(towards).max()
show("t", towards, largest, "step: the 3s")
show("a", away, largest, "step: all others")
show("s", first_step[3], largest, "the whole step")
bins = np.linspace(distances[:, 3].min(), distances[:, 3].max(), 40)
for title, chosen, color, style in (
    ("others", labels != 3, "#D55E00", "--"),
    ("3s", labels == 3, "#0072B2", "-"),
):
    look = {"histtype": "step", "color": color, "ls": style, "label": title}
    axes["h"].hist(distances[chosen, 3], bins, density=True, **look)
axes["h"].axvline(0, color="black", lw=1)
axes["h"].set(xlabel="signed distance from unit 3's hyperplane", ylabel="density")
axes["h"].legend()
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "04_linear_layers.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# **Notice.** Blue adds, red subtracts. The step adds roughly a mean 3 and subtracts a mean of all other digits. The
# middle of the image is common to both and partly cancels. What distinguishes a 3 from the rest stays. The trained
# pictures in the top row are the result of 200 such steps: sums of digits, added to the noise they started from. A unit
# whose gradient is 0 on every image gets nothing added, and its picture stays as it is.
#
# **In three sentences.** After training, each unit had 99 to 100% of its own digit on the positive side of its
# hyperplane, and 11 to 68% of the others. Backward, written-out sums and matrix products gave the same three gradients.
# The first step of unit 3 was a sum of images: the 3s in it were added, all others subtracted.
#
# **Exercise.** Write the two ops:
#
#     python -m tinydist.exercises check matmul
#     python -m tinydist.exercises check linear
#
# Then train `td.build_model("Abs", hidden=10)` the same way and draw `linear0.weight`. A hidden unit has no digit of
# its own. Do its hyperplanes pass through digits, or between them? (Lesson 8 asks this of units that have a class.)
#
# **Answer.** Rather between them, and through some. Of the 100 pairs of a unit and a digit, count those with more than
# 95% of the images on one side. Training raises the count from 24 to 39 with seed 0, from 20 to 52 with seed 1. The
# pairs that are cut in two, with 25 to 75% on each side, fall from 50 to 26 and from 43 to 18. With seed 0, two of the
# ten hyperplanes cut no digit so, the others one to seven. The mean distance from a hyperplane grows from 0.3 to 1.3,
# but that of its nearest digit only to 0.3 to 0.7.
