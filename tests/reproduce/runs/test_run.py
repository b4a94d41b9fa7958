"""One run, stopped between two epochs in this process; test_interruption kills real ones."""

import csv
import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tinydist import datasets
from tinydist.analysis.overshoot import measure_overshoot
from tinydist.errors import DataError
from tinydist.reproduce.runs import run
from tinydist.reproduce.runs.checkpoints import Checkpoint, ForeignCheckpointError, load_checkpoint, save_arrays
from tinydist.reproduce.runs.environment import environment
from tinydist.reproduce.runs.pool import LocalPool
from tinydist.reproduce.runs.records import all_finished, load_config, load_record, write_config, write_csv
from tinydist.reproduce.runs.run import execute, first_overshoot
from tinydist.reproduce.runs.starts import start
from tinydist.reproduce.runs.sweep import sweep

EPOCHS = 12


def do(config, out, stop_after=None, every=1e-9):
    """Do a run, or stop it as Ctrl-C would after some epochs."""

    def on_epoch(epoch):
        if epoch == stop_after:
            raise KeyboardInterrupt

    if not config.folder(out).exists():
        write_config(config, out, parts=[])
    return execute(config, out, every, environment(), on_epoch)


@pytest.fixture
def stopped(config, tmp_path):
    """A run that was stopped after some epochs, with a checkpoint after each: its config."""

    def make(after=7, model="Abs2-Neg", **settings):
        settings = config(model, epochs=EPOCHS, **settings)
        with pytest.raises(KeyboardInterrupt):
            do(settings, tmp_path, stop_after=after)
        return settings

    return make


def bits(config, out):
    """The outcome of a run, without its time: status, curve, metrics and weights, each exactly."""
    folder = config.folder(out)
    result = json.loads((folder / "result.json").read_text())
    with np.load(folder / "model.npz", allow_pickle=False) as weights:
        arrays = {name: array.tobytes() for name, array in weights.items()}
    return result["status"], result["curve"], (folder / "metrics.jsonl").read_bytes(), arrays


@pytest.fixture
def uninterrupted(tmp_path):
    def make(config):
        do(config, tmp_path / "uninterrupted")
        return bits(config, tmp_path / "uninterrupted")

    return make


@pytest.mark.parametrize("after", [1, 5, 7, EPOCHS])  # 5 and 7: with and without a measurement that is still due
def test_a_stopped_run_goes_on_to_the_same_bits(stopped, uninterrupted, tmp_path, after):
    config = stopped(after)
    did = []
    execute(config, tmp_path, 30, environment(), did.append)
    assert did == list(range(after + 1, EPOCHS + 1))
    assert bits(config, tmp_path) == uninterrupted(config)
    assert [part["start"] for part in load_config(config.folder(tmp_path))[1]] == [0, after]
    assert {path.name for path in config.folder(tmp_path).iterdir()} == {
        *("config.json", "metrics.jsonl", "model.npz", "result.json"),
    }


def test_a_run_by_mini_batches_goes_on_to_the_same_bits(config, tmp_path):
    settings = config("ReLU2", epochs=EPOCHS, optimizer="adam", batch_size=16)
    do(settings, tmp_path / "uninterrupted")
    for after in (3, 8):
        with pytest.raises(KeyboardInterrupt):
            do(settings, tmp_path, stop_after=after)
    do(settings, tmp_path)
    assert bits(settings, tmp_path) == bits(settings, tmp_path / "uninterrupted")


def image_folder(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, count in (("train_data_batch_1", 20), ("train_data_batch_2", 15), ("val_data", 9)):
        pixels, labels = rng.integers(0, 256, (count, 48), dtype=np.uint8), np.arange(count) % 3 + 1
        np.savez_compressed(folder / f"{name}.npz", data=pixels, labels=labels)
    return {"dataset": str(folder), "train_size": 35, "chunk_size": 8}


@pytest.mark.parametrize(
    "change",
    [
        image_folder,
        lambda _: {"dataset": "wine", "input": "normalized", "train_size": 124},
        lambda _: {"model": "Conv-ReLU2", "train_size": 20},
        lambda _: {"hidden": 16, "initialization": "he", "first_init": 0.1, "first_step": 0.01, "arm": "mine"},
        lambda _: {"last_init": 0.1, "last_step": 0.01, "arm": "mine"},
    ],
    ids=["images on disk", "a table split by the seed", "a convolution", "another start", "another last layer"],
)
def test_runs_beyond_the_paper_go_on_to_the_same_bits(config, tmp_path, change):
    settings = config(**{"model": "Abs-L2", "seed": 3, "epochs": 6, **change(tmp_path)})
    with pytest.raises(KeyboardInterrupt):
        do(settings, tmp_path, stop_after=4)
    do(settings, tmp_path)
    assert [part["start"] for part in load_config(settings.folder(tmp_path))[1]] == [0, 4]
    do(settings, tmp_path / "uninterrupted")
    assert bits(settings, tmp_path) == bits(settings, tmp_path / "uninterrupted")


def test_a_run_can_be_stopped_again_and_again(stopped, uninterrupted, tmp_path):
    config = stopped(2)
    for after in (3, 8, 11):
        with pytest.raises(KeyboardInterrupt):
            do(config, tmp_path, stop_after=after)
    do(config, tmp_path)
    assert bits(config, tmp_path) == uninterrupted(config)


def test_the_saved_weights_are_those_that_were_measured(config, tmp_path):
    settings = config("Abs2", epochs=3)
    record = do(settings, tmp_path)
    data = datasets.load("mnist", train_size=1)
    with np.load(settings.folder(tmp_path) / "model.npz", allow_pickle=False) as weights:
        hidden = np.abs(data.x_test @ weights["linear0.weight"].T + weights["linear0.bias"])
        logits = np.abs(hidden @ weights["linear1.weight"].T)
    assert record.final.test_accuracy == pytest.approx(100 * np.mean(logits.argmax(axis=1) == data.y_test), abs=0.02)


def test_checkpoints_come_by_time(config, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Checkpoint, "save", lambda checkpoint, _: saved.append(checkpoint.epoch))
    clock = iter(range(1000))
    monkeypatch.setattr(run.time, "perf_counter", lambda: next(clock))
    do(config("ReLU", epochs=20), tmp_path, every=1000)
    assert saved == []
    do(config("Abs", epochs=20), tmp_path, every=5)
    assert 2 <= len(saved) <= 4


def test_the_time_of_all_parts_is_counted(stopped, tmp_path):
    config = stopped()
    checkpoint = load_checkpoint(config.folder(tmp_path) / "checkpoint.npz")
    replace(checkpoint, seconds=1e6).save(tmp_path)
    assert 1e6 < do(config, tmp_path).seconds < 1e6 + 100


@pytest.mark.parametrize("damage", ["cut in a line", "emptied", "removed", "written on"])
def test_metrics_after_the_checkpoint_are_made_again_and_lost_ones_restored(stopped, uninterrupted, tmp_path, damage):
    config = stopped()
    metrics = config.folder(tmp_path) / "metrics.jsonl"
    contents = metrics.read_bytes()
    match damage:
        case "cut in a line":
            metrics.write_bytes(contents[:-20])
        case "emptied":
            metrics.write_bytes(b"")
        case "removed":
            metrics.unlink()
        case "written on":
            metrics.write_bytes(contents + contents.splitlines(keepends=True)[-1])
    do(config, tmp_path)
    assert bits(config, tmp_path) == uninterrupted(config)


@pytest.mark.parametrize("kept", [0, 1, 1000, -1000, -1])
def test_a_cut_checkpoint_is_told_of_and_its_run_begins_again(stopped, uninterrupted, tmp_path, kept, capsys):
    config = stopped()
    path = config.folder(tmp_path) / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:kept])
    sweep([config], tmp_path, LocalPool(1))
    assert "checkpoint.npz is damaged" in (shown := capsys.readouterr().err)
    assert "Abs2-Neg raw seed 0 begins again" in shown
    assert bits(config, tmp_path) == uninterrupted(config)
    assert [part["start"] for part in load_config(config.folder(tmp_path))[1]] == [0]


def test_no_changed_byte_of_a_checkpoint_goes_unseen(stopped, tmp_path):
    path = stopped().folder(tmp_path) / "checkpoint.npz"
    whole, contents = load_checkpoint(path), path.read_bytes()
    bytes_of = lambda checkpoint: {name: array.tobytes() for name, array in checkpoint.weights.items()}  # noqa: E731
    rng = random.Random(0)
    seen = 0
    headers = [*range(200), *range(len(contents) - 700, len(contents))]
    for position in [*headers, *(rng.randrange(len(contents)) for _ in range(100))]:
        changed = bytearray(contents)
        changed[position] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            read = load_checkpoint(path)
        except DataError:
            seen += 1
        else:  # a byte that carries nothing, such as the time of an entry
            assert replace(read, weights={}) == replace(whole, weights={})
            assert bytes_of(read) == bytes_of(whole)
    assert seen > 300


def test_pickles_in_a_checkpoint_are_not_opened(stopped, tmp_path):
    path = stopped().folder(tmp_path) / "checkpoint.npz"
    np.savez(path, about=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"damaged.*allow_pickle=False"):
        load_checkpoint(path)


def test_an_npz_that_is_no_checkpoint_is_not_taken_for_one(stopped, tmp_path):
    path = stopped().folder(tmp_path) / "checkpoint.npz"
    save_arrays(path, {"weights.linear0.weight": np.zeros(3)})
    with pytest.raises(DataError, match=r"damaged .*about"):
        load_checkpoint(path)


@pytest.mark.parametrize("other", [{"model": "ReLU2-Neg"}, {"seed": 3}, {"lr": 0.5}])
def test_a_checkpoint_of_another_run_is_refused_and_left_alone(stopped, tmp_path, other):
    config = stopped()
    path = config.folder(tmp_path) / "checkpoint.npz"
    write_config(replace(config, **other), tmp_path / "elsewhere", parts=[])
    replace(load_checkpoint(path), config=replace(config, **other)).save(tmp_path / "elsewhere")
    shutil.copy(replace(config, **other).folder(tmp_path / "elsewhere") / "checkpoint.npz", path)
    contents = path.read_bytes()
    for resume in (lambda: do(config, tmp_path), lambda: sweep([config], tmp_path, LocalPool(1))):
        with pytest.raises(ForeignCheckpointError, match=r"checkpoint.npz belongs to another run .*delete it"):
            resume()
    assert path.read_bytes() == contents


def test_a_half_done_run_is_not_continued_with_other_settings(stopped, tmp_path):
    config = stopped()
    with pytest.raises(DataError, match=r"lr 0.001 \(now 0.01\)"):
        sweep([replace(config, lr=0.01)], tmp_path, LocalPool(1))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_that_diverges_after_a_stop_fails_as_it_would_have_at_once(stopped, tmp_path):
    config = stopped(1, "Abs-L2", lr=1e12)
    resumed = do(config, tmp_path)
    at_once = do(config, tmp_path / "at-once")
    assert resumed.status == at_once.status
    assert resumed.status.startswith("diverged: the training loss became")
    assert {path.name for path in config.folder(tmp_path).iterdir()} == {"config.json", "metrics.jsonl", "result.json"}


def test_a_run_held_by_another_process_is_not_done_twice(config, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PATIENCE", 0.2)
    settings = config("ReLU")
    write_config(settings, tmp_path, parts=[])
    with run.held(settings.folder(tmp_path)), pytest.raises(DataError, match=r"another process is at work on .*ReLU"):
        do(settings, tmp_path)
    assert do(settings, tmp_path).status == "ok"


def test_a_change_of_versions_in_the_middle_is_told(stopped, tmp_path, capsys):
    config = stopped()
    _, (part,) = load_config(config.folder(tmp_path))
    part["versions"]["numpy"] = "1.0"
    write_config(config, tmp_path, [part])
    assert do(config, tmp_path).status == "ok"
    assert f"from epoch 7 with numpy {np.__version__} (was 1.0): the last digits may differ" in capsys.readouterr().err


def test_what_a_killed_writer_left_is_removed(stopped, tmp_path):
    config = stopped()
    half = config.folder(tmp_path) / ".checkpoint.4711.npz"
    half.write_bytes(b"PK")
    do(config, tmp_path)
    assert not half.exists()


# --- the overshoot of the first step --------------------------------------------------------------------------------


def overshoot_by_hand(config):
    """The overshoot of the first step of a ReLU2, taken in plain NumPy on all rows."""
    data = datasets.load("mnist", config.input, config.train_size, "dense")
    model, _ = start(config, data)
    weight, bias, last = (parameter.data.astype(np.float64) for parameter in model.parameters())
    x, wanted = data.x_train.astype(np.float64), np.eye(10)[data.y_train]

    def forward():
        hidden = np.maximum(x @ weight.T + bias, 0)
        return hidden, hidden @ last.T

    hidden, z = forward()
    shares = np.exp(np.maximum(z, 0) - np.maximum(z, 0).max(axis=1, keepdims=True))
    by_output = (z > 0) * (shares / shares.sum(axis=1, keepdims=True) - wanted) / len(x)
    by_hidden = (hidden > 0) * (by_output @ last)
    weight -= config.lr * config.first_step * by_hidden.T @ x
    bias -= config.lr * by_hidden.sum(axis=0)
    last -= config.lr * config.last_step * by_output.T @ hidden
    return np.median(np.abs(forward()[1] - z).mean(axis=0) / np.abs(z).mean(axis=0))


@pytest.mark.parametrize(
    "change",
    [
        *({}, {"layout": "sparse"}, {"batch_size": 16}, {"chunk_size": 20}),
        *({"first_init": 0.1, "first_step": 0.01}, {"last_init": 0.1, "last_step": 0.01}),
    ],
)
def test_a_run_records_the_overshoot_of_its_first_step(config, tmp_path, change):
    settings = config("ReLU2", seed=4, **change)
    record = do(settings, tmp_path)
    assert record.overshoot == pytest.approx(overshoot_by_hand(settings), rel=1e-3)
    assert load_record(settings.folder(tmp_path)).overshoot == record.overshoot
    with write_csv(tmp_path, all_finished(tmp_path)).open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["overshoot"]) == record.overshoot


@pytest.mark.parametrize("change", [{}, {"optimizer": "adam", "batch_size": 16}])
def test_a_run_that_was_stopped_has_the_overshoot_of_the_step_that_it_began_with(stopped, tmp_path, change):
    config = stopped(7, "ReLU2", **change)
    resumed, at_once = do(config, tmp_path), do(config, tmp_path / "at-once")
    assert [part["start"] for part in load_config(config.folder(tmp_path))[1]] == [0, 7]
    assert resumed.overshoot == at_once.overshoot > 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_whose_first_step_overflows_has_no_overshoot(config, tmp_path):
    settings = config("ReLU2", lr=1e35)
    assert first_overshoot(settings, *start(settings, run.data_of(settings))) is None
    record = do(settings, tmp_path)
    assert record.status.startswith("diverged")
    assert record.overshoot is None
    assert load_record(settings.folder(tmp_path)).overshoot is None
    with write_csv(tmp_path, all_finished(tmp_path)).open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["overshoot"] == ""


def test_with_chunks_the_overshoot_is_that_of_ten_thousand_rows(config, rng, monkeypatch):
    x, labels = rng.normal(size=(10_500, 6)).astype(np.float32), rng.integers(10, size=10_500)
    data = replace(datasets.load("wine"), x_train=x, y_train=labels, classes=10)
    monkeypatch.setattr(run, "data_in_memory", lambda _: data)
    whole = config("ReLU2", hidden=4)
    model, optimizer = start(whole, data)
    first, every = (measure_overshoot(model, optimizer, x[:rows], labels[:rows]).kappa for rows in (10_000, 10_500))
    assert first != every
    assert first_overshoot(replace(whole, chunk_size=3_000), model, optimizer) == first
    assert first_overshoot(whole, model, optimizer) == every
