"""Files of a results folder that were changed, cut, lost or exchanged: named by an error, or without effect."""

import io
import json
import random
import shutil
import zipfile

import numpy as np
import pytest

from tinydist.errors import DataError
from tinydist.files import DAMAGED_NPZ
from tinydist.reproduce import cli
from tinydist.reproduce.plans import budget
from tinydist.reproduce.runs.checkpoints import arrays_in, find_checkpoint
from tinydist.reproduce.runs.environment import environment
from tinydist.reproduce.runs.pool import LocalPool
from tinydist.reproduce.runs.records import (
    CHECKPOINT,
    CONFIG,
    METRICS,
    RESULT,
    WEIGHTS,
    check_data,
    load_config,
    load_configs,
    load_curve,
    load_finished,
    write_config,
)
from tinydist.reproduce.runs.run import execute
from tinydist.reproduce.runs.seals import opened, sealed
from tinydist.reproduce.runs.settings import RunConfig
from tinydist.reproduce.runs.status import run_status
from tinydist.reproduce.runs.sweep import sweep
from tinydist.reproduce.runs.trained import trained_model

FLIPS = 60


def stop(config, out, after=3):
    """Do a run up to some epoch, where it is stopped as by Ctrl-C, with a checkpoint after each epoch."""

    def on_epoch(epoch):
        if epoch == after:
            raise KeyboardInterrupt

    write_config(config, out, parts=[])
    with pytest.raises(KeyboardInterrupt):
        execute(config, out, 1e-9, environment() | {"command": "a command", "jobs": 1}, on_epoch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two results folders of the same models in other settings, with a finished, a failed and a half-done run each."""
    made = {}
    for name, lr in (("ours", 0.001), ("theirs", 0.002)):
        out = tmp_path_factory.mktemp(name)
        common = {"dataset": "mnist", "input": "raw", "train_size": 50, "epochs": 4, "layout": "dense"}
        ok, other = (RunConfig(**common, model="ReLU", seed=seed, lr=lr) for seed in (0, 1))
        failed = RunConfig(**common, model="Abs", seed=0, lr=1e30 * lr)
        half_done = RunConfig(**common, model="Abs-L2", seed=0, lr=lr)
        with pytest.warns(RuntimeWarning):
            sweep([ok, other, failed], out, LocalPool(1))
        stop(half_done, out)
        made[name] = out, {"ok": ok, "other": other, "failed": failed, "half done": half_done}
    return made


@pytest.fixture
def copied(whole, tmp_path):
    """A copy of the first folder to damage, and its runs."""
    out, runs = whole["ours"]
    shutil.copytree(out, tmp_path / "out")
    return tmp_path / "out", runs


def seen(out, config):
    """All that commands read of a run, without its times and parts; DataError if a file is damaged."""
    check_data(config.folder(out))
    (found,) = (c for c in load_configs(out) if (c.model, c.seed) == (config.model, config.seed))
    status = run_status(found, out)
    if status.note and status.state == "not begun":
        raise DataError(status.note)  # of a damaged checkpoint, which costs time alone
    read = {"config": found, "state": status.state, "curve": load_curve(found, out)}
    if status.state == "finished":
        read["weights"] = {
            name: array.tobytes() for name, array in trained_model(found.folder(out)).state_dict().items()
        }
    elif checkpoint := find_checkpoint(found, out):
        read["checkpoint"] = checkpoint.epoch, checkpoint.curve
        arrays = checkpoint.weights | checkpoint.optimizer
        read["weights"] = {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}
    if record := load_finished([found], out).get(found):
        read["record"] = record.status, record.seconds, record.curve
    return read


def attempt(function, *arguments):
    """The value, and no message; or no value, and the message of the error."""
    try:
        return function(*arguments), ""
    except DataError as problem:
        return None, str(problem)


def shortened(read, whole):
    """Whether the curve of a half-done run lacks measurements at its end, as when it was killed while it wrote one."""
    return whole["curve"][: len(read["curve"])] == read["curve"] and {**read, "curve": 0} == {**whole, "curve": 0}


FILES = [
    *(("ok", name) for name in (CONFIG, WEIGHTS, RESULT, METRICS)),
    *(("failed", name) for name in (CONFIG, RESULT, METRICS)),
    *(("half done", name) for name in (CONFIG, METRICS, CHECKPOINT)),
]


@pytest.mark.parametrize(("run", "name"), FILES)
def test_a_flipped_bit_is_named_or_harmless(copied, run, name):
    out, runs = copied
    path = runs[run].folder(out) / name
    before, contents, rng = seen(out, runs[run]), path.read_bytes(), random.Random(0)
    named = 0
    for _ in range(FLIPS):
        changed = bytearray(contents)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        read, problem = attempt(seen, out, runs[run])
        if problem:
            assert str(path) in problem
            named += 1
        else:
            assert read == before or (run == "half done" and name == METRICS and shortened(read, before))
    assert named > FLIPS // 2 or (run, name) == ("ok", METRICS)  # the curve of a finished run is in its result


@pytest.mark.parametrize(("run", "name"), FILES)
def test_a_cut_file_is_named_or_harmless(copied, run, name):
    out, runs = copied
    path = runs[run].folder(out) / name
    before, contents, rng = seen(out, runs[run]), path.read_bytes(), random.Random(0)
    for kept in [0, 1, len(contents) - 1, *(rng.randrange(len(contents)) for _ in range(FLIPS // 4))]:
        path.write_bytes(contents[:kept])
        read, problem = attempt(seen, out, runs[run])
        if problem:
            assert str(path) in problem
        else:
            assert read == before or (run == "half done" and name == METRICS and shortened(read, before))


@pytest.mark.parametrize(("run", "name"), FILES)
def test_a_file_of_another_run_is_named(copied, whole, run, name):
    """Of the same run in other settings; and of another seed."""
    out, runs = copied
    path = runs[run].folder(out) / name
    before, contents = seen(out, runs[run]), path.read_bytes()
    elsewhere, theirs = whole["theirs"]
    others = [theirs[run].folder(elsewhere) / name]
    if run == "ok":
        others.append(runs["other"].folder(out) / name)
    for other in others:
        shutil.copy(other, path)
        read, problem = attempt(seen, out, runs[run])
        if (run, name) == ("ok", METRICS):  # which nothing reads
            assert read == before
        else:
            assert str(runs[run].folder(out)) in problem
        path.write_bytes(contents)


def test_runs_of_other_data_of_the_same_name_are_not_mixed(copied):
    """The checksums of the data are part of what a file is bound to, not the settings alone."""
    out, runs = copied
    path = runs["half done"].folder(out) / CONFIG
    contents = opened(path.read_text())
    contents["data"] = dict.fromkeys(contents["data"], "0" * 64)
    path.write_text(json.dumps(sealed(contents)))
    with pytest.raises(DataError, match=r"checkpoint.npz belongs to another run .* on other data"):
        find_checkpoint(runs["half done"], out)
    with pytest.raises(DataError, match=r"metrics.jsonl is damaged"):
        load_curve(runs["half done"], out)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], *lines[2:]],
    ],
    ids=["the first lost", "one twice", "exchanged", "one in the middle lost"],
)
def test_lines_of_metrics_that_were_lost_or_moved_are_seen(copied, change):
    out, runs = copied
    path = runs["half done"].folder(out) / METRICS
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(change(lines)))
    with pytest.raises(DataError, match=r"metrics.jsonl is damaged"):
        load_curve(runs["half done"], out)


def test_a_flipped_bit_in_the_choice_for_a_budget_is_named_or_harmless(tmp_path):
    asked = (3600, ["ReLU"], ["raw"], 1, tmp_path)
    budget.within(*asked, lambda *_: {"ReLU raw": 0.1})
    whole = budget.within(*asked, None)
    path = tmp_path / "budget.json"
    contents, rng = path.read_bytes(), random.Random(0)
    for _ in range(10 * FLIPS):
        changed = bytearray(contents)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        choice, problem = attempt(budget.within, *asked, None)
        assert choice == whole or str(path) in problem


@pytest.mark.parametrize("command", [["status"], ["report"], ["export", "--to", "tensorboard"]])
@pytest.mark.parametrize(
    "parts",
    [
        lambda parts: [{key[:-1]: value for key, value in part.items()} for part in parts],
        lambda parts: [dict.fromkeys(part) for part in parts],
        lambda _: "parts",
        lambda _: {"began": 3},
        lambda _: None,
    ],
    ids=["other keys", "values of other kinds", "a word", "an object", "nothing"],
)
def test_parts_that_cannot_be_are_no_traceback(copied, command, parts, capsys):
    out, runs = copied
    path = runs["ok"].folder(out) / CONFIG
    contents = json.loads(path.read_text())
    path.write_text(json.dumps(contents | {"parts": parts(contents["parts"])}))
    assert cli.main([command[0], str(out), *command[1:]]) == 2
    assert f"{path} is damaged" in capsys.readouterr().err


def test_a_folder_of_a_version_without_checksums_is_refused_in_a_line(copied, capsys):
    out, runs = copied
    path = runs["ok"].folder(out) / CONFIG
    path.write_text(json.dumps(opened(path.read_text())))
    assert cli.main(["status", str(out)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert (
        f"{path}: its checksum 'sha256' is missing, as in results of versions that wrote none; choose another" in said
    )
    assert "delete" not in said


def test_what_is_sealed_is_not_the_text_but_the_values(copied):
    """A file that an editor has put into another order, or on one line, says the same."""
    out, runs = copied
    path = runs["ok"].folder(out) / CONFIG
    before = load_config(path.parent)
    contents = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(contents.items()))))
    assert load_config(path.parent) == before


@pytest.mark.parametrize("name", [WEIGHTS, CHECKPOINT])
def test_an_array_that_claims_more_than_any_memory_is_damage(copied, name):
    out, runs = copied
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**40,)})
    path = runs["half done" if name == CHECKPOINT else "ok"].folder(out) / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("linear0.weight.npy", header.getvalue())
    with pytest.raises(DataError, match=f"{name} is damaged"):
        find_checkpoint(runs["half done"], out) if name == CHECKPOINT else trained_model(path.parent)
    with pytest.raises(DAMAGED_NPZ):
        arrays_in(path.read_bytes())
