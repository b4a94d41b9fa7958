"""Protocols: training images, epochs and runs of an experiment."""

from __future__ import annotations

from dataclasses import dataclass

from tinydist.tables import counted


@dataclass(frozen=True)
class Protocol:
    """Sizes of an experiment.

    Attributes:
        train_size: training images, the first ones of the data set.
        epochs: passes over them; the paper takes one step in each.
        runs: of each model, each with a seed of its own.
    """

    train_size: int
    epochs: int
    runs: int

    def __str__(self) -> str:
        return self.in_words("images")

    def in_words(self, rows: str) -> str:
        """Return the sizes in words, with a word for what there is to train on."""
        return f"{self.train_size:,} training {rows}, {self.epochs:,} epochs, {counted(self.runs, 'run')} a model"


# Of the protocols that take a minute on two cores, quick finds the most of what the paper claims, by the calculation of
# tinydist.reproduce.evidence.power; the page of results has the table.
PROTOCOLS = {
    "quick": Protocol(train_size=1_000, epochs=350, runs=8),
    "paper": Protocol(train_size=60_000, epochs=5_000, runs=20),
    "extended": Protocol(train_size=60_000, epochs=50_000, runs=20),
}
LADDER = (
    PROTOCOLS["quick"],
    Protocol(train_size=3_000, epochs=500, runs=8),
    Protocol(train_size=10_000, epochs=500, runs=8),
    Protocol(train_size=30_000, epochs=500, runs=8),
    Protocol(train_size=60_000, epochs=500, runs=8),
    Protocol(train_size=60_000, epochs=1_000, runs=8),
    Protocol(train_size=60_000, epochs=2_000, runs=8),
    Protocol(train_size=60_000, epochs=5_000, runs=8),
    PROTOCOLS["paper"],
    PROTOCOLS["extended"],
)
"""From the quick protocol to the extended one, each more work than the one before: what a budget of time chooses from.

All have eight runs at least, because fewer leave most claims open, however much each of them learns from. Then come
images, because few are another, easier task to fit, which epochs do not make up for. Then epochs, because a model that
is still on its way up does not show where it arrives. More runs come last: they narrow the intervals.
"""
