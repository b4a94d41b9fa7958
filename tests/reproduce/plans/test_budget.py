import itertools
import json
from dataclasses import asdict, replace

import joblib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydist.errors import BudgetError, DataError, TrainSizeError
from tinydist.models import PAPER_MODELS
from tinydist.reproduce import cli
from tinydist.reproduce.evidence.protocols import LADDER, PROTOCOLS, Protocol
from tinydist.reproduce.plans import budget
from tinydist.reproduce.runs.records import load_configs, write_config

MODELS = ["ReLU", "Abs"]
SECONDS_AN_IMAGE = 1.23457891e-6
TINY = (Protocol(20, 2, 1), Protocol(40, 2, 1), Protocol(40, 3, 2))


SCHEDULER = ["--scheduler", "tcp://host:8786"]


class Paces:
    """Made-up paces, the same for every model and in proportion to the images; notes what it was asked."""

    def __init__(self, seconds_an_image=SECONDS_AN_IMAGE, names=("ReLU raw", "Abs raw")):
        self.seconds_an_image, self.names, self.asked = seconds_an_image, names, []

    def __call__(self, train_size, jobs):
        self.asked.append((train_size, jobs))
        return dict.fromkeys(self.names, train_size * self.seconds_an_image)


def never(*_):
    raise AssertionError("measured again")


def expected_seconds(protocol):
    """For two models and one job: all the runs one after another, 15 percent more, and a minute."""
    return 1.15 * 2 * protocol.runs * protocol.epochs * protocol.train_size * SECONDS_AN_IMAGE + 60


def test_the_ladder_climbs_from_quick_to_extended():
    assert LADDER[0] == PROTOCOLS["quick"]
    assert LADDER[-2:] == (PROTOCOLS["paper"], PROTOCOLS["extended"])
    for below, above in itertools.pairwise(LADDER):
        sizes = list(zip(asdict(below).values(), asdict(above).values(), strict=True))
        assert all(small <= large for small, large in sizes)
        assert any(small < large for small, large in sizes)


@pytest.mark.parametrize("position", range(len(LADDER)))
def test_what_fits_to_the_second_is_chosen_and_a_second_less_is_not_enough(position):
    protocol = LADDER[position]
    enough = int(expected_seconds(protocol)) + 1
    assert budget.choose(enough, MODELS, ["raw"], 1, Paces()).protocol == protocol
    if position > 0:
        assert budget.choose(enough - 1, MODELS, ["raw"], 1, Paces()).protocol == LADDER[position - 1]


@given(st.floats(1e-9, 1e-3), st.integers(1, 64), st.integers(1, 10**8), st.integers(1, 10**8))
def test_a_larger_budget_never_gives_a_smaller_protocol(seconds_an_image, jobs, one, other):
    def chosen(seconds):
        try:
            return LADDER.index(budget.choose(seconds, MODELS, ["raw"], jobs, Paces(seconds_an_image)).protocol)
        except BudgetError:
            return -1

    small, large = sorted((one, other))
    assert chosen(small) <= chosen(large)


@given(st.lists(st.floats(1e-4, 10), min_size=1, max_size=12), st.integers(1, 16), st.integers(100, 10**8))
def test_what_is_chosen_fits(paces, jobs, seconds):
    """By the least that it can take: an even share of the work, and the longest run."""
    models = [f"model {number}" for number in range(len(paces))]
    try:
        choice = budget.choose(seconds, models, ["raw"], jobs, lambda *_: dict(zip(models, paces, strict=True)))
    except BudgetError:
        return
    work = choice.protocol.epochs * choice.protocol.runs * sum(paces)
    assert 1.15 * max(work / jobs, choice.protocol.epochs * max(paces)) + 60 <= seconds * (1 + 1e-9)


def test_each_model_and_input_counts_with_its_own_pace():
    assert budget.estimate(Protocol(60_000, 100, 2), [0.5, 2.0, 1.0], jobs=1) == pytest.approx(1.15 * 700 + 60)


def test_side_by_side_takes_no_less_than_the_longest_run():
    assert budget.estimate(Protocol(60_000, 100, 1), [0.1, 2.0], jobs=64) == pytest.approx(1.15 * 200 + 60)


def test_the_pace_is_measured_once_for_each_number_of_images_and_from_above():
    paces = Paces()
    budget.choose(int(expected_seconds(LADDER[0])) + 1, MODELS, ["raw"], 1, paces)
    assert paces.asked == [(size, 1) for size in (60_000, 30_000, 10_000, 3_000, 1_000)]


def test_with_more_cores_than_runs_the_pace_is_that_of_as_many_runs_as_there_are():
    paces = Paces(names=["ReLU raw"])
    budget.choose(62, ["ReLU"], ["raw"], 16, paces)
    assert paces.asked == [(60_000, 16), *((size, 8) for size in (60_000, 30_000, 10_000, 3_000, 1_000))]


def test_the_reason_names_the_protocol_its_time_and_the_next_one():
    choice = budget.choose(20 * 60, MODELS, ["raw"], 1, Paces())
    assert expected_seconds(LADDER[4]) == pytest.approx(12 * 60, abs=30)
    assert expected_seconds(LADDER[5]) == pytest.approx(24 * 60, abs=30)
    assert choice.reason == (
        "Budget 20m: 60,000 training images, 500 epochs, 8 runs a model should take about 12 min, at 74.1 ms an "
        "epoch on average with 1 at a time; the next larger protocol (60,000 training images, 1,000 epochs, 8 runs a "
        "model) would take about 24 min."
    )


def test_above_the_largest_there_is_nothing():
    choice = budget.choose(10**9, MODELS, ["raw"], 1, Paces())
    assert choice.protocol == PROTOCOLS["extended"]
    assert choice.reason.endswith("there is no larger protocol.")


def test_too_short_for_anything():
    with pytest.raises(BudgetError) as caught:
        budget.choose(45, MODELS, ["raw"], 1, Paces())
    assert str(caught.value) == (
        "a budget of 45s is too short: here even the smallest protocol (1,000 training images, 350 epochs, 8 runs a "
        "model) takes about 1 min 8 s. Give more time, or fewer --models"
    )


def test_the_choice_is_kept_and_not_measured_again(tmp_path):
    first = budget.within(3600, MODELS, ["raw"], 1, tmp_path, Paces())
    again = budget.within(3600, MODELS[::-1], ["raw"], 2, tmp_path, never)
    assert replace(again, reason=first.reason) == first
    assert again.reason == f"{first.reason} Chosen before: {tmp_path / 'budget.json'}"
    assert first.measured == [
        {
            "train_size": 60_000,
            "jobs": 1,
            "seconds_an_epoch": dict.fromkeys(("ReLU raw", "Abs raw"), 60_000 * SECONDS_AN_IMAGE),
        }
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["budget.json"]


def test_nothing_is_kept_if_nothing_fits(tmp_path):
    with pytest.raises(BudgetError):
        budget.within(45, MODELS, ["raw"], 1, tmp_path / "new", Paces())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("seconds", "models", "inputs", "words"),
    [
        (7200, MODELS, ["raw"], "budget 1h (now 2h)"),
        (3600, ["ReLU"], ["raw"], "models Abs, ReLU (now ReLU)"),
        (3600, MODELS, ["raw", "unit"], "inputs raw (now raw, unit)"),
        (7200, ["Abs2"], ["raw"], "budget 1h (now 2h); models Abs, ReLU (now Abs2)"),
    ],
)
def test_a_choice_for_something_else_is_refused(tmp_path, seconds, models, inputs, words):
    budget.within(3600, MODELS, ["raw"], 1, tmp_path, Paces())
    before = (tmp_path / "budget.json").read_bytes()
    with pytest.raises(DataError) as caught:
        budget.within(seconds, models, inputs, 1, tmp_path, never)
    assert f"chosen for other settings: {words}. Choose another folder with --out" in str(caught.value)
    assert (tmp_path / "budget.json").read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:0],
        lambda text: text[:100],
        lambda text: f"[{text}]",
        lambda text: text.replace("epochs", "epocs"),
        lambda text: text.replace('"train_size": 60000,\n  "epochs"', '"train_size": "many",\n  "epochs"'),
        lambda text: text.replace('"runs": 8', '"runs": 0'),
        lambda text: text.replace('"budget": 3600', '"budget": null'),
        lambda text: text.replace('"inputs"', '"imputs"'),
        lambda text: text + "}",
    ],
)
def test_a_damaged_choice_is_refused(tmp_path, damage):
    path = tmp_path / "budget.json"
    budget.within(3600, MODELS, ["raw"], 1, tmp_path, Paces())
    whole = path.read_text()
    path.write_text(damage(whole))
    assert path.read_text() != whole
    with pytest.raises(DataError) as caught:
        budget.within(3600, MODELS, ["raw"], 1, tmp_path, never)
    assert f"{path} is damaged" in str(caught.value)
    assert "by --train-size, --epochs and --runs in place of --budget" in str(caught.value)


def test_runs_that_were_begun_without_a_budget_are_left_alone(tmp_path, config):
    write_config(config(), tmp_path, parts=[])
    with pytest.raises(DataError, match="holds runs that were begun without --budget"):
        budget.within(3600, MODELS, ["raw"], 1, tmp_path, never)
    assert not (tmp_path / "budget.json").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_real_steps_are_timed_for_every_model_and_input(jobs, config):
    configs = [config(model, input=input) for input in ("raw", "normalized") for model in MODELS]
    paces = budget.measure(configs, 30, jobs)
    assert list(paces) == ["ReLU raw", "Abs raw", "ReLU normalized", "Abs normalized"]
    assert all(0 < pace < 60 for pace in paces.values())


def test_from_a_budget_to_results_and_again_from_another_day(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(budget, "LADDER", TINY)
    monkeypatch.chdir(tmp_path)
    command = ["--budget", "2h", "--models", "ReLU,Abs", "--input", "raw,unit", "--jobs", "1", "--no-report"]
    assert cli.main(command) == 0
    shown = capsys.readouterr().out
    assert "Budget 2h: 40 training images, 3 epochs, 2 runs a model should take about" in shown
    assert "there is no larger protocol." in shown
    (folder,) = (tmp_path / "results").iterdir()
    assert folder.name == "mnist-raw+unit-auto-budget-2h-lr0.001"
    assert {(run.train_size, run.epochs) for run in load_configs(folder)} == {(40, 3)}
    assert len(load_configs(folder)) == 2 * 2 * 2
    assert json.loads((folder / "budget.json").read_text())["protocol"] == asdict(TINY[-1])

    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*")}
    monkeypatch.setattr(budget, "measure", never)
    assert cli.main(command) == 0
    assert "Chosen before: results/mnist-raw+unit-auto-budget-2h-lr0.001/budget.json" in " ".join(
        capsys.readouterr().out.split()
    )
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*")} == before
    assert list((tmp_path / "results").iterdir()) == [folder]


def test_a_slow_machine_gets_the_protocol_that_fits(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(budget, "LADDER", TINY)
    monkeypatch.setattr(budget, "measure", lambda *_: {"ReLU raw": 90.0})
    assert cli.main(["--budget", "5m", "--models", "ReLU", "--jobs", "1", "--no-report", "--out", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Budget 5m: 40 training images, 2 epochs, 1 run a model should take about 4 min 27 s" in shown
    assert "(40 training images, 3 epochs, 2 runs a model) would take about 11 min." in shown
    assert {(run.train_size, run.epochs) for run in load_configs(tmp_path)} == {(40, 2)}


@pytest.mark.parametrize(
    "flags",
    [
        ["--protocol", "quick"],
        ["--epochs", "9"],
        ["--train-size", "9"],
        ["--runs", "9"],
        SCHEDULER,
        ["--batch-size", "9"],
    ],
)
def test_a_budget_and_sizes_exclude_each_other(flags, refusal):
    shown = refusal("--budget", "2h", *flags)
    assert (
        "--budget chooses the sizes of the experiment by the pace of full-batch gradient descent on this machine"
        in shown
    )
    assert f"leave out {flags[0]} or --budget" in shown


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "Stopped before any run began."),
        (joblib.externals.loky.process_executor.TerminatedWorkerError(), 2, "use fewer --jobs"),
        (OSError(28, "No space left on device"), 2, "error: [Errno 28] No space left on device"),
    ],
)
def test_a_measurement_that_fails(failure, status, words, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise failure

    monkeypatch.setattr(budget, "measure", fail)
    assert cli.main(["--budget", "2h", "--out", str(tmp_path / "new")]) == status
    assert words in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_too_short_a_budget_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(budget, "measure", lambda *_: dict.fromkeys(PAPER_MODELS, 1.0))
    assert cli.main(["--budget", "45s", "--jobs", "1", "--out", str(tmp_path / "new")]) == 2
    assert "error: a budget of 45s is too short" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_budget_uses_all_rows_where_there_are_fewer_than_in_a_protocol(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(budget, "LADDER", (Protocol(20, 2, 1), Protocol(3_000, 2, 1), Protocol(60_000, 2, 1)))
    flags = ["--dataset", "wine", "--models", "ReLU", "--jobs", "1", "--no-report"]
    assert cli.main(["--budget", "1h", *flags, "--out", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Budget 1h: 124 training rows, 2 epochs, 1 run a model should take" in said
    assert {config.train_size for config in load_configs(tmp_path)} == {124}


def test_protocols_that_differ_in_rows_that_are_not_there_are_one():
    asked = []

    def pace(train_size, jobs):
        if train_size > 124:
            raise TrainSizeError("wine has 124 training rows", 124)
        asked.append((train_size, jobs))
        return dict.fromkeys(("ReLU raw", "Abs raw"), 1e-4)

    choice = budget.choose(10**9, MODELS, ["raw"], 1, pace, "rows")
    assert choice.protocol == Protocol(124, 50_000, 20)
    assert asked == [(124, 1)]
    with pytest.raises(BudgetError, match=r"even the smallest protocol .124 training rows, 350 epochs, 8 runs a model"):
        budget.choose(1, MODELS, ["raw"], 1, pace, "rows")


def test_the_folder_of_a_budget_is_named_by_what_was_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "LADDER", TINY)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["--budget", "2h", "--models", "Conv-ReLU", "--jobs", "1", "--no-report"]) == 0
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["mnist-raw-auto-budget-2h-lr0.001"]
