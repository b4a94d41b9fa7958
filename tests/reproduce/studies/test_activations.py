import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tinydist import datasets
from tinydist.activity import layer_output
from tinydist.models import model_names
from tinydist.nn import Activation
from tinydist.ops import ACTIVATIONS
from tinydist.reproduce import cli
from tinydist.reproduce.evidence.collapse import COLLAPSED, NO_COMPARISON, STANDS
from tinydist.reproduce.evidence.decisions import OPEN
from tinydist.reproduce.plans.studies import STUDIES
from tinydist.reproduce.report.page import finished_records
from tinydist.reproduce.runs.trained import trained_model
from tinydist.reproduce.studies import activations
from tinydist.reproduce.studies.activations import MODELS, OUTPUTS, Cell, heat_maps, in_words

TINY = ["--study", "activations", "--train-size", "100", "--epochs", "15", "--runs", "2"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny study: its folder, and what it printed."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        models = tuple(f"{a}{head}" for a in ("ReLU", "Abs") for head in OUTPUTS)
        patch.setitem(STUDIES, "activations", replace(activations.STUDY, models=models))
        assert cli.main([*TINY, "--out", str(out)]) == 0
    return out


def test_every_activation_meets_every_constraint():
    assert len(MODELS) == 5 * len(ACTIVATIONS)
    assert set(MODELS) <= set(model_names())


def test_a_tiny_study_end_to_end(study):
    with (study / "results.csv").open(newline="") as file:
        assert {row["model"] for row in csv.DictReader(file)} == {f"{a}{h}" for a in ("ReLU", "Abs") for h in OUTPUTS}
    text = (study / "study" / "activations-raw.txt").read_text()
    assert text.startswith("Not the paper's protocol: mnist, 100 training images, 15 epochs, 2 runs a model")
    assert (study / "study" / "activations-raw.png").stat().st_size > 10_000


def test_stuck_outputs_are_those_that_no_image_moves(study):
    data = datasets.load("mnist", train_size=100, layout="dense")
    records = [record for record in finished_records(study) if record.config.model in ("ReLU", "ReLU2", "Abs2")]
    cells = activations.read_cells(records, study, data)
    expected = []
    for record in records:
        if record.config.model == "ReLU2":
            model = trained_model(record.config.folder(study))
            expected.append(int((layer_output(model, data.x_train, "linear1") <= 0).all(axis=0).sum()))
    assert cells["ReLU", "2"].stuck == tuple(expected)
    assert sum(expected) > 0
    assert cells["Abs", "2"].stuck == (0, 0)
    assert cells["ReLU", ""].stuck == ()  # no activation after the outputs, so nothing to be stuck in


def test_collapses_are_decided_as_claims_are(record, tmp_path):
    rng = np.random.default_rng(0)
    means = {"ReLU": 90, "ReLU-L2": 60, "ReLU-L2-Neg": 89, "Abs": 90, "Abs-L2": 79.9}
    records = [record(m, s, mean + rng.normal()) for m, mean in means.items() for s in range(5)]
    records += [record("Abs-L2-Neg", seed, status="diverged") for seed in range(5)]
    cells = activations.read_cells(records, tmp_path, datasets.load("mnist", train_size=1))
    fates = {f"{activation}{head}": cell.collapse for (activation, head), cell in cells.items()}
    assert fates == {
        "ReLU": STANDS,
        "ReLU-L2": COLLAPSED,
        "ReLU-L2-Neg": STANDS,
        "Abs": STANDS,
        "Abs-L2": OPEN,
        "Abs-L2-Neg": NO_COMPARISON,
    }
    assert cells["Abs", "-L2-Neg"].failed == 5


def test_a_baseline_that_has_not_learned_is_none(record, tmp_path):
    records = [record(m, s, 10.0 + s / 10) for m in ("Sin", "Sin-L2") for s in range(3)]
    cells = activations.read_cells(records, tmp_path, datasets.load("mnist", train_size=1))
    assert {cell.collapse for cell in cells.values()} == {NO_COMPARISON}


def test_what_is_open_is_told_with_its_distance_in_the_mean():
    cells = cells_where({"ReLU"}) | {("Abs", "2"): Cell((20.0, 80.0), 0, (0, 0), OPEN)}
    assert "open: Abs (-40.5 points in the mean)" in " ".join(in_words(cells).split())


def cells_where(collapsed):
    """Every activation with two heads; the second collapses for these."""
    cells = {}
    for activation in ACTIVATIONS:
        cells[activation, ""] = Cell((90.0, 91.0), 0, (0, 0), STANDS)
        fallen = activation in collapsed
        cells[activation, "2"] = Cell((20.0 if fallen else 89.0, 30.0), 0, (3, 5), COLLAPSED if fallen else STANDS)
    return cells


def test_the_words_count_what_collapsed_with_and_without_a_property():
    text = in_words(cells_where({"ReLU"}))
    assert "Act2: collapsed: ReLU; stands: Abs" in text
    flat = sum(activations.shape_of(Activation(name)).flat_side for name in ACTIVATIONS)
    assert f"flat side: 1 of {flat} collapsed with it, 0 of {len(ACTIVATIONS) - flat} without" in text


def test_the_words_say_when_all_fared_alike():
    assert "All that are settled have not collapsed, so no property can tell them apart" in in_words(cells_where(set()))


def test_failed_cells_are_drawn_as_such():
    cells = cells_where({"ReLU"}) | {("Abs", "2"): Cell((), 3, (), NO_COMPARISON)}
    figure = heat_maps(cells, "a label", 3)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert "all runs\nfailed" in shown
    assert any("✗" in text for text in shown)
    assert "a label" in figure.get_suptitle()


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--models", "ReLU"], "--study activations has its own models; leave out --models or --study"),
        (["--no-report"], "--study activations writes its own results in place of the report; leave out --no-report"),
    ],
)
def test_what_a_study_decides_itself_is_refused(flags, complaint, refusal):
    assert complaint in refusal(*TINY, *flags)


def test_lost_weights_are_named_with_a_remedy_and_nothing_else_is_lost(study, tmp_path, monkeypatch, capsys):
    out = shutil.copytree(study, tmp_path / "study")
    lost = out / "runs" / "ReLU2-raw-seed0"
    (lost / "model.npz").unlink()
    monkeypatch.setitem(STUDIES, "activations", replace(activations.STUDY, models=("ReLU", "ReLU2")))
    assert cli.main([*TINY, "--out", str(out), "--jobs", "1"]) == 2
    assert (
        "delete the folder ReLU2-raw-seed0, or move it away to keep it, and run the sweep again"
        in capsys.readouterr().err
    )
    assert (out / "results.csv").read_bytes() == (study / "results.csv").read_bytes()
    shutil.rmtree(lost)
    assert cli.main([*TINY, "--out", str(out), "--jobs", "1"]) == 0
