"""The exhibits put together what tests/analysis and test_figures test piece by piece."""

import io
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from tinydist import Tensor, build_model, datasets
from tinydist.analysis.perturbation import perturb_layer
from tinydist.analysis.statistics import summarize
from tinydist.nn import Sequential
from tinydist.reproduce.report import exhibits
from tinydist.reproduce.report.exhibits import Trained, from_records, from_weights
from tinydist.training import accuracy

MODELS = ("ReLU2", "Abs-L2", "Abs2-Neg")


@pytest.fixture(scope="module")
def trained():
    data = datasets.load("mnist", train_size=40, layout="sparse")
    models = {model: [build_model(model, seed=seed) for seed in (3, 4)] for model in MODELS}
    for runs in models.values():
        runs[0].linear0.weight.data[12] *= 2  # as if learned
    return Trained(models, dict.fromkeys(MODELS, 3), data, "a protocol")


@pytest.fixture(scope="module")
def shown(trained):
    return {exhibit.name: exhibit for exhibit in (make() for make in from_weights(trained))}


def test_every_exhibit_has_a_name_of_its_own_words_a_table_and_a_figure(shown):
    assert list(shown) == [
        *("node-activity", "outputs", "clamped-layer", "clamped-nodes", "latent-plane", "pre-activations"),
        *("hidden-units", "output-gradients", "ablation", "prototypes-Abs-L2"),
    ]
    for exhibit in shown.values():
        assert exhibit.title
        assert exhibit.text.endswith(".")
        assert len(exhibit.table.splitlines()) > 2
        pixels = matplotlib.image.imread(io.BytesIO(exhibit.png))
        assert np.ptp(pixels) > 0.5


def test_only_images_keep_their_black_and_white_on_a_dark_page(shown):
    assert {name for name, exhibit in shown.items() if exhibit.picture} == {
        *("hidden-units", "output-gradients", "prototypes-Abs-L2"),
    }


def test_every_model_is_in_every_common_table(shown):
    common = ("node-activity", "clamped-layer", "clamped-nodes", "outputs", "latent-plane", "pre-activations")
    for name in (*common, "hidden-units"):
        assert all(model in shown[name].table for model in MODELS), name


def test_what_offset_l2_rests_on_is_measured_in_every_run_on_the_test_images(trained, shown):
    *_, row = shown["ablation"].table.splitlines()
    layer = trained.models["Abs-L2"][0].offset
    mu, accuracies = layer.mu.data.copy(), []
    for network in trained.models["Abs-L2"]:
        moved = build_model("Abs-L2")
        moved.load_state_dict({**network.state_dict(), "offset.mu": np.roll(network.offset.mu.data, 1, axis=0)})
        accuracies.append(accuracy(moved(trained.data.x_test).data, trained.data.y_test))
    assert str(summarize(accuracies)) in row
    assert row.split()[0] == "Abs-L2"
    np.testing.assert_array_equal(layer.mu.data, mu)
    without = Trained({"ReLU2": trained.models["ReLU2"]}, {"ReLU2": 3}, trained.data, "a protocol")
    assert not [make for make in from_weights(without) if make.func is exhibits._ablation]


def test_node_activity_is_the_mean_over_runs_and_comes_with_the_published_shares(trained, shown):
    rows = [line.split() for line in shown["node-activity"].table.splitlines()]
    (row,) = (row for row in rows if row[:3] == ["ReLU2", "act1", "test"])
    x = trained.images
    dead = [sum(model(Tensor(x)).data.max(axis=0) <= 1e-6) for model in trained.models["ReLU2"]]
    assert row[3:5] == ["10", f"{100 * np.mean(dead) / 10:.1f}"]
    assert row[-1] == "2"
    assert "33% dead and 53.5% active on < 5% (paper), 22%" in shown["node-activity"].table


def test_the_clamps_are_those_of_the_analysis_on_the_first_test_images(trained, shown):
    n = exhibits.LAYER_IMAGES
    found = [
        perturb_layer(model, trained.images[:n], trained.data.y_test[:n]).unclamped
        for model in trained.models["Abs-L2"]
    ]
    assert ", ".join(f"{value:.1f}" for value in found) in shown["clamped-layer"].table


def test_what_was_learned_is_the_difference_from_the_start(shown):
    lengths = [line.split() for line in shown["hidden-units"].table.splitlines() if line.startswith("Abs-L2 ")]
    start = np.linalg.norm(build_model("Abs-L2", seed=3).linear0.weight.data[12])
    learned = {int(unit): float(length) for _, unit, _, length in lengths}
    assert 12 in learned
    assert len(learned) == 8
    assert all(length == pytest.approx(start if unit == 12 else 0, rel=0.01) for unit, length in learned.items())


def test_what_near_means_is_said_for_distance_and_intensity(trained):
    neg = {"Abs-L2-Neg": [build_model("Abs-L2-Neg", seed=3)]}
    both = Trained({"Abs-L2": trained.models["Abs-L2"], **neg}, {"Abs-L2": 3, "Abs-L2-Neg": 3}, trained.data, "")
    shown = (make() for make in from_weights(both) if make.func is exhibits._prototypes)
    texts = {exhibit.name: exhibit.text for exhibit in shown}
    assert "far means likely" in texts["prototypes-Abs-L2"]
    assert "near means likely" in texts["prototypes-Abs-L2-Neg"]


def test_analyses_leave_the_models_as_they_were(trained):
    weights = {name: array.copy() for name, array in trained.first["Abs2-Neg"].state_dict().items()}
    for make in from_weights(Trained({"Abs2-Neg": trained.models["Abs2-Neg"]}, {"Abs2-Neg": 3}, trained.data, "")):
        make()
    model = trained.first["Abs2-Neg"]
    assert isinstance(model, Sequential)
    assert all(np.array_equal(array, weights[name]) for name, array in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_records_show_accuracy_curves_and_the_dying_outputs_of_runs_that_lost_some(record):
    runs = [record("ReLU2", 1, 40.0, dead=6), record("ReLU2", 0, 80.0), record("Abs2", 0), record("ReLU", 0, dead=2)]
    shown = {exhibit.name: exhibit for exhibit in (make() for make in from_records(runs, "a protocol"))}
    assert list(shown) == ["accuracy", "learning-curves", "dying-outputs"]
    assert "60.00 ± 28.28" in shown["accuracy"].table
    assert shown["learning-curves"].table.splitlines()[2].split()[0] == "ReLU2"
    assert "ReLU2, seed 1" in shown["dying-outputs"].table
    assert "seed 0" not in shown["dying-outputs"].table
    assert "In the end all of a run's outputs are off on 0 to 0% of these rows." in shown["dying-outputs"].text
    assert "dying-outputs" not in [make().name for make in from_records(runs[2:3], "")]
    older = [replace(run, curve=tuple(replace(m, silent_images=None) for m in run.curve)) for run in runs]
    shown = {exhibit.name: exhibit for exhibit in (make() for make in from_records(older, ""))}
    assert shown["dying-outputs"].text.endswith("from before the first step to the last.")


def test_the_table_of_curves_has_mean_test_errors(record):
    runs = [record("ReLU", 0, 90.0), record("ReLU", 1, 80.0)]
    lines = from_records(runs, "")[1]().table.splitlines()
    assert lines[0].split()[-4:] == ["0", "1", "2", "5"]
    assert lines[2].split() == ["ReLU", *(f"{100 - mean:.2f}" for mean in (80, 81, 82, 85))]
