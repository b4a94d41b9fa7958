"""Protocols: how much data, how long, how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """Sizes of an experiment.

    Attributes:
        train_size: training images, the first ones of the data set.
        epochs: full-batch gradient steps.
        runs: seeds 0, 1, … for each model.
    """

    train_size: int
    epochs: int
    runs: int

    def __str__(self) -> str:
        return f"{self.train_size:,} training images, {self.epochs:,} epochs, {self.runs} runs a model"


# quick trades images for epochs: with 6,000 images and 300 epochs, the same work, ReLU2-Neg is still on its way up and
# Abs-L2 still behind the baselines.
PROTOCOLS = {
    "quick": Protocol(train_size=3_000, epochs=500, runs=3),
    "paper": Protocol(train_size=60_000, epochs=5_000, runs=20),
    "extended": Protocol(train_size=60_000, epochs=50_000, runs=20),
}
LR = 0.001
"""The paper's learning rate, used by every protocol."""
