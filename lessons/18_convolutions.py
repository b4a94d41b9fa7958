# %% [markdown]
# # 18. A convolution in front
#
# **Time.** About 15 minutes, without the exercise. **Before it:** lessons 4, 9 and 15.
#
# After this lesson you can compute a convolution and both of its gradients by hand, and explain why one of them turns
# the kernel around. You can also say whether better features save a network that is forced to answer by intensity.
#
# All models so far look at pixels one by one: shuffle the pixels of all images in the same way, and nothing changes. A
# convolution looks at neighbourhoods. It slides a small kernel over the image and computes, at every place, how well
# the kernel matches the pixels under it.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinydist as td
from tinydist import ops
from tinydist.activity import dead_units
from tinydist.training import accuracy

FAST = "TINYDIST_FAST" in os.environ
IMAGES, STEPS, SEEDS = (60, 4, 1) if FAST else (300, 60, 2)

# %% [markdown]
# ## Forward: a sum for every place
#
# $y_{r,c} = \sum_{i,j} W_{i,j}\, x_{r+i,\,c+j}$. Mathematicians call this a cross-correlation; a convolution proper
# would turn the kernel by 180° first. Networks learn the kernel anyway, so libraries for networks do not turn it. Write
# the sum out, and compare it with the op.

# %%
rng = np.random.default_rng(0)
x, weight = rng.normal(size=(5, 6)), rng.normal(size=(2, 3))
rows, columns = 5 - 2 + 1, 6 - 3 + 1
by_hand = np.array(
    [
        [np.sum(weight * x[r : r + 2, c : c + 3]) for c in range(columns)]
        for r in range(rows)
    ]
)
# the op takes (batch, channels, height, width)
y, (to_x, to_weight) = ops.conv2d(x[None, None], weight[None, None])
print(
    f"{by_hand.shape}: by hand and by the op",
    f"differ by at most {np.abs(by_hand - y[0, 0]).max():.1e}",
)

# %% [markdown]
# ## Backward: the same sum, seen from the pixel
#
# **Predict first.** Let g be the gradient of the loss with respect to y. Which entries of y did the pixel $x_{a,b}$
# have a part in, and with which entry of W? Write the gradient of x as a sum. In which order do the entries of W stand
# in it?
#
# **Notice.** The pixel $x_{a,b}$ lay under $W_{i,j}$ exactly when the kernel stood at $(a-i, b-j)$. So its gradient is
# $\sum_{i,j} W_{i,j}\, g_{a-i,\,b-j}$: the *minus* signs walk through W backwards. Put zeros around g, so that places
# outside do not count. Then it is the forward sum again, with the kernel turned by 180°. For the weight nothing is
# turned: $W_{i,j}$ was multiplied by the pixel $x_{r+i,c+j}$ at every place, so its gradient is x correlated with g.

# %%
g = rng.normal(size=y[0, 0].shape)
around = np.pad(g, ((1, 1), (2, 2)))  # one less than the kernel on each side
turned = weight[::-1, ::-1]
gradient_x = np.array(
    [
        [np.sum(turned * around[r : r + 2, c : c + 3]) for c in range(6)]
        for r in range(5)
    ]
)
gradient_w = np.array(
    [[np.sum(g * x[i : i + rows, j : j + columns]) for j in range(3)] for i in range(2)]
)
off_x = np.abs(gradient_x - to_x(g[None, None])[0, 0]).max()
off_w = np.abs(gradient_w - to_weight(g[None, None])[0, 0]).max()
print(f"to x:      differs from the op's rule by at most {off_x:.1e}")
print(f"to weight: differs from the op's rule by at most {off_w:.1e}")
td.gradcheck(
    lambda x, weight: td.apply(ops.conv2d, x, weight), x[None, None], weight[None, None]
)
print("and both agree with finite differences")

# %% [markdown]
# Max pooling keeps the largest of every 2 × 2 pixels. Its gradient rule is a switch, as ReLU's is. The whole gradient
# goes to the largest pixel, because the others had no part in the output. Average pooling shares the gradient out
# equally.

# %%
window = td.Tensor([[[[1.0, 4.0], [2.0, 3.0]]]], requires_grad=True)
for op in (ops.max_pool2d, ops.avg_pool2d):
    window.grad = None
    td.apply(op, window, size=2).backward(np.full((1, 1, 1, 1), 8.0))
    print(f"{op.__name__}: 8 comes back, the pixels get {window.grad.ravel()}")

# %% [markdown]
# ## Do better features save ReLU2?
#
# `Conv-` before a name puts 8 kernels of 5 × 5, the activation, and max pooling in front of the model. The heads stay
# as they are, and so does the question. A convolution makes better features. Does the network then learn to answer by
# intensity?


# %%
def run(
    name: str, seed: int, data: td.datasets.Dataset, lr: float
) -> tuple[str, td.nn.Sequential]:
    """Train; return accuracy and dead outputs as text, or "blown up", and the model."""
    model = td.build_model(name, seed=seed)
    optimizer = td.optim.SGD(model.parameters(), lr=lr)
    images = td.Tensor(data.x_train)
    for _ in range(STEPS):
        loss = model(images).cross_entropy(data.y_train)
        if not loss.item() < 1e6:
            return "blown up", model
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with td.no_grad():
        dead = int(dead_units(model(images).data).sum())
        percent = accuracy(
            model(td.Tensor(data.x_test[:1000])).data, data.y_test[:1000]
        )
    return f"{percent:5.1f} ({dead})", model


MODELS = ("ReLU", "Conv-ReLU", "ReLU2", "Conv-ReLU2", "Conv-ReLU2-Neg", "Conv-Abs2")
results = {}
for scale, lr in (("raw", 0.001), ("unit", 0.1)):
    data = td.datasets.load("mnist", input=scale, train_size=IMAGES)
    print(
        f"{scale} pixels, learning rate {lr}:",
        "test accuracy % (dead outputs), a seed each",
    )
    for name in MODELS:
        runs = results[scale, name] = [
            run(name, seed, data, lr) for seed in range(SEEDS)
        ]
        print(f"  {name:15}" + "   ".join(f"{told:9}" for told, _ in runs))

# %% [markdown]
# **Notice.** With pixels from 0 to 1 the convolution helps: Conv-ReLU is eight points ahead of ReLU and more. On raw
# pixels the lead is too small to judge. It does not save ReLU2 there. With these two seeds Conv-ReLU2 loses fewer
# outputs than ReLU2; other seeds lose nearly all (see the exercise). It stays far behind Conv-ReLU: better features
# alone do not keep outputs alive. Neg is no sure rescue here: Conv-ReLU2-Neg loses outputs in one run of two, with
# either input. One run of Conv-Abs2 even blows up. With pixels from 0 to 1 and a learning rate that fits, ReLU2 learns,
# with a convolution in front or without. This is the finding of lesson 15 again, for one more architecture: much
# depends on start and step.
#
# How far does this reach? 300 images, 60 steps and two seeds are enough to see a collapse, but not to compare 70 with
# 75%. For such a comparison there is `python -m tinydist.reproduce --models ReLU,Conv-ReLU,ReLU2,Conv-ReLU2 --runs 5`.
#
# ## What the kernels have become
#
# The figure shows the eight kernels of one Conv-ReLU, trained on pixels from 0 to 1, before and after.

# %%
_, model = results["unit", "Conv-ReLU"][0]
start = td.build_model("Conv-ReLU", seed=0).conv0.weight.data
learned = model.conv0.weight.data
largest = np.abs(learned).max()

# %%
figure, all_axes = plt.subplots(2, 8, figsize=(7.4, 2.8), layout="constrained")
for column in range(8):
    for axes, kernel in zip(
        all_axes[:, column], (start[column, 0], learned[column, 0]), strict=True
    ):
        axes.imshow(kernel, cmap="PuOr_r", vmin=-largest, vmax=largest)
        axes.set_xticks([])
        axes.set_yticks([])
all_axes[0, 0].set_ylabel("start", fontsize=9)
all_axes[1, 0].set_ylabel("learned", fontsize=9)
figure.suptitle(
    f"kernels of Conv-ReLU (orange: positive), {IMAGES:,} images, {STEPS} steps",
    fontsize=10,
)
path = Path("results/lessons/18_convolutions.png")
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"saved {path}")

# %% [markdown]
# **In three sentences.** The sums written by hand gave the output and both gradients of the op. On raw pixels
# Conv-ReLU2 lost outputs, as ReLU2 did, and stayed far behind Conv-ReLU. With pixels from 0 to 1 and a larger
# learning rate, no output of either was dead at the end.
#
# **Exercise.** You have written all three sums above. Combine them in an op:
#
# `python -m tinydist.exercises check conv2d`
#
# Then replace max pooling by average pooling: build the layers of Conv-ReLU2 yourself with `td.nn.Sequential` and
# `td.nn.AvgPool2d`. As much gradient comes back through it, but every pixel has a share. Does that change which outputs
# die?
#
# **Answer.** On raw pixels, with the seeds 0 to 5, Conv-ReLU2 has 2, 5, 8, 9, 10 and 7 dead outputs with max pooling,
# and 5, 2, 3, 7, 10 and 1 with average pooling. So the number changes, but in no fixed direction: four seeds
# have fewer, one has more, and one loses all ten both times. Outputs die in every run, and the accuracy stays at 9 to
# 45%, where Conv-ReLU has 61 to 68% with either pooling. Average pooling does not save ReLU2, and six runs do not show
# that it helps. They also show what two seeds miss: with max pooling the first two lose the fewest.
