"""tinydist: see how gradients make a network choose distance or intensity.

A NumPy autograd engine small enough to read, the layers and models of "Neural Networks Learn Distance Metrics"
(arXiv 2502.02103), and ``python -m tinydist.reproduce`` to rerun the paper on MNIST.
"""

from tinydist import datasets, errors, nn, optim, trace
from tinydist.gradcheck import gradcheck
from tinydist.models import build_model
from tinydist.recording import no_grad
from tinydist.tensor import Tensor, apply, concatenate

__version__ = "0.1.0"

__all__ = [
    "Tensor",
    "apply",
    "build_model",
    "concatenate",
    "datasets",
    "errors",
    "gradcheck",
    "nn",
    "no_grad",
    "optim",
    "trace",
]
