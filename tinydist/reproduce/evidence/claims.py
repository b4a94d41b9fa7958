"""The paper's claims, each with the comparisons that decide it.

What the paper puts into words has to become a size here, chosen before looking at runs. "No difference" can only be
shown within a margin: 1 point, which is 100 of the 10,000 test images, and a fifth of the smallest loss that the paper
makes something of, Abs2-Neg's 5.2 points. "Worse" is more than that margin, "catastrophically" more than 10 points,
"far less stable" more than twice the standard deviation, and "ahead" any gain at all, as the paper's own is below the
margin. :mod:`tinydist.reproduce.evidence.ledger` has the rule by which these sizes and the runs decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinydist.analysis.statistics import Summary
from tinydist.reproduce.evidence.comparisons import (
    Above,
    Comparison,
    MoreSpread,
    NeverDead,
    Reaches,
    RestsOnPrototypes,
    UsuallyDead,
    Within,
)
from tinydist.reproduce.evidence.protocols import PROTOCOLS, Protocol

MARGIN = 1.0
"""Points of test accuracy below which two models count as alike."""
CATASTROPHE = 10.0
"""Points of test accuracy that "catastrophically" has to mean at least."""
PAPER, EXTENDED = PROTOCOLS["paper"], PROTOCOLS["extended"]


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        number: 1 to 8, with a letter where the paper says several things at once.
        statement: what the paper says.
        source: where, and on what numbers.
        protocol: the one that it is about.
        comparisons: what has to be shown for it to hold, all of it.
        only_there: whether it can be tested under this protocol only.
        presupposes: numbers of the claims without which it does not arise, such as a failure without which there is
            nothing to rescue.
    """

    number: str
    statement: str
    source: str
    protocol: Protocol
    comparisons: tuple[Comparison, ...]
    only_there: bool = False
    presupposes: tuple[str, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models that the claim speaks of, each once."""
        return tuple(dict.fromkeys(model for comparison in self.comparisons for model in comparison.models))


CLAIMS: Sequence[Claim] = (
    Claim(
        "1",
        "The ReLU and Abs baselines do not differ",
        "t(38) = 1.14, p = 0.26",
        PAPER,
        (Within("ReLU", "Abs", MARGIN),),
    ),
    Claim(
        "2a", "ReLU2 fails catastrophically", "t = -17.33 against ReLU", PAPER, (Above("ReLU", "ReLU2", CATASTROPHE),)
    ),
    Claim(
        "2b",
        "ReLU2 fails by dead outputs",
        "33% of all outputs dead, 53.5% active on < 5% of inputs; in the author's notes 22% dead, 53.5% on < 1%",
        PAPER,
        (UsuallyDead("ReLU2"),),
        presupposes=("2a",),
    ),
    Claim(
        "3a",
        "Negating its output rescues ReLU2",
        "94.93 ± 0.15 after 47.20 ± 12.00 (Discussion)",
        PAPER,
        (Above("ReLU2-Neg", "ReLU2", CATASTROPHE),),
        presupposes=("2a",),
    ),
    Claim(
        "3b",
        "ReLU2-Neg recovers to the ReLU baseline",
        "94.93 ± 0.15 against 95.64 ± 0.19 (Discussion)",
        PAPER,
        (Within("ReLU2-Neg", "ReLU", MARGIN),),
        presupposes=("2a",),
    ),
    Claim(
        "4",
        "Abs2 is indistinguishable from Abs",
        "t = 1.50, p = 0.14",
        PAPER,
        (Within("Abs2", "Abs", MARGIN),),
    ),
    Claim(
        "5a",
        "Abs2-Neg is worse than Abs and Abs2",
        "90.08 against 95.26 and 95.35 (Discussion)",
        PAPER,
        (Above("Abs", "Abs2-Neg", MARGIN), Above("Abs2", "Abs2-Neg", MARGIN)),
    ),
    Claim(
        "5b",
        "Abs2-Neg is far less stable than Abs and Abs2",
        "deviation 2.56 against 0.19 and 0.17 (Discussion)",
        PAPER,
        (MoreSpread("Abs2-Neg", "Abs", 2), MoreSpread("Abs2-Neg", "Abs2", 2)),
    ),
    Claim(
        "6a",
        "A second-layer bias changes nothing where training works",
        "table 3",
        PAPER,
        tuple(Within(model, f"{model}-Bias", MARGIN) for model in ("ReLU", "Abs", "Abs2", "ReLU2-Neg")),
    ),
    Claim(
        "6b",
        "With a bias, ReLU2 and Abs2-Neg still fail",
        "39.94 ± 18.84 and 90.53 ± 2.36 (table 3)",
        PAPER,
        (Above("ReLU-Bias", "ReLU2-Bias", CATASTROPHE), Above("Abs2-Bias", "Abs2-Neg-Bias", MARGIN)),
        presupposes=("2a", "5a"),
    ),
    Claim(
        "7a",
        "With OffsetL2, plain and Neg do not differ",
        "table 5",
        EXTENDED,
        (Within("ReLU-L2", "ReLU-L2-Neg", MARGIN), Within("Abs-L2", "Abs-L2-Neg", MARGIN)),
    ),
    Claim(
        "7b",
        "ReLU-L2 avoids the failure of ReLU2",
        "97.33 ± 0.13 (table 5)",
        EXTENDED,
        (Above("ReLU-L2", "ReLU", -CATASTROPHE), Above("ReLU-L2", "ReLU2", CATASTROPHE)),
        presupposes=("2a",),
    ),
    Claim(
        "7c",
        "Abs-L2 is ahead of both baselines",
        "97.61 against 96.62 and 95.87 (table 5)",
        EXTENDED,
        (Above("Abs-L2", "ReLU", 0), Above("Abs-L2", "Abs", 0)),
    ),
    Claim(
        "7d",
        "Abs-L2 reaches 97.61 ± 0.07",
        "table 5",
        EXTENDED,
        (Reaches("Abs-L2", Summary(97.61, 0.07, 20), 0.5),),
        only_there=True,
    ),
    Claim(
        "7e",
        "OffsetL2 decides by its prototypes",
        "what the layer is for: a learned prototype for each class",
        EXTENDED,
        tuple(RestsOnPrototypes(model, CATASTROPHE) for model in ("ReLU-L2", "ReLU-L2-Neg", "Abs-L2", "Abs-L2-Neg")),
    ),
    Claim(
        "8",
        "Abs networks have no dead nodes in any layer",
        "analysis of dead nodes",
        PAPER,
        (NeverDead(("Abs", "Abs2", "Abs2-Neg")),),
    ),
)


def sizes() -> list[tuple[str, ...]]:
    """Return a table of all comparisons with their sizes, headings first: claim, comparison, test, epochs."""
    rows = [
        (claim.number, str(comparison), comparison.test, f"{claim.protocol.epochs:,}")
        for claim in CLAIMS
        for comparison in claim.comparisons
    ]
    return [("claim", "what has to be shown", "by", "epochs"), *rows]
