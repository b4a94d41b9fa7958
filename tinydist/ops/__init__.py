"""Differentiable operations: each is its forward pass and, right beside it, its gradient rules.

The conventions are in :mod:`tinydist.ops.elementwise`; :mod:`tinydist.ops.table` lists all ops. A module's ``__all__``
says which of its functions are ops.
"""

from tinydist.ops.activations import *
from tinydist.ops.conv import *
from tinydist.ops.distance import *
from tinydist.ops.elementwise import *
from tinydist.ops.linear import *
from tinydist.ops.loss import *
from tinydist.ops.reduce import *
from tinydist.ops.shape import *
