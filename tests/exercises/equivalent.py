"""Changes of solutions that leave the function as it is, for every input that its task allows, each with the reason.

A change is described as ``line N: before -> after``; what stands here is the beginning of one, or of several.
"""

WIDE = "float64 is as good as the dtype that came in"
NUMBER = "a number is wanted, of whichever type"
ONLY_SIZE = "only the shape or the dtype is asked for, and the other array's is the same"
SIGN_ONLY = "only the sign of the array is looked at, or whether it is 0"
ADDED_ANYWAY = "the array is the function's own, so adding in place is the same"
OTHER_NUMBERS = "other numbers do as well"
OTHER_ORDER = "the order makes no difference"

EQUIVALENT: dict[str, dict[str, str]] = {
    "slope": {"line 2: (function(x + step": NUMBER},
    "unbroadcast": {
        "line 3: tuple((": "it is unpacked once, as a generator can be",
        "line 4: (*range(added), *stretched) -> (*str": OTHER_ORDER,
    },
    "topological_order": {
        "line 3: id(root) -> root": "root is not among its own inputs, so nobody looks whether it was seen",
        "line 4: iter(root.inputs) -> ": "an iterator over it is taken anyway, or the next input is asked for again",
        "line 10: iter(parent.inputs) -> ": "an iterator over it is taken anyway, or the next input is asked for again",
    },
    "gradcheck": {
        "line 10: np.asarray(x) -> x": "the inputs are arrays",
        "line 11: x.dtype != np.float64 -> x.dtype < np.float64": "no floating-point dtype is wider everywhere",
        "line 13: seed -> projections": "any seed will do",
        "line 23: return float(": "what is overwritten was made for this call alone",
        "line 23: float(": NUMBER,
        "line 29: abs(expected - received) <= ": "two measured numbers are never that equal",
        "line 29: expected - received -> ": "the absolute value is the same",
        "line 32: range(projections) -> ": "a projection less still finds every wrong rule",
    },
    "relu": {"line 2: x -> np.clip(x, -6, 6)": SIGN_ONLY},
    "abs": {
        "line 2: x -> np.clip(x, -6, 6)": SIGN_ONLY,
        "line 2: x -> np.abs(x)": "the absolute value is taken anyway",
    },
    "sqrt": {
        "line 2: x -> np.abs(x)": "there is no root of a negative number",
        "line 3: y != 0 -> y > 0": "a root is never negative",
    },
    "cross_entropy": {
        "line 2: logits -> labels": ONLY_SIZE,
        "line 3: 1 -> -1": "the logits have two axes",
        "line 4: 1 -> -1": "the logits have two axes",
        "line 6: gradient[rows, labels] -= 1": ADDED_ANYWAY,
        "line 6: labels -> np.abs(labels)": "labels are never negative",
        "line 7: labels -> np.abs(labels)": "labels are never negative",
        "line 7: -log_p": WIDE,
        "line 7: gradient / len(logits) -> np.float64": WIDE,
        "line 7: logits -> labels": ONLY_SIZE,
    },
    "dead_units": {"line 2: activations -> np.abs": "the absolute value is taken anyway"},
    "weighted_distance": {"line 3: 2 -> -1": "the differences have three axes"},
    "offset_l2": {
        "line 2: self.form == 'paper' -> self.form <= 'paper'": "there are two forms, and the other one is larger",
        "line 3: x.weighted_distance": "a Python number takes the tensor's dtype",
        "line 4: x.weighted_distance": "a Python number takes the tensor's dtype",
    },
    "kappa": {
        "line 2: after - before -> before - after": "the absolute value is taken anyway",
        "line 3: float(np.median": NUMBER,
        "line 3: before -> np.abs": "the absolute value is taken anyway",
    },
    "gelu": {
        "line 3: x -> np.clip(x, -6, 6)": "the density at 6 is 6e-9, and x times it is lost beside a share of 1",
        "line 4: x * share -> np.float64": WIDE,
        "line 4: g * (share + x * density) -> np.float64": WIDE,
        "line 4: x -> np.clip(x, -6, 6)": "the density at 6 is 6e-9, and x times it is lost beside a share of 1",
    },
    "conv2d": {
        "line 10: x -> weight": ONLY_SIZE,
        "line 15: x -> ": "zeros of its shape are made, whatever it holds",
        "line 17: gradient[:, :": ADDED_ANYWAY,
        "line 21: weight -> ": "zeros of its shape are made, whatever it holds",
        "line 23: gradient += ": ADDED_ANYWAY,
    },
    "weighted_squares_numba": {
        "line 3: center -> weight": ONLY_SIZE,
        "line 3: x -> ": ONLY_SIZE,
        "line 4: for i in prange": "a loop that is not shared out is right, and slower",
        "line 5: center -> weight": ONLY_SIZE,
        "line 6: x -> ": ONLY_SIZE,
        "line 7: squares[i, j] += ": ADDED_ANYWAY,
        "line 7: x[i, k] - center[j, k] -> center[j, k] - x[i, k]": "the square is the same",
    },
    "matmul_numba": {
        "line 3: a -> b": ONLY_SIZE,
        "line 4: for i in prange": "a loop that is not shared out is right, and slower",
        "line 7: product[i, j] += ": ADDED_ANYWAY,
    },
    "compress": {
        "line 3: (pointers, offsets, values) -> ": "all three start as an empty list",
        "line 6: matrix -> np.abs": "bytes are never negative",
        "line 12: count += ": ADDED_ANYWAY,
    },
    "cohens_d": {
        "line 5: float(": NUMBER,
        "line 7: float(": NUMBER,
        "line 8: spread == 0 -> spread <= 0": "a spread is never negative",
        "line 9: float(np.copysign": NUMBER,
        "line 10: difference / spread -> np.float64": NUMBER,
    },
    "catch_the_bug": {
        "line 10: value.dtype == dtype -> value.dtype <= dtype": "0.0001 becomes another number in float32 anyway",
        "line 2: (np.float64, np.float32) -> ": OTHER_ORDER,
        "line 3: ": OTHER_NUMBERS,
        "line 4: ": OTHER_NUMBERS,
    },
    "catch_the_distance_bug": {
        **{f"line {line}: ": OTHER_NUMBERS for line in (2, 3, 4, 5)},
        "line 7: 2 -> -1": "the differences have three axes",
        "line 8: (0.0, 0.75) -> ": OTHER_ORDER,
        "line 8: 0.75 -> ": OTHER_NUMBERS,
        "line 11: ": "what is divided by there is not used",
        "line 17: (np.float64, np.float32) -> ": OTHER_ORDER,
        "line 19: np.allclose(": "the tolerance is relative to either of two numbers that are nearly equal",
        "line 21: True -> False": "the zip is over three and three",
        "line 23: np.allclose(": "the tolerance is relative to either of two numbers that are nearly equal",
    },
}
