import csv

import numpy as np
import pytest

from tinydist import datasets
from tinydist.batches import MEASURED_ROWS
from tinydist.reproduce import cli
from tinydist.reproduce.plans import plan
from tinydist.reproduce.runs.records import load_configs

TINY = ["--models", "ReLU,ReLU2", "--train-size", "60", "--epochs", "3", "--runs", "2"]
QUIET = [*TINY, "--no-report"]


def test_end_to_end_on_a_tiny_run(tmp_path, capsys):
    assert cli.main([*QUIET, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Not the paper's protocol: mnist, 60 training images, 3 epochs, 2 runs a model" in shown
    assert "raw pixels 0 to 255, as the author's program fed them" in " ".join(shown.split())
    assert "47.20 ± 12.00 at 5,000 epochs" in shown
    assert "NOT ENOUGH EVIDENCE: 2 of 16 claims (raw input, reduced protocol)\n  2a " in shown
    assert len(shown.splitlines()) <= 40
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["seed"]) for row in rows] == [(m, s) for m in ("ReLU", "ReLU2") for s in ("0", "1")]
    assert {(row["input"], row["layout"]) for row in rows} == {("raw", "sparse")}
    assert all(0 <= float(row["test_accuracy"]) <= 100 for row in rows)
    assert {"results.csv", "runs", "data-mnist.txt"} == {path.name for path in tmp_path.iterdir()}


def test_the_same_command_again_repeats_nothing(tmp_path):
    arguments = [*QUIET, "--out", str(tmp_path), "--jobs", "1"]
    cli.main(arguments)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/*")}
    assert {path.name for path in before} == {"config.json", "metrics.jsonl", "model.npz", "result.json"}
    assert cli.main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/*")} == before


def test_flags_override_the_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = [
        "--protocol",
        "paper",
        "--input",
        "normalized",
        "--lr",
        "0.01",
        "--seed",
        "5",
        "--layout",
        "dense",
        "--no-report",
    ]
    assert (
        cli.main([*flags, "--models", "Abs", "--runs", "1", "--epochs", "2", "--train-size", "50", "--jobs", "1"]) == 0
    )
    (folder,) = (tmp_path / "results").iterdir()
    with (folder / "results.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    expected = {"seed": "5", "input": "normalized", "layout": "dense", "train_size": "50", "epochs": "2", "lr": "0.01"}
    assert expected.items() <= row.items()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_failed_runs_show_in_the_report_and_in_the_exit_status(tmp_path, capsys):
    flags = ["--models", "ReLU", "--lr", "1e30", "--train-size", "50", "--epochs", "9", "--runs", "1", "--jobs", "1"]
    assert cli.main([*flags, "--no-report", "--out", str(tmp_path)]) == 1
    assert "FAILED ReLU raw seed 0: diverged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--models", "ReLU,Relu2Neg"], "unknown model 'Relu2Neg'. Did you mean 'ReLU2-Neg'"),
        (["--models", ""], "unknown model ''"),
        (["--epochs", "0"], "expected a positive whole number, got '0'"),
        (["--runs", "three"], "expected a positive whole number, got 'three'"),
        (["--lr", "nan"], "expected a positive number, got 'nan'"),
        (["--seed", "-1"], "expected a whole number from 0, got '-1'"),
        (["--input", "normalised"], "unknown input 'normalised'; expected some of raw, unit, normalized"),
        (["--dataset", "nmist"], "unknown data set 'nmist'. Did you mean 'mnist'? Known: mnist, fashion-mnist,"),
        (["--protocol", "fast"], "invalid choice: 'fast'"),
        (["--optimizer", "sdg"], "invalid choice: 'sdg'"),
        (["--batch-size", "0"], "expected a positive whole number, got '0'"),
        (["--batch-size", "9", "--chunk-size", "9"], "not allowed with argument --batch-size"),
        (["--batch-size", "9", "--layout", "sparse"], "holds all images as one matrix"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_flags_are_refused_before_any_work(flags, complaint, refusal):
    assert complaint in refusal(*flags)


def test_too_many_training_images(tmp_path, capsys):
    assert cli.main(["--train-size", "70000", "--out", str(tmp_path / "new")]) == 2
    assert "mnist has 60000 training rows: expected 1 to 60000, got 70000" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_damaged_data_are_refused_before_any_work(tmp_path, capsys, monkeypatch):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b\x08")
    monkeypatch.setenv("TINYDIST_DATA", str(tmp_path))
    assert cli.main([*TINY, "--out", str(tmp_path / "new")]) == 2
    assert "train-images-idx3-ubyte.gz is damaged: it ends too early" in capsys.readouterr().err


def test_a_folder_with_runs_of_other_settings_is_left_alone(tmp_path, capsys):
    cli.main([*QUIET, "--out", str(tmp_path), "--jobs", "1"])
    before = (tmp_path / "results.csv").read_text()
    assert cli.main([*TINY, "--lr", "0.5", "--out", str(tmp_path)]) == 2
    assert "lr 0.001 (now 0.5). Choose another folder with --out" in capsys.readouterr().err
    assert (tmp_path / "results.csv").read_text() == before


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main([*TINY, "--out", str(tmp_path / "file" / "results")]) == 2
    assert f"{tmp_path / 'file'} is a file" in capsys.readouterr().err


def test_help_reads_well(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for word in ("quick", "60,000 training images, 5,000 epochs, 20 runs", "--train-size", "Ctrl-C", "examples:"):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_inputs_offered_are_those_of_the_data_sets(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"{name}: " in shown for name in datasets.INPUTS)


def test_other_steps_than_the_papers_are_labelled_and_have_a_folder_of_their_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*QUIET, "--jobs", "1", "--optimizer", "adam", "--batch-size", "16"]) == 0
    assert cli.main([*QUIET, "--jobs", "1", "--chunk-size", "16"]) == 0
    shown = capsys.readouterr().out
    protocol = "Not the paper's protocol: mnist, 60 training images, 3 epochs, 2 runs a model, lr 0.001, adam, batc"
    assert protocol in " ".join(shown.split())
    folders = sorted((tmp_path / "results").iterdir())
    assert [folder.name.partition("-lr0.001")[2] for folder in folders] == ["-adam-batches-of-16", "-chunks-of-16"]
    rows = []
    for folder in folders:
        with (folder / "results.csv").open(newline="") as file:
            rows.append(next(csv.DictReader(file)))
    assert [(row["optimizer"], row["batch_size"], row["chunk_size"], row["layout"]) for row in rows] == [
        ("adam", "16", "", "dense"),
        ("sgd", "", "16", "dense"),
    ]


def test_several_inputs_are_run_in_one_folder_and_judged_apart(tmp_path, capsys):
    assert cli.main([*QUIET, "--input", "raw,normalized", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == ["normalized"] * 4 + ["raw"] * 4
    assert len({row["test_accuracy"] for row in rows}) > 4  # the inputs do make a difference
    for name in ("raw", "normalized"):
        assert f"of 16 claims ({name} input, reduced protocol)" in shown
    assert "Holm" not in shown


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_evidence_is_printed_when_it_is_asked_for(place, sweep_without_weights, capsys):
    arguments = ["report", str(sweep_without_weights)]
    arguments.insert(0 if place == "before" else 2, "--explain")
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "Claims of the paper, on raw input" in shown
    assert "Holm-corrected" in shown
    assert "The paper against itself" in shown


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "Stopped before any run began."),
        (PermissionError(13, "Permission denied", "train-images"), 2, "Permission denied: 'train-images'"),
    ],
)
def test_stopped_while_the_data_are_read(failure, status, words, monkeypatch, capsys, tmp_path):
    def fail(*_):
        raise failure

    monkeypatch.setattr(plan, "load_data", fail)
    assert cli.main([*TINY, "--out", str(tmp_path / "new")]) == status
    assert words in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("others", [["--study", "dying"], ["status", "."], ["export", ".", "--to", "tensorboard"]])
def test_explain_is_refused_where_no_claim_is_judged(others, refusal):
    assert "--explain is about the paper's claims, which only the experiment" in refusal("--explain", *others)


CONV = ["--models", "Conv-ReLU2,Conv-Abs-L2,ReLU", "--train-size", "40", "--epochs", "2", "--runs", "1", "--jobs", "1"]


def test_models_with_a_convolution_end_to_end(tmp_path):
    assert cli.main([*CONV, "--out", str(tmp_path)]) == 0
    assert {config.layout for config in load_configs(tmp_path)} == {"dense"}
    assert cli.main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = " ".join(page.split())
    assert (
        "The hidden units of Conv-Abs-L2, Conv-ReLU2 have a convolution as their input, so they are not drawn" in text
    )
    assert (tmp_path / "figures" / "raw" / "prototypes-Conv-Abs-L2.png").exists()


def test_a_table_gets_a_report_without_images(tmp_path):
    flags = ["--dataset", "wine", "--models", "ReLU2,Abs-L2", "--epochs", "2", "--runs", "1", "--jobs", "1"]
    assert cli.main([*flags, "--out", str(tmp_path)]) == 0
    page = " ".join((tmp_path / "report.html").read_text(encoding="utf-8").split())
    assert f"More figures: python -m tinydist.reproduce report {tmp_path}" in page
    assert cli.main(["report", str(tmp_path)]) == 0
    page = " ".join((tmp_path / "report.html").read_text(encoding="utf-8").split())
    assert "drawn for grey square images alone, which wine has not" in page
    assert "124 training rows" in page
    assert not list((tmp_path / "figures").glob("*/prototypes*"))


def test_a_convolution_needs_images_and_a_dense_layout(tmp_path, refusal):
    said = refusal(*CONV[:2], "--dataset", "wine", "--out", str(tmp_path / "new"))
    assert "Conv-ReLU2 does not fit wine: Conv- needs images, and a row of 13 numbers" in said
    assert "not a convolution (Conv-)" in refusal(*CONV, "--layout", "sparse")


def test_a_folder_of_images_stays_on_disk_and_gives_the_same_bits_each_time(tmp_path, capsys, bits, refusal):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, count in (("train_data_batch_1", 30), ("train_data_batch_2", 15), ("val_data", 9)):
        labels = np.arange(count) % 3 + 1
        pixels = rng.integers(0, 200, (count, 48)) + 15 * labels[:, None]
        np.savez_compressed(folder / f"{name}.npz", data=pixels.astype(np.uint8), labels=labels)
    flags = ["--dataset", str(folder), "--models", "ReLU2,Abs-L2", "--epochs", "3", "--runs", "1", "--jobs", "1"]
    assert cli.main([*flags, "--chunk-size", "8", "--out", str(tmp_path / "whole")]) == 0
    assert "45 images to train on, 9 to test on" in capsys.readouterr().out
    configs = load_configs(tmp_path / "whole")
    assert {config.chunk_size for config in configs} == {8}
    assert (tmp_path / "whole" / "report.html").exists()
    cli.main([*flags, "--chunk-size", "8", "--out", str(tmp_path / "again"), "--checkpoint-every", "1e-9"])
    assert bits(tmp_path / "again", configs) == bits(tmp_path / "whole", configs)
    assert cli.main([*flags, "--no-report", "--out", str(tmp_path / "default")]) == 0  # in chunks without being asked
    assert {config.chunk_size for config in load_configs(tmp_path / "default")} == {MEASURED_ROWS}
    assert "stays on disk, where --budget cannot foresee the pace" in refusal(*flags[:4], "--budget", "1h")
