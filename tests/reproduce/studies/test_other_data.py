import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from tinydist import datasets
from tinydist.reproduce import cli
from tinydist.reproduce.evidence.decisions import OPEN
from tinydist.reproduce.evidence.outcomes import rounding
from tinydist.reproduce.evidence.protocols import Protocol
from tinydist.reproduce.plans.studies import STUDIES
from tinydist.reproduce.runs.seals import opened
from tinydist.reproduce.runs.settings import Setting
from tinydist.reproduce.studies import other_data
from tinydist.reproduce.studies.baselines import BASELINES, baseline_accuracies
from tinydist.reproduce.studies.other_data import ABOVE, BELOW, LEVEL, Results, compare, in_words

TINY = replace(
    other_data.STUDIES["tabular"],
    models=("ReLU", "ReLU-L2"),
    datasets=("wine", "covertype", "gun-point"),
    protocol=Protocol(train_size=60, epochs=5, runs=2),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny study of a table, which is split anew for each run, and of series, which are not: its folder."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDIES, "tabular", TINY)
        patch.setenv("SCIKIT_LEARN_DATA", str(out / "empty"))
        assert cli.main(["--study", "tabular", "--out", str(out), "--jobs", "1"]) == 0
    return out


def test_a_tiny_study_end_to_end(study):
    text = (study / "study" / "tabular.txt").read_text()
    assert "Not the paper's protocol: wine, 60 training rows, 5 epochs, 2 runs a model, lr 0.1" in text
    assert "gun-point, 50 training rows" in text  # it has no 60
    assert "covertype" not in text  # which is not here
    assert (study / "study" / "tabular.png").stat().st_size > 10_000
    runs = {path.name for path in (study / "runs").iterdir()}
    assert {"ReLU-normalized-wine-seed1", "ReLU-L2-normalized-gun-point-seed0"} <= runs


def test_without_scikit_learn_nothing_is_begun(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    assert cli.main(["--study", "sequential", "--out", str(tmp_path / "new")]) == 2
    assert "the baselines need scikit-learn" in (said := capsys.readouterr().err)
    assert "pip install 'tinydist[studies]'" in said
    assert not (tmp_path / "new").exists()


def test_baselines_see_the_rows_that_the_models_see(study, config):
    made = config("ReLU", seed=1, dataset="wine", input="normalized", train_size=60, arm="wine")
    found = baseline_accuracies([made], study / "study" / "baselines.json")[made]
    data = datasets.load("wine", train_size=60, split=1)
    scaler = StandardScaler().fit(data.x_train)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(
        scaler.transform(data.x_train), data.y_train
    )
    assert found["Mahalanobis"] == pytest.approx(100 * theirs.score(scaler.transform(data.x_test), data.y_test))
    known = opened((study / "study" / "baselines.json").read_text())
    assert sorted("split" in key for key in known) == [False, True, True]  # series are the same for both seeds


def test_baselines_are_computed_once(study, config, monkeypatch):
    monkeypatch.setattr("tinydist.reproduce.studies.baselines._accuracy", None)
    made = config("ReLU", seed=0, dataset="wine", input="raw", train_size=60)  # on another scale, but the same rows
    assert baseline_accuracies([made], study / "study" / "baselines.json")[made].keys() == set(BASELINES)


@pytest.mark.parametrize("damage", [lambda text: text[:-3], lambda text: text.replace("9", "8", 1)])
def test_a_damaged_file_of_baselines(study, capsys, monkeypatch, damage):
    path = study / "study" / "baselines.json"
    whole = path.read_text()
    path.write_text(damage(whole))
    monkeypatch.setitem(STUDIES, "tabular", replace(TINY, datasets=("wine", "gun-point")))
    assert cli.main(["--study", "tabular", "--out", str(study), "--jobs", "1"]) == 2
    assert "baselines.json is damaged" in capsys.readouterr().err
    path.write_text(whole)


# --- the comparisons, on made-up accuracies -------------------------------------------------------------------------


def made_up(accuracies, overlap=0.0, test_rows=1_000, dataset="wine"):
    setting = Setting(dataset, "normalized", 100, 5, 0.1)
    names = ("ReLU", "ReLU-L2", *BASELINES)
    by_seed = {name: dict(enumerate(accuracies[name])) for name in names if name in accuracies}
    failed = dict.fromkeys(by_seed, 0)
    return Results(setting, "not the paper's protocol", by_seed, {"ReLU": 0.0}, failed, rounding(test_rows), overlap)


def test_results_in_every_direction():
    noise = np.random.default_rng(0).normal(size=(6, 10)) / 10
    means = {"ReLU-L2": 90, "ReLU": 80, **dict(zip(BASELINES, (95, 90, 70, 60), strict=True))}
    found = compare([made_up({name: mean + e for (name, mean), e in zip(means.items(), noise, strict=True)})])
    results = {other: comparison.result for (_, _, other), comparison in found.items()}
    assert results == dict(zip(("ReLU", *BASELINES), (ABOVE, BELOW, LEVEL, ABOVE, ABOVE), strict=True))


def test_two_runs_far_apart_leave_it_open():
    found = compare([made_up({"ReLU": (80.0, 90.0), "ReLU-L2": (90.0, 85.0)})])
    assert [comparison.result for comparison in found.values()] == [OPEN]


def test_differences_that_happen_to_be_equal_are_not_certain():
    """Both runs are one test row of 50 better: no error is seen, but rounding alone would explain that."""
    (comparison,) = compare([made_up({"ReLU": (90.0, 92.0), "ReLU-L2": (92.0, 94.0)}, test_rows=50)]).values()
    assert (comparison.result, comparison.p) == (OPEN, 1)


def test_the_survivors_of_failed_runs_do_not_decide_for_their_model():
    sure = made_up({"ReLU": (80.0, 80.2, 80.1), "ReLU-L2": (90.0, 90.1, 90.3)})
    assert [comparison.result for comparison in compare([sure]).values()] == [ABOVE]
    survivors = replace(sure, failed={"ReLU": 0, "ReLU-L2": 1})
    assert [comparison.result for comparison in compare([survivors]).values()] == [OPEN]


def test_splits_that_share_rows_count_for_less():
    a, b = np.array([90.0, 91.5, 93.0, 90.5]), np.array([88.0, 90.0, 90.5, 90.0])
    plain, shared = (
        compare([made_up({"ReLU": tuple(b), "ReLU-L2": tuple(a)}, overlap)])[0, "ReLU-L2", "ReLU"]
        for overlap in (0.0, 3 / 7)
    )
    assert plain.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    factor = np.sqrt((1 / 4 + 3 / 7) / (1 / 4))  # Nadeau and Bengio 2003, equation for the corrected resampled t-test
    assert shared.test.t == pytest.approx(stats.ttest_rel(a, b).statistic / factor)


def test_a_model_whose_runs_all_failed_is_left_out():
    text = in_words([made_up({"ReLU": (), "ReLU-L2": (90.0, 91.0), "RBF-SVM": (80.0, 80.0)}) for _ in range(2)])
    assert "ReLU-L2 beside RBF-SVM" in text
    assert "ReLU-L2 beside ReLU" not in text
