"""Contradictions among the paper's numbers, recomputed from its own means and deviations.

The paper gives no single runs, so each t below comes from two published means and deviations of 20 runs. Rounding to
two decimals moves such a t by less than a tenth of itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from tinydist.analysis.statistics import Summary, TTest, student
from tinydist.reproduce.evidence.published import AFTER_5000_EPOCHS, AFTER_50000_EPOCHS, FIRST_TABLE

RUNS, OUTPUTS = 20, 10


@dataclass(frozen=True)
class Contradiction:
    """A statement of the paper that its own numbers, its author's notes or program contradict, and the evidence.

    Attributes:
        stated: what the paper says, or the paper and the notes or program.
        recomputed: the numbers that show the contradiction.
    """

    stated: str
    recomputed: str


def discussion(model: str) -> Summary:
    """Return the 5,000-epoch number of the Discussion (or the bias table) as a sample of 20 runs."""
    number = AFTER_5000_EPOCHS[model]
    return Summary(number.mean, number.sd, RUNS)


def first_table(model: str) -> Summary:
    """Return the number that table 2 prints as a sample of 20 runs."""
    return Summary(*FIRST_TABLE[model], RUNS)


def _t(test: TTest) -> str:
    p = test.p_differs()
    return f"t({test.df:g}) = {test.t:.2f}, p = {p:.1g}"


def _t_in_both(a: str, b: str) -> str:
    """Return, as text, Student's t for two models, by the Discussion's numbers and by those of table 2."""
    in_discussion, in_table = (student(of(a), of(b)) for of in (discussion, first_table))
    return f"{a} - {b}: by the Discussion's numbers {_t(in_discussion)}; by table 2 {_t(in_table)}"


def _p(t: float, df: int) -> float:
    return TTest(t, 1.0, df).p_differs()


def _equal_rows() -> str:
    later = {model.removesuffix("-Bias"): (row.mean, row.sd) for model, row in AFTER_50000_EPOCHS.items()}
    equal = sum(later[model] == row for model, row in FIRST_TABLE.items())
    gaps = [FIRST_TABLE[model][0] - AFTER_5000_EPOCHS[model].mean for model in FIRST_TABLE]
    return (
        f"{equal} of {len(FIRST_TABLE)} rows are the same in both, means and deviations; "
        f"table 2 is {min(gaps):.2f} to {max(gaps):.2f} points above the Discussion"
    )


def _dead_outputs() -> str:
    nodes = RUNS * OUTPUTS
    paper, notes = round(0.33 * nodes), round(0.22 * nodes)
    table = np.array([[paper, nodes - paper], [notes, nodes - notes]])
    p = float(scipy.stats.fisher_exact(table).pvalue)
    return (
        f"of {nodes} outputs in {RUNS} runs, {paper} against {notes} (Fisher's exact p = {p:.2f}, were all outputs "
        f"independent); {0.535 * nodes:.0f} outputs are below both 5% and 1% only if not one lies in between"
    )


def found_in_the_paper() -> tuple[Contradiction, ...]:
    """Return the contradictions, recomputed."""
    return (
        Contradiction(
            "ReLU and Abs do not differ significantly, t(38) = 1.14, p = 0.26.",
            _t_in_both("ReLU", "Abs"),
        ),
        Contradiction(
            "ReLU2 differs from ReLU with t = -17.33.",
            _t_in_both("ReLU2", "ReLU"),
        ),
        Contradiction(
            "ReLU2-Neg recovers to the ReLU baseline.",
            f"{_t_in_both('ReLU2-Neg', 'ReLU')}: close to the baseline, and surely below it",
        ),
        Contradiction(
            "Table 2 is for 5,000 epochs without bias, table 5 for 50,000 epochs with bias.",
            _equal_rows(),
        ),
        Contradiction(
            "The t-tests are paired, with 38 degrees of freedom.",
            f"{RUNS} pairs leave {RUNS - 1}, two samples of {RUNS} have {2 * RUNS - 2}; t = 1.50, published with "
            f"p = 0.14, has p = {_p(1.5, 38):.3f} with 38 and {_p(1.5, 19):.3f} with 19: so the tests were unpaired",
        ),
        Contradiction(
            "ReLU2 has 33% dead outputs (paper) or 22% (author's notes); 53.5% are active for less than 5% of the "
            "images (paper) or less than 1% (notes).",
            _dead_outputs(),
        ),
        Contradiction(
            "Images are normalised with mean 0.1307 and deviation 0.3081 (paper); the program feeds pixels from 0 to "
            "255.",
            f"the same images, {255 * 0.3081:.1f} times as large, at the same learning rate",
        ),
    )
