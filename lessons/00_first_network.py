# %% [markdown]
# # 0. A first network: train it, look at it, break it
#
# **Time.** About 20 minutes, without the exercise. **Before it:** nothing.
#
# After this lesson you have trained a network that reads handwritten digits, and broken it in three ways. You know the
# ten words that all other lessons use. You need to be able to read Python; you need no mathematics yet.
#
# Here are 1,000 images of digits from a collection called MNIST, and 10,000 others to test on. An image is a row of 784
# numbers, one for each pixel, from 0 (black) to 1 (white). A label says which digit it is, its *class*.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td

FAST = "TINYDIST_FAST" in os.environ
IMAGES, EPOCHS = (200, 5) if FAST else (1000, 100)

data = td.datasets.load("mnist", input="unit", train_size=IMAGES)
print("images to train on:", data.x_train.shape, " to test on:", data.x_test.shape)
print("the first ten labels:", data.y_train[:10])

# %% [markdown]
# ## A network
#
# A network is a row of **layers**. Each takes the numbers that the one before it gives, and computes new ones. The
# network below has three. The first layer, `linear0`, turns the 784 pixels into 128 numbers, its *units*. Each is a
# weighted sum of all pixels, plus a number of its own, its *bias*. The second layer, `act0`, is an **activation**: it
# changes every number by itself. This one is called ReLU, and turns negative numbers into 0. The last layer, `linear1`,
# turns the 128 numbers into ten, one for each digit.
#
# The end of a network, from its last layer with weights on, is its **head**: here `linear1` alone. The head gives the
# ten numbers by which the network decides, the **logits**. The answer is the digit with the largest logit.
#
# The weights start as random numbers. The **seed** says which: the same seed gives the same numbers, every time. So any
# result here can be repeated to the last digit on the same computer, and another seed shows what is chance.
# (`td.Tensor` is the library's array, which remembers how it was computed.)

# %%
model = td.build_model("ReLU", seed=0)
print(model)


def accuracy(model: td.nn.Sequential, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the percentage of the images whose answer is right."""
    logits = model(td.Tensor(images)).data  # (images, 10)
    return 100 * np.mean(logits.argmax(axis=1) == labels)


# %% [markdown]
# **Predict first.** The **accuracy** is the percentage of right answers. What is it before any training?

# %%
right = accuracy(model, data.x_test, data.y_test)
print(f"untrained: {right:.1f}% of the test images right")

# %% [markdown]
# **Notice.** That is guessing, which gets one in ten right on average. A single start may be well beside it.
#
# ## Training
#
# How wrong is the network? The **loss** is a number that says so: near 0 if the logit of the right digit is far above
# the others, large if it is below them. (The one used here is called cross-entropy.) A network that gives ten equal
# logits has a loss of 2.30.
#
# How must a weight change to lower the loss? The **gradient** tells us: for each weight, how fast the loss rises when
# the weight grows. `loss.backward()` computes it for all 101,760 weights and biases at once. (How it does this is what
# lessons 1 to 6 are about.) Then every weight is moved a little in the other direction. How far is set by the
# **learning rate**: the change is the gradient times that number. This is gradient descent, `SGD` in the code.
#
# Such a step uses all 1,000 images here. One pass through all images is an **epoch**.
#
# **Predict first.** After 100 epochs, what will the accuracy be on the images that it was trained on, and on those that
# it has never seen?


# %%
def train(
    model: td.nn.Sequential, data: td.datasets.Dataset, learning_rate: float
) -> list[float]:
    """Train a network, and return its loss before each epoch."""
    optimizer = td.optim.SGD(model.parameters(), lr=learning_rate)
    losses = []
    for _ in range(EPOCHS):
        # forward: from the pixels to the loss
        loss = model(td.Tensor(data.x_train)).cross_entropy(data.y_train)
        optimizer.zero_grad()  # forget the last gradients
        loss.backward()  # backward: from the loss to the gradients
        optimizer.step()  # move the weights
        losses.append(loss.item())
    return losses


losses = train(model, data, learning_rate=0.2)
print(f"loss: {losses[0]:.2f} before the first epoch, {losses[-1]:.2f} before the last")
seen = accuracy(model, data.x_train, data.y_train)
unseen = accuracy(model, data.x_test, data.y_test)
print(f"right: {seen:.1f}% of the images that it was trained on")
print(f"right: {unseen:.1f}% of the test images")

# %% [markdown]
# **Notice.** It reads 86% of the digits that it has never seen, and more of those that it was trained on. Always ask
# which of the two a number is. In these lessons, "accuracy" without another word is that on test images.
#
# ## Break it
#
# Now spoil the training in three ways, with three seeds each:
#
# - a learning rate a thousand times smaller;
# - one 25 times larger;
# - pixels from 0 to 255 instead of 0 to 1, and a second ReLU after the last layer, so that no logit can be negative.
#   This is `ReLU2` of the paper that these lessons follow, "Neural Networks Learn Distance Metrics". The learning rate
#   is the paper's, 0.001, which suits such pixels.
#
# To compare with, the table also has the training above, and plain ReLU on pixels from 0 to 255.
#
# **Predict first.** Which of them will learn nothing? Will the loss tell them apart?

# %%
raw = td.datasets.load("mnist", input="raw", train_size=IMAGES)  # pixels from 0 to 255
attempts = {
    "as above": ("ReLU", data, 0.2),
    "small learning rate": ("ReLU", data, 0.0002),
    "large learning rate": ("ReLU", data, 5.0),
    "raw pixels": ("ReLU", raw, 0.001),
    "raw pixels, second ReLU": ("ReLU2", raw, 0.001),
}
curves = {}
print(f"{'last loss':>41}            accuracy %       outputs always 0")
for title, (name, images, learning_rate) in attempts.items():
    cells = []
    for seed in range(3):
        model = td.build_model(name, seed=seed)
        curves[title, seed] = train(model, images, learning_rate)
        outputs = model(td.Tensor(images.x_train)).data  # (images, 10)
        silent = np.sum(np.all(outputs == 0, axis=0))
        right = accuracy(model, images.x_test, images.y_test)
        cells.append((curves[title, seed][-1], right, silent))
    last, right, silent = zip(*cells, strict=True)
    losses_of_seeds = "".join(f"{value:8.2f}" for value in last)
    accuracies = "".join(f"{value:6.1f}" for value in right)
    print(f"{title:24}{losses_of_seeds}  {accuracies}", *silent)

# %%
figure, axes = plt.subplots(
    1, 2, figsize=(7.4, 3.2), layout="constrained", width_ratios=(1, 2)
)
digits = data.x_train[:12].reshape(3, 4, 28, 28)
axes[0].imshow(np.vstack([np.hstack(row) for row in digits]), cmap="gray")
axes[0].set_title("the first twelve digits", fontsize=10)
axes[0].axis("off")
looks = (
    ("#009E73", "-"),
    ("#56B4E9", ":"),
    ("#E69F00", "--"),
    ("#0072B2", "-."),
    ("#D55E00", "-"),
)
for (title, _), (color, style) in zip(attempts.items(), looks, strict=True):
    for seed in range(3):
        label = None if seed else title
        axes[1].plot(curves[title, seed], style, color=color, lw=1.3, label=label)
axes[1].set(xlabel="epoch", ylabel="loss", yscale="log")
axes[1].legend(fontsize=8)
axes[1].grid(alpha=0.3)
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "00_first_network.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# **Notice.** With the small learning rate nothing has moved yet: 100 epochs are too few. With the large one the network
# is thrown about, and ends hardly better than guessing. (In one or two of the three runs all ten outputs end at 0. How
# many you see depends on how your processor rounds.) Both have a loss of about 2.3, that of a network that knows
# nothing. The curves tell them apart: one is flat from the beginning, the other jumps first.
#
# The last two rows are the subject of this course. The same pixels, the same learning rate, the same seeds. Without the
# second ReLU the network learns its training images nearly by heart, and three quarters of the others. With it, it gets
# to 10 to 21%, and eight or nine of the ten outputs give 0 for *every* image. Why do they get stuck at 0? And how can a
# minus sign after them rescue the network, as lesson 9 will show? The answer is in the gradients. Lesson 1 begins with
# one.
#
# **In three sentences.** Training took the network from 5.5% of the test images to 85.6%. A learning rate far too
# small or too large left it near guessing, with a loss of about 2.3. With raw pixels and a second ReLU it got 10 to
# 21%, and eight or nine of the ten outputs were 0 for every training image.
#
# **Exercise.** Change the seed of the first network, then the number of its units between the two linear layers, the
# *hidden* ones: `td.build_model("ReLU", hidden=16)` has 16 of them in place of 128. Which of the two changes the
# accuracy more? Then look at the ten words again, and say each in a sentence of your own: layer, activation, head,
# logits, seed, accuracy, loss, gradient, learning rate, epoch.
#
# **Answer.** With the seeds 0 to 4, 128 hidden units get 85.5 to 86.0% of the test images right, and 16 units 84.2 to
# 85.7%. The averages are 85.7 and 85.0%. So taking seven in eight units away costs less than one point, and another
# seed can change more than that with 16 units. One run of each does not tell the two apart: 16 units with seed 3 are
# better than 128 units with seed 4. With 4 units the accuracy is 62 to 70%, which none of the five seeds makes up for.
