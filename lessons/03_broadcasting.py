# %% [markdown]
# # 3. Broadcasting copies, so its gradient adds up
#
# **Time.** About 25 minutes, without the exercise. **Before it:** lesson 2.
#
# After this lesson you can explain why the gradient of a bias is a sum over the *batch*, the images that go through a
# network together. You can explain how a gradient gets back the shape of the tensor it belongs to. You also know why a
# gradient of the right shape can still be wrong.
#
# A layer adds one bias, shape (10,), to all rows of a (3000, 10) array. NumPy acts as if the bias had been copied 3000
# times: it **broadcasts** the bias. Shapes are aligned from the right. An array is copied along an axis in two cases:
#
# - the array has no such axis: (4,) becomes (3, 4);
# - its size there is 1: (3, 1) becomes (3, 4).
#
# The rule for the way back follows from lesson 2. If Y_ij = b_j for every i, then b_j is used once for each i. Where
# paths meet, gradients add up: dL/db_j = sum over i of G_ij, where G is the gradient of Y. So **sum over the axes that
# were copied, and restore the shape**. tinydist calls this function `unbroadcast`. Every elementwise op with two inputs
# ends with it. In `a * b`, for example, `a` gets `unbroadcast(g * b, a.shape)`.
#
# **Predict first.** Given G below, what are the gradients of inputs of the shapes (4,), (3, 1), (1, 1) and ()?

# %%
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td

G = np.array(
    [[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0], [100.0, 200.0, 300.0, 400.0]]
)
for shape in ((4,), (3, 1), (1, 1), ()):
    x = td.Tensor(np.ones(shape), requires_grad=True)
    (np.zeros((3, 4)) + x).backward(G)
    print(f"{shape!s:7} gradient: {x.grad.tolist()}")

# %% [markdown]
# **Notice.** The gradient sums each column for (4,), each row for (3, 1), and everything for (1, 1) and (). Copying and
# summing mirror one another: the gradient of a `sum` is a copy of g for every entry that was summed.
#
# ## The bias of a layer on real digits
#
# *Softmax* turns an image's ten logits into ten probabilities, which the loss looks at. If all weights of a layer are
# 0, its logits do not depend on the images and are all equal, so that every class gets a probability of 1/10. Let G be
# the gradient of the loss at the logits (`scores` below). Lesson 6 derives it; until then take it on trust: each entry
# is the probability, minus 1 in the column of the label, all divided by 3000, the number of images.
#
# **Predict first.** Sum that over the batch. What does the bias of class k learn in its first step?

# %%
data = td.datasets.load("mnist", input="unit", train_size=3000)
images, labels = data.x_train.astype(float), data.y_train  # (3000, 784), (3000,)

scores = td.Tensor(images @ np.zeros((784, 10)), requires_grad=True)
bias = td.Tensor(np.zeros(10), requires_grad=True)
(scores + bias).cross_entropy(labels).backward()

share = np.bincount(labels) / len(labels)
print("class  share of images  0.1 - share  gradient of the bias  column sum of G")
for k in range(10):
    gradients = f"{bias.grad[k]:+20.4f}  {scores.grad[:, k].sum():+15.4f}"
    print(f"{k:5}  {share[k]:15.4f}  {0.1 - share[k]:+11.4f}  {gradients}")

# %% [markdown]
# **Notice.** A bias learns how common its class is. The bias of class 1, the commonest, will rise most. The bias of
# class 8 will fall most.
#
# ## A centre for many images
#
# Now subtract one image, the centre, from all 3s. The centre is copied like a bias. The loss is the mean squared
# distance of the 3s from the centre. A small value means that the images are close: the paper's *distance* in its
# simplest form.
#
# **Predict first.** Start with an empty centre, all zeros. Where does one step with learning rate 0.5 lead? What is the
# gradient there?

# %%
threes = images[labels == 3]


def mean_squared_distance(centre: td.Tensor) -> td.Tensor:
    return ((threes - centre) ** 2).sum(axis=1).mean()


centre = td.Tensor(np.zeros(784), requires_grad=True)
for step in range(2):
    distance = mean_squared_distance(centre)
    centre.grad = None
    distance.backward()
    largest = np.abs(centre.grad).max()
    print(
        f"step {step}: distance {distance.item():6.2f}, largest gradient {largest:.4f}"
    )
    centre.data -= 0.5 * centre.grad
is_mean = np.allclose(centre.data, threes.mean(axis=0))
print("the centre is the mean of the 3s:", is_mean)

# %% [markdown]
# **Notice.** The gradient is the sum over all copies, -2 · mean(x - centre). It vanishes where the differences cancel:
# at the mean image, the prototype of a 3. The distance does not vanish there.
#
# **Normalising** subtracts the mean of the batch itself. Each image then acts on the result along two paths: directly,
# and through the mean, which is copied to all the others.

# %%
weights = np.random.default_rng(0).normal(0, 0.05, (784, 10))


def gradient_of_images(normalise: bool) -> np.ndarray:
    """Return the gradient of a layer's loss at the first 100 images, (100, 784)."""
    x = td.Tensor(images[:100], requires_grad=True)
    centred = x - x.mean(axis=0) if normalise else x
    (centred @ weights).cross_entropy(labels[:100]).backward()
    return x.grad


for normalise in (False, True):
    over_batch = np.abs(gradient_of_images(normalise).sum(axis=0)).max()
    print(
        f"mean subtracted: {normalise!s:5}  "
        f"largest sum of the images' gradients in a pixel: {over_batch:.6f}"
    )

# %% [markdown]
# **Notice.** With the mean subtracted, the gradients of the images cancel in every pixel. They must cancel: adding the
# same picture to all images changes nothing, so the loss has no slope in this direction.
#
# ## Two wrong rules
#
# The first rule forgets to sum. The second sums over the wrong axis of (3, 1) + (3,).
#
# **Predict first.** Three tests look at each rule: the check of shapes in `backward()`, a comparison with the true
# gradient of `.sum()`, and `gradcheck`. Which rule passes which test?


# %%
def add_without_sum(a: np.ndarray, b: np.ndarray) -> tuple:
    return a + b, (lambda g: g, lambda g: g)


def add_with_wrong_axes(a: np.ndarray, b: np.ndarray) -> tuple:
    return a + b, (
        lambda g: g.sum(axis=0).reshape(a.shape),
        lambda g: g.sum(axis=1).reshape(b.shape),
    )


def judge(rule) -> None:
    """Print the results of the three tests on a rule for (3, 1) + (3,)."""

    def addition(a: td.Tensor, b: td.Tensor) -> td.Tensor:
        return td.apply(rule, a, b)

    print(rule.__name__)
    column, row = np.array([[1.0], [2.0], [3.0]]), np.array([4.0, 5.0, 6.0])
    a, b = td.Tensor(column, requires_grad=True), td.Tensor(row, requires_grad=True)
    try:
        addition(a, b).sum().backward()
        found = f"{a.grad.ravel()} and {b.grad}"
        print(f"   gradients of .sum(): {found} (true: 3 everywhere)")
        td.gradcheck(addition, column, row)
    except (td.errors.ShapeError, td.errors.GradientCheckError) as caught:
        message = f"{type(caught).__name__}: {caught}"
        print(textwrap.indent(textwrap.fill(message, 85), "   "))


for rule in (add_without_sum, add_with_wrong_axes):
    judge(rule)

# %% [markdown]
# **Notice.** The check of shapes caught the first rule. The second rule passes this check, because in a square case
# rows and columns are equally long. It even gives the true gradient of `.sum()`: there G is 1 everywhere, and all its
# sums are equal. `gradcheck` weights the entries at random, so it can tell rows from columns. Test rules with axes of
# different lengths, and with a G whose entries differ.

# %%
scales = np.linspace(0, 2, 41)  # for the figure: from no centre to twice the mean 3
centres = [td.Tensor(scale * centre.data) for scale in scales]
distances = [mean_squared_distance(scaled).item() for scaled in centres]

# %%
figure, axes = plt.subplot_mosaic("bb;cd", figsize=(7, 5.6), layout="constrained")
axes["b"].bar(np.arange(10), -bias.grad, color="#0072B2")
axes["b"].set(
    xlabel="class",
    ylabel="minus the gradient of its bias",
    xticks=range(10),
    title="what the biases learn",
)
axes["c"].imshow(centre.data.reshape(28, 28), cmap="gray_r")
axes["c"].set(xticks=[], yticks=[], title="the centre after one step")
axes["d"].plot(scales, distances, color="#D55E00")
axes["d"].set(
    xlabel="centre, in units of the mean 3",
    ylabel="mean squared distance",
    title="no slope at the mean",
)
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "03_broadcasting.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# **In three sentences.** The gradient of a copied input was the sum over its copies: for a bias over the batch, for a
# centre over all 3s, where it was 0 at their mean. With the mean subtracted, the gradients of the images cancelled in
# every pixel. A rule that summed over the wrong axis passed two tests, and only `gradcheck` found it.
#
# **Exercise.** Write the rule, then the two ops that depend on it:
#
#     python -m tinydist.exercises check unbroadcast
#     python -m tinydist.exercises check mul
#     python -m tinydist.exercises check sum
#
# Then find a mistake that no gradient check can find. A prediction of shape (n, 1) is compared with targets of shape
# (n,): `((prediction - target) ** 2).mean()`. What shape does the difference have? Why does `gradcheck` not complain?
#
# **Answer.** The difference has shape (n, n): every prediction is compared with every target. `gradcheck` compares the
# gradients with the slopes of the function that is written, and they agree. The mistake is in the function. It shows
# in what is learned. With 50 points of y = 2 x + 1, x drawn at random from a normal distribution, and 500 steps with
# learning rate 0.1, a linear fit ends at slope 0 and bias 1.26, the mean of the targets, with a loss of 3.32, their
# variance. With the prediction reshaped to (n,) it finds 2 and 1, and a loss of 0.
