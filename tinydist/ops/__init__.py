"""Differentiable operations: each is its forward pass and, right beside it, its gradient rules.

The conventions are in :mod:`tinydist.ops.elementwise`; :mod:`tinydist.ops.table` lists all ops.
"""

from tinydist.ops.activations import elu, gelu, gelu_tanh, leaky_relu, silu, sin, softplus, square
from tinydist.ops.conv import avg_pool2d, conv2d, max_pool2d
from tinydist.ops.distance import weighted_distance
from tinydist.ops.elementwise import (
    Result,
    Vjps,
    abs,
    add,
    clamp,
    div,
    exp,
    log,
    maximum,
    mul,
    neg,
    pow,
    relu,
    sigmoid,
    sqrt,
    sub,
    tanh,
    unbroadcast,
)
from tinydist.ops.linear import linear, matmul, sparse_linear
from tinydist.ops.loss import cross_entropy, log_softmax
from tinydist.ops.reduce import max, mean, sum
from tinydist.ops.shape import concatenate, index, reshape, transpose

__all__ = [
    "Result",
    "Vjps",
    "abs",
    "add",
    "avg_pool2d",
    "clamp",
    "concatenate",
    "conv2d",
    "cross_entropy",
    "div",
    "elu",
    "exp",
    "gelu",
    "gelu_tanh",
    "index",
    "leaky_relu",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "max_pool2d",
    "maximum",
    "mean",
    "mul",
    "neg",
    "pow",
    "relu",
    "reshape",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "sparse_linear",
    "sqrt",
    "square",
    "sub",
    "sum",
    "tanh",
    "transpose",
    "unbroadcast",
    "weighted_distance",
]
