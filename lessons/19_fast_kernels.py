# %% [markdown]
# # 19. From loops to fast kernels
#
# **Time.** About 25 minutes, without the exercise. **Before it:** lessons 4 and 11.
#
# After this lesson you can explain why the same sum takes thousands of times longer in one form than in another. You
# can explain why a matrix full of zeros need not be multiplied. You also know how a sum shared between threads can
# still give the same bits every time.
#
# Nearly all of the training time goes into the first layer: $z_{ij} = \sum_k x_{ik} w_{kj}$, with 784 pixels k and 128
# hidden units j. One image costs 2 · 784 · 128 floating-point operations (*flops*): each product takes a multiplication
# and an addition. The rate in GFlop/s, billions of flops in a second, shows how well a machine is used.
#
# All times are measured where you run this. Each is the median of several runs. Yours will differ, and other programs
# that run at the same time make them worse.

# %%
import os
import time
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numba
import numpy as np

import tinydist as td
from tinydist.kernels import weighted_squares
from tinydist.sparse import SparseMatrix

FAST = "TINYDIST_FAST" in os.environ
IMAGES, REPEATS = (500, 3) if FAST else (10_000, 7)

# both float32: x (images, 784), w (784, 128)
x = td.datasets.load("mnist", input="raw", train_size=IMAGES).x_train
w = np.ascontiguousarray(td.build_model("ReLU").state_dict()["linear0.weight"].T)
exact = x.astype(float) @ w.astype(float)
density = np.count_nonzero(x) / x.size
times = {}  # of each form: microseconds an image, run by run


def run(function, *arguments):
    """Return the seconds of the first call, those of REPEATS more, and the result."""
    seconds = []
    for _ in range(1 + REPEATS):
        time.sleep(0.02)  # lets the threads of the call before come to rest
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
    return seconds[0], np.array(seconds[1:]), result


def rung(name, function, *arguments, images=IMAGES, work=1.0):
    """Time a product, compare it with float64, and print a line.

    `work` is the share of all flops that it does.
    """
    first, seconds, product = run(function, *arguments)
    error = np.abs(product - exact[:images]).max() / np.abs(exact).max()
    times[name] = 1e6 * seconds / images
    # GFlop/s, as if all of them were done
    rate = 2 * images * w.size / np.median(seconds) / 1e9
    print(f"{name:22}{images:10,}{first:11.2f}{np.median(times[name]):12,.2f}", end="")
    print(f"{rate * work:10.3g}{rate * density:10.3g}{error:9.0e}")


print(f"{numba.get_num_threads()} threads; {density:.0%} of the pixels are not zero\n")
for heads in (
    ("measured", "first", "us an", "GFlop/s", "GFlop/s", "relative"),
    ("on images", "call in s", "image", "done", "useful", "error"),
):
    widths = (10, 11, 12, 10, 10, 9)
    line = (f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
    print(" " * 22 + "".join(line))

# %% [markdown]
# ## Loops, whole arrays, compiled loops
#
# **Predict first.** The same three loops run in Python and then, word for word, compiled by numba. How many times
# faster is the second? And how fast is NumPy's broadcasting, which has no Python loop either? The slow forms get few
# images, and their time for one image is taken from those.


# %%
def three_loops(x, w):
    product = np.zeros((len(x), w.shape[1]), np.float32)
    for i in range(len(x)):
        for j in range(w.shape[1]):
            for k in range(w.shape[0]):
                product[i, j] += x[i, k] * w[k, j]
    return product


def broadcasting(x, w):
    return (x[:, :, None] * w).sum(axis=1)  # by way of (images, 784, 128)


rung("Python loops", three_loops, x[:2], w, images=2)
rung("NumPy broadcasting", broadcasting, x[:50], w, images=50)
rung("numba, same loops", numba.njit(three_loops), x[:500], w, images=500)

# %% [markdown]
# **Notice.** For every image, Python looks up 100,000 times what `*` means. Compiled code knows it beforehand, and is
# hundreds of times faster. Its first call includes the compilation and is timed separately. Broadcasting takes about as
# long as the compiled loops, within a factor of two. But it writes every product to memory and reads it back to add it
# up: 400 kB for an image of 3 kB. Both forms use little of the machine.
#
# ## The order of the loops, and all cores
#
# Memory is read in lines of 64 bytes: 16 numbers of float32. The innermost loop above walks *down a column* of `w` and
# uses one number of each line. Put the loop over j innermost, and it walks *along a row*. Then every number of a line
# is used, and vector instructions take 4 to 16 of them at once. The sums stay the same, in the same order.


# %%
def along_rows(x, w):
    product = np.zeros((len(x), w.shape[1]), np.float32)
    # prange is shared between threads with parallel=True, and a plain range without
    for i in numba.prange(len(x)):
        for k in range(w.shape[0]):
            for j in range(w.shape[1]):
                product[i, j] += x[i, k] * w[k, j]
    return product


rung("numba, along rows", numba.njit(along_rows), x, w)
rung("numba, all threads", numba.njit(parallel=True)(along_rows), x, w)
rung("BLAS, NumPy's @", np.matmul, x, w)

# %% [markdown]
# **Notice.** The order of two loops matters more than a second core. BLAS, the library behind `@`, is faster again. It
# cuts the product into blocks that fit the caches, and keeps its sums in registers.
#
# ## Do not multiply zeros
#
# Only flops with a pixel that is not zero are *useful*: four in five of those above are 0 times something. Compressed
# sparse rows (CSR) hold, row by row, the other values and their columns.
#
# **Predict first.** The CSR loop below does a fifth of BLAS's work. Does it take a fifth of the time?


# %%
@numba.njit(parallel=True)
def csr_product(pointers, columns, values, w):
    product = np.zeros((len(pointers) - 1, w.shape[1]), np.float32)
    for i in numba.prange(len(product)):
        for p in range(pointers[i], pointers[i + 1]):  # the non-zeros of row i
            for j in range(w.shape[1]):
                product[i, j] += values[p] * w[columns[p], j]
    return product


rows, columns = np.nonzero(x)
values = x[rows, columns]
pointers = np.append(0, np.cumsum(np.bincount(rows, minlength=len(x))))
pixels = SparseMatrix(x.astype(np.uint8))
rung("CSR, all threads", csr_product, pointers, columns, values, w, work=density)
rung("SparseMatrix", pixels.times, w, np.zeros(128, np.float32), work=density)

# %% [markdown]
# **Notice.** A fifth of the work is not a fifth of the time. Each step looks up a column, fetches that row from
# anywhere in the 400 kB of `w`, and loads and stores its sums. Its GFlop/s are well below BLAS's.
#
# tinydist's `SparseMatrix` does the same sums (see `tinydist/kernels/rows.py`), but with three differences. It cuts the
# columns into blocks whose rows of `w` stay in the nearest cache. It keeps the sums in registers. It holds a non-zero
# in two bytes. Only the useful rate compares all forms fairly. The other rate favours the forms that multiply zeros.

# %%
names = list(times)[::-1]
medians = np.array([np.median(times[name]) for name in names])
spread = [
    medians - [times[name].min() for name in names],
    [times[name].max() for name in names] - medians,
]
colors = [
    "#009E73" if name in ("SparseMatrix", "CSR, all threads") else "#56B4E9"
    for name in names
]

# %%
figure, axes = plt.subplots(figsize=(7.4, 3.6), layout="constrained")
bars = axes.barh(names, medians, xerr=spread, color=colors, ecolor="black", capsize=3)
axes.bar_label(bars, [f"{median:,.2f}" for median in medians], padding=8)
axes.set(xscale="log", xlim=(medians.min() / 3, medians.max() * 12))
axes.set_xlabel(
    f"µs an image, log axis (median of {REPEATS} runs, fastest to slowest); "
    "green: zeros skipped"
)
output = Path("results/lessons")
output.mkdir(parents=True, exist_ok=True)
figure.savefig(output / "19_fast_kernels.png", dpi=120)
print("figure saved in", output)

# %% [markdown]
# ## Memory that nobody needs
#
# OffsetL2 takes $s_{ij} = \sum_k a_{jk} (h_{ik} - c_{jk})^2$ for every image and class. Broadcasting first builds all
# differences, (images, classes, hidden). The kernel keeps one sum in a register and writes nothing but the result.

# %%
hidden = np.abs(pixels.times(w, np.zeros(128, np.float32)))  # (images, hidden)
drawn = np.random.default_rng(0).uniform(0.5, 1.5, (2, 10, 128))
centers, scales = drawn.astype(np.float32)  # (classes, hidden) each


def by_broadcasting(h, c, a):
    return (a * (h[:, None] - c) ** 2).sum(axis=2)


tracemalloc.start()
squares = by_broadcasting(hidden, centers, scales)
_, most = tracemalloc.get_traced_memory()
tracemalloc.stop()
print(f"result {squares.nbytes / 1e6:.2f} MB, most memory in use {most / 1e6:.0f} MB")
for name, function in (("broadcasting", by_broadcasting), ("kernel", weighted_squares)):
    _, seconds, result = run(function, hidden, centers, scales)
    print(
        f"{name:14}{1e6 * np.median(seconds) / IMAGES:6.2f} us an image;",
        f"agrees: {np.allclose(result, squares)}",
    )

# %% [markdown]
# **Notice.** The arithmetic is the same. Broadcasting takes longer because of the way to memory and back, and it needs
# space for two such arrays.
#
# ## The same bits with any number of threads
#
# Rounding makes the order of a sum matter. The function below cuts a sum into chunks, which the threads share out. Then
# it adds the sums of the chunks in order. The number of chunks is chosen in two ways. The first takes as many chunks as
# threads, as numba does with a `+=` in a `prange`. The second always takes 16 chunks.
#
# **Predict first.** Which of the two prints the same digits on every line?


# %%
@numba.njit(parallel=True)
def chunk_sums(numbers, chunks):
    sums = np.zeros(chunks, np.float32)
    for chunk in numba.prange(chunks):
        start = len(numbers) * chunk // chunks
        stop = len(numbers) * (chunk + 1) // chunks
        for i in range(start, stop):
            sums[chunk] += numbers[i]
    return sums


numbers, available = hidden.reshape(-1), numba.get_num_threads()
print(f"{'threads':>8}{'a chunk a thread':>20}{'16 chunks':>20}")
for threads in sorted({1, min(2, available), available}):
    numba.set_num_threads(threads)
    by_thread, by_16 = (sum(chunk_sums(numbers, n)) for n in (threads, 16))
    print(f"{threads:8}{by_thread:20,.0f}{by_16:20,.0f}")
print(f"{'float64':>8}{numbers.sum(dtype=float):20,.0f}")

# %% [markdown]
# **Notice.** With another number of threads, the first column rounds in other places (on one core you see one line).
# Neither column is exact, but the second is the same everywhere. tinydist cuts every large sum by the data and never by
# the threads. So a seed gives the same bits on two cores and on twenty.
#
# **In three sentences.** Compiled, the same three loops were hundreds of times faster, and in another order many times
# faster again. Skipping the zeros left a fifth of the work, but more than half of the time of BLAS, and `SparseMatrix`
# was the fastest. With 16 chunks a sum had the same digits for any number of threads.
#
# **Exercise.** Write three pieces of this lesson that were taken out of the library:
#
#     python -m tinydist.exercises check matmul_numba
#     python -m tinydist.exercises check compress
#     python -m tinydist.exercises check weighted_squares_numba
#
# Then, without a checker: expand the square in $s_{ij}$, so that BLAS does the work in two products without a large
# temporary. Time it, put a centre on a row of `hidden`, and compare with float64. What accuracy did the speed cost?
#
# **Answer.** The square is `(h * h) @ a.T - 2 * (h @ (a * c).T) + (a * c * c).sum(axis=1)`. On two cores it took 3.6 µs
# an image, broadcasting 8.4, and the kernel 1.6 (times vary). Far from a centre little is lost: the largest relative
# error is 8e-07, the kernel's 2e-07. With a centre on a row the exact distance is 0, and the kernel gives exactly 0.
# Over 1,000 such rows the two products give -0.25 to 0.25, and 39% of the values are negative, so a root would be NaN.
# Terms of some 300,000 cancel there, and their rounding remains.
