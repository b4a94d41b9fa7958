# %% [markdown]
# # 2. The graph, and the order of the way back
#
# **Time.** About 25 minutes, without the exercise. **Before it:** lessons 0 and 1.
#
# After this lesson you can explain what a tensor stores about its origin and why gradients that meet are added. You can
# explain why `backward()` must wait at every node until all its consumers have passed on their gradients. You also know
# what `zero_grad()` is for.
#
# Lesson 1 multiplied slopes along the one path from the loss to a weight. A network has many paths. Each tensor stores
# the name of the operation that made it (`op`) and the tensors it was made from (`inputs`). Followed from the loss,
# these links form the **computational graph**; a tensor that nothing was made from is a *leaf*. The chain rule of
# calculus has two parts on this graph. Along a path, slopes
# multiply. Where paths meet, the products add up. In the example `h` is used three times, once by `loss` and twice by
# `m`.
#
#     w ──> h = w + w ───────────────────> loss = h + m
#              └──────> m = h * h ─────────────┘
#
# **Predict first.** At w = 1.5, how many paths lead from `loss` back to `w`? What is the slope of the loss?

# %%
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt

import tinydist as td
from tinydist.tensor import topological_order
from tinydist.trace.figures import draw_graph

w = td.Tensor(1.5, requires_grad=True)
h = w + w
m = h * h
loss = h + m

called = {"w": w, "h": h, "m": m, "loss": loss}
names = {id(tensor): name for name, tensor in called.items()}
for tensor in (w, h, m, loss):
    inputs = ", ".join(names[id(parent)] for parent in tensor.inputs)
    op = tensor.op or "none, a leaf"
    print(f"{names[id(tensor)]:4} = {tensor.item():4}   op: {op:12}   inputs: {inputs}")

# backward(), recorded; it keeps the graph, since the next cell walks over it
trace = td.trace.record(loss, names=called, retain_graph=True)
step = 1e-6
above, below = (2 * x + (2 * x) ** 2 for x in (1.5 + step, 1.5 - step))
slope = (above - below) / (2 * step)
print(
    f"\nbackward says {w.grad:.4f}, "
    f"the slope measured with two evaluations is {slope:.4f}"
)

# %%
figure, axes = plt.subplots(figsize=(3.4, 5), layout="constrained")
draw_graph(trace, axes)
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "02_values_and_gradients.png", dpi=120)

# %% [markdown]
# **Notice.** Three paths lead from `loss` to `h`, with slopes 1, 3 and 3: each factor of `h * h` has the other factor
# as its slope. Two paths lead from `h` to `w`, with slopes 1 and 1. In total there are six paths, and the slope is
# (1 + 3 + 3) · (1 + 1) = 14. The brackets save work: once the gradients are added up at `h`, the three paths continue
# as one.
#
# ## Three ways back
#
# The links are enough to run the chain rule ourselves. We first do it without brackets: each gradient is passed on the
# moment it arrives. Then we visit each node once, in two different orders.
#
# **Predict first.** Which of the three results will be wrong?


# %%
def slopes(tensor: td.Tensor) -> tuple:
    """Return the slope of a tensor with respect to each of its inputs."""
    if tensor.op == "add":
        return 1.0, 1.0
    if tensor.op == "mul":
        first, second = tensor.inputs
        return second.item(), first.item()
    return ()  # a leaf has no inputs, and no other op is used here


def follow_every_path(tensor: td.Tensor, g: float, gradients: dict) -> int:
    """Pass each gradient on as it arrives, and return the number of visits."""
    gradients[id(tensor)] += g
    visits = 1
    for parent, slope in zip(tensor.inputs, slopes(tensor), strict=True):
        visits += follow_every_path(parent, g * slope, gradients)
    return visits


def visit_once(order: list) -> dict:
    """Visit each node once, in this order, and pass on what has arrived by then."""
    gradients = defaultdict(float, {id(order[0]): 1.0})
    for tensor in order:
        for parent, slope in zip(tensor.inputs, slopes(tensor), strict=True):
            gradients[id(parent)] += gradients[id(tensor)] * slope
    return gradients


by_paths = defaultdict(float)
visits = follow_every_path(loss, 1.0, by_paths)
print(f"{'every path':21}  gradient of w: {by_paths[id(w)]:4}   visits: {visits}")
for order in ([loss, h, m, w], [loss, m, h, w]):
    route = ", ".join(names[id(tensor)] for tensor in order)
    g = visit_once(order)[id(w)]
    print(f"once: {route:15}  gradient of w: {g:4}   visits: {len(order)}")

# %% [markdown]
# **Notice.** The order loss, h, m, w gives a wrong gradient, and no warning. `h` was visited before `m`, so it passed
# on 1 instead of 7. Every node has to wait for all nodes that use it. An order with inputs before results is called a
# **topological order**. `backward()` walks it from the end.
#
# Following every path also gives the right gradient. To see why `backward()` does not work like this, repeat x = x + x
# and count the visits.

# %%
lengths = range(0, 21, 4)
path_visits, order_visits = [], []
print("additions   visits along every path   visits in topological order")
for length in lengths:
    end = td.Tensor(1.0, requires_grad=True)
    for _ in range(length):
        end = end + end
    path_visits.append(follow_every_path(end, 1.0, defaultdict(float)))
    order_visits.append(len(topological_order(end)))
    print(f"{length:9}   {path_visits[-1]:23}   {order_visits[-1]:27}")

# %%
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.plot(lengths, path_visits, "o-", color="#D55E00", label="along every path")
axes.plot(lengths, order_visits, "s--", color="#0072B2", label="in topological order")
axes.set(
    yscale="log",
    xlabel="length of the chain (additions)",
    ylabel="visits to nodes",
    xticks=lengths,
)
axes.legend()
figure.savefig(output / "02_the_graph.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# **Notice.** Each addition doubles the number of paths: 2^(n+1) - 1 visits against n + 1. Twenty additions cost two
# million visits. A hundred would not end in your lifetime.
#
# ## The graph of a real network
#
# Here are two of the paper's models on 500 digits. For each, the table lists the nodes in the order in which
# `backward()` visits them. ReLU2 is that of lesson 0. Abs-L2 has Abs in place of ReLU, and its last layer measures how
# far the hidden units are from ten points, its prototypes `mu` (lesson 11).
#
# **Predict first.** Which operation of ReLU2 is the first to receive a gradient from the loss? Are the images visited?

# %%
data = td.datasets.load("mnist", input="unit", train_size=500)


def mean_loss(model: td.nn.Module, rows: slice) -> td.Tensor:
    return model(td.Tensor(data.x_train[rows])).cross_entropy(data.y_train[rows])


for name in ("ReLU2", "Abs-L2"):
    model = td.build_model(name, seed=0)
    parameters = {id(tensor): title for title, tensor in model.named_parameters()}
    print(f"{name + ', visited':22}  shape       passes gradients on to")
    for tensor in reversed(topological_order(mean_loss(model, slice(None)))):
        title = tensor.op or parameters[id(tensor)]
        parents = ", ".join(
            parent.op or parameters[id(parent)]
            for parent in tensor.inputs
            if parent.requires_grad
        )
        print(f"   {title:19}  {tensor.shape!s:10}  {parents}")

# %% [markdown]
# **Notice.** Every path ends at a parameter, a tensor that training changes. The images are left out, because they do
# not require a gradient. In ReLU2 the whole gradient of the loss passes through one `relu` before it reaches any
# weight. Where the output of an image for a class is 0, this `relu` passes on 0: there, the loss of that image changes
# no weight. In Abs-L2 nothing of the kind stands between the loss and the distances.
#
# ## Gradients stay until they are cleared
#
# Two calls of `backward()` add up in `grad`, just as two paths do. **Predict first.** What is in `grad` after a call
# for each half of the digits, with both losses halved? And after one more call, for all the digits, without clearing?

# %%
model = td.build_model("ReLU2", seed=0)
bias = model.linear0.bias
mean_loss(model, slice(None)).backward()
whole = bias.grad
bias.grad = None  # what optimizer.zero_grad() does for every parameter
for half in (slice(0, 250), slice(250, 500)):
    (mean_loss(model, half) * 0.5).backward()
times = bias.grad @ whole / (whole @ whole)
print(f"two halves:  {times:.4f} times the gradient of the whole")
mean_loss(model, slice(None)).backward()
times = bias.grad @ whole / (whole @ whole)
print(f"not cleared: {times:.4f} times the gradient of the whole")

# %% [markdown]
# **Notice.** Within a step, adding is what we want: a batch too large for memory can be processed in parts. From one
# step to the next, adding is wrong: it mixes in gradients that were computed for older weights. Only you know where a
# step ends. Call `zero_grad()` there.
#
# **In three sentences.** Following every path gave the right gradient, 14, but took two million visits for twenty
# additions, where a topological order took 21. Visiting each node once gave 14 when all nodes waited for their
# consumers, and 2 when one did not. The gradients of two halves added up to that of the whole, and one more call
# doubled it.
#
# **Exercise.** Write two functions of tinydist, first the order, then the walk:
#
#     python -m tinydist.exercises check topological_order
#     python -m tinydist.exercises check backward
#
# Then train `ReLU` on these digits without `zero_grad()`, with `lr=0.1`. It may learn *faster*. Compare with
# `td.optim.SGD(..., momentum=0.9)`. Which momentum does training without `zero_grad()` correspond to?
#
# **Answer.** To a momentum of 1: `grad` becomes the sum of all gradients so far, and nothing of it is forgotten. (The
# optimizer refuses 1, which forgets nothing.) After 99 steps from seed 0, the loss is 0.0001 without `zero_grad()`,
# 0.42 with it, and 0.011 with `momentum=0.9` and `zero_grad()`. The accuracies on the test images are 79.7, 80.3 and
# 83.4%. So the mistake lowers the training loss faster here, and gains nothing on other images. `momentum=0.99` comes
# closest: 0.0003 and 80.2%.
