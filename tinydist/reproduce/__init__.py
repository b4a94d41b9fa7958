"""Rerun "Neural Networks Learn Distance Metrics" (arXiv 2502.02103) and say, claim by claim, what held.

``python -m tinydist.reproduce`` does it from the command line, :func:`run` from Python::

    from tinydist import reproduce

    results = reproduce.run(models=["ReLU", "ReLU2"], runs=5, epochs=200)
    results  # a table of accuracies, and the verdicts on the paper's claims
    results.records[0].final.test_accuracy
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinydist.reproduce.plans.call import Results, run

__all__ = ["Results", "run"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are used: processes that do runs import this package, and need neither."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tinydist.reproduce.plans import call

    return getattr(call, name)
