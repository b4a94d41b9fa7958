"""Baselines: simple, strong classifiers of scikit-learn to compare the models with, on the same rows."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets import Dataset, find_source
from tinydist.errors import DataError
from tinydist.files import read_bytes, write_atomically
from tinydist.reproduce.runs.progress import steps
from tinydist.reproduce.runs.run import data_in_memory
from tinydist.reproduce.runs.seals import opened, sealed
from tinydist.reproduce.runs.settings import RunConfig, Setting
from tinydist.sparse import SparseMatrix
from tinydist.training import accuracy

Array = NDArray[Any]

BASELINES = ("logistic regression", "Mahalanobis", "RBF-SVM", "gradient boosting")
ABOUT = (
    "The baselines are scikit-learn's LogisticRegression (at most 1,000 iterations), LinearDiscriminantAnalysis (the "
    "Mahalanobis distance to the mean of each class, by a common covariance, shrunk after Ledoit and Wolf), SVC (RBF "
    "kernel, C 1) and HistGradientBoostingClassifier, all with their defaults otherwise, and on columns that are "
    "standardised over the training rows."
)


def baseline_accuracies(configs: Iterable[RunConfig], path: Path) -> dict[RunConfig, dict[str, float]]:
    """Compute the test accuracy of each baseline on the rows that each of these runs was trained and tested on.

    Accuracies that have been computed before are read from a file, to which each new one is added at once.

    Args:
        configs: of the runs.
        path: the file, JSON.

    Returns:
        Test accuracies in percent by baseline, for each run.

    Raises:
        DataError: if scikit-learn is not installed, or the file is damaged.
        OSError: if the file cannot be written.
    """
    configs = list(configs)
    keys = {config: _key(config) for config in configs}
    known = _load(path)
    firsts = {key: config for config, key in reversed(keys.items())}
    todo = [(key, name) for key in firsts for name in BASELINES if name not in known.get(key, {})]
    for key, name in steps(todo, "baselines"):
        config = firsts[key]
        found = _accuracy(name, data_in_memory(config), config.seed)
        known.setdefault(key, {})[name] = found
        write_atomically(path, json.dumps(sealed(known), indent=1))
    return {config: {name: known[key][name] for name in BASELINES} for config, key in keys.items()}


def _key(config: RunConfig) -> str:
    """Return what the rows depend on; the scale of the input does not matter, as every column is standardised."""
    split = f", split {config.seed}" if find_source(config.dataset).splits else ""
    checksums = ", ".join(checksum[:16] for checksum in config.checksums().values())
    return f"{config.dataset} ({checksums}), {config.train_size} training rows{split}"


def _accuracy(name: str, data: Dataset, seed: int) -> float:
    """Return the test accuracy of one baseline in percent."""
    x_train, x_test = (x.dense() if isinstance(x, SparseMatrix) else x for x in (data.x_train, data.x_test))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the last iterations still improved the fit a little; see ABOUT
        classifier = _make(name, seed).fit(x_train.astype(np.float64), data.y_train)
        scores = np.eye(data.classes)[classifier.predict(x_test.astype(np.float64))]
    return accuracy(scores, data.y_test)


def check_installed(_settings: Sequence[Setting] = ()) -> None:
    """Raise a DataError unless scikit-learn is installed, which the baselines need under any settings."""
    _make(BASELINES[0], seed=0)


def _make(name: str, seed: int) -> Any:
    try:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC
    except ImportError as problem:
        raise DataError(
            f"the baselines need scikit-learn ({problem}). Install it with: pip install 'tinydist[studies]'"
        ) from None
    makers: Mapping[str, Callable[[], Any]] = {
        "logistic regression": lambda: LogisticRegression(max_iter=1_000),
        "Mahalanobis": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "RBF-SVM": lambda: SVC(cache_size=1_000),
        "gradient boosting": lambda: HistGradientBoostingClassifier(random_state=seed),
    }
    return make_pipeline(StandardScaler(), makers[name]())


def _load(path: Path) -> dict[str, dict[str, float]]:
    if not path.exists():
        return {}
    try:
        known = opened(read_bytes(path))
        return {key: {name: float(found) for name, found in group.items()} for key, group in known.items()}
    except (ValueError, AttributeError, TypeError) as problem:
        raise DataError(f"{path} is damaged ({problem}); delete it, and the baselines will be computed again") from None
