import csv
import errno
import json
import struct
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from tinydist.reproduce import cli
from tinydist.reproduce.runs import export
from tinydist.reproduce.runs.records import METRICS, identity, metrics_lines, write_config
from tinydist.reproduce.runs.settings import Setting

SCALARS = {"train_loss", "train_accuracy", "test_accuracy", "dead_outputs", "dead_hidden"}
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PARTS = [{"start": 0, "began": BEGAN.isoformat(timespec="seconds")}]


@pytest.fixture
def folder(record, config, tmp_path):
    """A finished run, one half done, one that failed half way, and one that is not begun."""
    finished = record("ReLU2-Neg", 0, accuracy=91.25, dead=3, dead_hidden=17)
    failed = record("ReLU", 1, status="diverged: loss nan")
    for run in (finished.config, config("Abs", 2), failed.config):
        write_config(run, tmp_path, PARTS)
    write_config(config("Abs-L2", 3), tmp_path, [])
    for run in (config("Abs", 2), failed.config):
        write_lines(run, tmp_path, record().curve[:2])
    for run in (finished, failed):
        run.save(tmp_path)
    return tmp_path


def write_lines(config, out, curve, rest=""):
    folder = config.folder(out)
    (folder / METRICS).write_text("".join(metrics_lines(curve, identity(folder))) + rest)


def crc32c(data):
    """Castagnoli's checksum, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def test_the_checksum_used_here_is_the_standard_one():
    assert crc32c(b"123456789") == 0xE3069283


def read_events(path):
    """Records as TensorFlow documents them: length, its checksum, data, their checksum; all little-endian."""
    contents, events = path.read_bytes(), []
    while contents:
        (length,) = struct.unpack("<Q", contents[:8])
        data, rest = contents[12 : 12 + length], contents[12 + length :]
        assert struct.unpack("<I", contents[8:12]) == (masked(contents[:8]),)
        assert struct.unpack("<I", rest[:4]) == (masked(data),)
        events.append(Event.FromString(data))
        contents = rest[4:]
    return events


def read_scalars(path):
    """For each tag its steps and values."""
    scalars = {}
    for event in read_events(path):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                scalars.setdefault(value.tag, []).append((event.step, value.simple_value))
    return scalars


def expected(curve):
    """TensorBoard holds values in single precision."""
    return {name: [(at.epoch, float(np.float32(getattr(at, name)))) for at in curve] for name in SCALARS}


def test_the_curves_of_all_measured_runs_are_written(folder, record, capsys):
    assert cli.main(["export", str(folder), "--to", "tensorboard"]) == 0
    logdir = folder / "tensorboard"
    assert f"Runs exported to {logdir}: 3. To see them: tensorboard --logdir {logdir}" in capsys.readouterr().out
    found = {path.name: read_scalars(file) for path in logdir.iterdir() for file in path.iterdir()}
    half_done = expected(record().curve[:2])
    assert found == {
        "ReLU2-Neg-raw-seed0": expected(record(accuracy=91.25, dead=3, dead_hidden=17).curve),
        "Abs-raw-seed2": half_done,
        "ReLU-raw-seed1": half_done,
    }
    assert found["ReLU2-Neg-raw-seed0"]["dead_hidden"] == [(0, 17), (1, 17), (2, 17), (5, 17)]
    assert found["ReLU2-Neg-raw-seed0"]["test_accuracy"] == [(0, 86.25), (1, 87.25), (2, 88.25), (5, 91.25)]


def test_events_tell_the_version_the_time_and_the_settings(folder):
    (path, *_) = export.export(folder, folder / "logs")
    first, second, *_ = read_events(path)
    assert first.file_version == "brain.Event:2"
    assert {event.wall_time for event in read_events(path)} == {BEGAN.timestamp()}
    (value,) = second.summary.value
    (text,) = value.tensor.string_val
    assert value.metadata.plugin_data.plugin_name == "text"
    assert {"| model | Abs |", "| train_size | 50 |", "| lr | 0.001 |"} <= set(text.decode().splitlines())


def test_a_second_export_takes_the_place_of_the_first(folder, record, config):
    logdir = folder / "logs"
    before = {path: path.read_bytes() for path in export.export(folder, logdir)}
    assert {path: path.read_bytes() for path in export.export(folder, logdir)} == before
    foreign = logdir / "Abs-raw-seed2" / "events.out.tfevents.1700000000.host.1.0"
    foreign.write_bytes(b"of another program")
    write_lines(config("Abs", 2), folder, record().curve[:3])
    paths = export.export(folder, logdir)
    assert set(paths) == set(before)
    assert {path for path in logdir.rglob("*") if path.is_file()} == {*paths, foreign}
    assert foreign.read_bytes() == b"of another program"
    (path,) = (path for path in paths if path.parent.name == "Abs-raw-seed2")
    assert read_scalars(path) == expected(record().curve[:3])


def test_half_a_line_of_a_run_at_work_is_left_out(folder, record, config):
    write_lines(config("Abs", 2), folder, record().curve[:2], rest='{"epoch": 2, "train_lo')
    (path, *_) = export.export(folder, folder / "logs")
    assert read_scalars(path) == expected(record().curve[:2])


def test_tensorboard_itself_reads_them(folder, record):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    export.export(folder, folder / "logs")
    events = accumulators.EventAccumulator(str(folder / "logs" / "ReLU2-Neg-raw-seed0")).Reload()
    assert set(events.Tags()["scalars"]) == SCALARS
    assert {name: [(at.step, at.value) for at in events.Scalars(name)] for name in SCALARS} == expected(
        record(accuracy=91.25, dead=3, dead_hidden=17).curve
    )
    assert events.Tags()["tensors"] == ["settings/text_summary"]


def test_a_real_run_is_exported_as_it_was_recorded(tmp_path):
    flags = ["--models", "ReLU2", "--train-size", "60", "--epochs", "3", "--runs", "1", "--jobs", "1", "--no-report"]
    cli.main([*flags, "--out", str(tmp_path)])
    assert cli.main(["export", str(tmp_path), "--to", "tensorboard", "--out", str(tmp_path / "elsewhere")]) == 0
    (path,) = (tmp_path / "elsewhere").glob("ReLU2-raw-seed0/*")
    curve = json.loads((tmp_path / "runs" / "ReLU2-raw-seed0" / "result.json").read_text())["curve"]
    assert read_scalars(path) == {
        name: [(at["epoch"], float(np.float32(at[name]))) for at in curve] for name in SCALARS
    }
    assert not (tmp_path / "tensorboard").exists()


def test_the_curves_of_all_measured_runs_are_one_table(folder, record, config, capsys):
    assert cli.main(["export", str(folder), "--to", "csv"]) == 0
    assert f"Runs exported to {folder / 'curves.csv'}: 3." in capsys.readouterr().out
    with (folder / "curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for row in rows:
        point = int(row["epoch"]), float(row["test_accuracy"]), float(row["train_loss"]), int(row["dead_outputs"])
        found.setdefault((row["model"], row["seed"]), []).append(point)
    curve = [(m.epoch, m.test_accuracy, m.train_loss, m.dead_outputs) for m in record().curve]
    assert found["Abs", "2"] == found["ReLU", "1"] == curve[:2]
    assert found["ReLU2-Neg", "0"] == [
        (m.epoch, m.test_accuracy, m.train_loss, 3) for m in record(accuracy=91.25, dead=3).curve
    ]
    setting = config().setting
    assert {Setting.from_row(row) for row in rows} == {setting}


def test_a_second_table_of_curves_takes_the_place_of_the_first_and_of_nothing_else(folder, capsys):
    path = folder / "curves.csv"
    assert export.export_table(folder, path) == 3
    before = path.read_bytes()
    assert export.export_table(folder, path) == 3
    assert path.read_bytes() == before
    path.write_text("precious\n")
    assert cli.main(["export", str(folder), "--to", "csv"]) == 2
    assert "curves.csv has other columns than these curves, and would be lost" in capsys.readouterr().err
    assert path.read_text() == "precious\n"


def refusal(folder, capsys, *flags):
    assert cli.main(["export", str(folder), "--to", "tensorboard", *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize(("where", "words"), [("absent", "absent is missing"), (".", "holds no runs")])
def test_a_folder_without_runs(tmp_path, capsys, where, words):
    assert f"{words}; give a folder that" in refusal(tmp_path / where, capsys)
    assert list(tmp_path.iterdir()) == []


def test_runs_without_a_measurement(tmp_path, config, capsys):
    write_config(config(), tmp_path, [])
    assert "has been measured yet; try again when the first one has begun" in refusal(tmp_path, capsys)


@pytest.mark.parametrize("line", ["not JSON", "[1, 2]", '{"epoch": 2}'])
def test_damaged_measurements(folder, record, config, capsys, line):
    write_lines(config("Abs", 2), folder, record().curve[:2], rest=f"{line}\n")
    shown = refusal(folder, capsys)
    assert "metrics.jsonl is damaged" in shown
    assert "delete the folder Abs-raw-seed2, or move it away, and the run will be repeated" in shown


def test_a_place_that_cannot_be_written(folder, capsys):
    (folder / "file").write_text("")
    shown = refusal(folder, capsys, "--out", str(folder / "file"))
    assert shown.startswith("error: ")
    assert str(folder / "file") in shown


def test_a_full_disk_leaves_the_export_before(folder, record, config, monkeypatch, capsys):
    before = {path: path.read_bytes() for path in export.export(folder, folder / "tensorboard")}
    write_lines(config("Abs", 2), folder, record().curve[:3])
    events = export._events

    def fill(*arguments):
        yield next(events(*arguments))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, "_events", fill)
    assert "No space left on device" in refusal(folder, capsys)
    assert {path: path.read_bytes() for path in (folder / "tensorboard").rglob("*") if path.is_file()} == before


def test_without_the_package(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert "the export needs tensorboardX" in (shown := refusal(folder, capsys))
    assert "pip install 'tinydist[tensorboard]'" in shown
    assert not any(path.is_file() for path in (folder / "tensorboard").rglob("*"))


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["results", "--to", "wandb"], "invalid choice: 'wandb' (choose from 'tensorboard', 'csv')"),
        (["results"], "the following arguments are required: --to"),
        (["--to", "tensorboard"], "the following arguments are required: DIR"),
    ],
)
def test_bad_flags(flags, complaint, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["export", *flags])
    assert caught.value.code == 2
    assert complaint.replace("'", "") in " ".join(capsys.readouterr().err.split()).replace("'", "")
