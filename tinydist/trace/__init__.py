"""Recording of the gradients in a backward pass.

* :func:`record` and :func:`record_model` record one backward pass: every node, its gradient, and which op zeroed it;
* :func:`explain` goes through a backward pass one rule at a time and checks each against the slope;
* :func:`check_numbers` names the first op that makes a NaN or an infinity, and the line that called it;
* :mod:`tinydist.trace.flow` records a whole training run, :mod:`tinydist.trace.figures` draws all of this;
* ``python -m tinydist.trace`` puts models side by side on the same image.
"""

from tinydist.trace.explain import explain
from tinydist.trace.numbers import check_numbers
from tinydist.trace.record import Step, Trace, named_loss, record, record_model

__all__ = ["Step", "Trace", "check_numbers", "explain", "named_loss", "record", "record_model"]
