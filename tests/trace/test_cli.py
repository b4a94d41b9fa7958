"""The command: three good runs, and what it says to wrong input."""

import functools
import re

import numpy as np
import pytest

from tinydist import Tensor, build_model, datasets
from tinydist.trace import cli


@pytest.fixture(scope="module")
def read():
    """datasets.load, as if there were 1,000 training images; nothing is read twice."""
    load = functools.cache(datasets.load)
    return lambda name, input="raw", train_size=1000, layout="dense": load(name, input, train_size, layout)


@pytest.fixture
def small(monkeypatch, read):
    """The command with 1,000 training images, so that it is quick."""
    monkeypatch.setattr(cli.datasets, "load", read)


def said(captured):
    """What was said, with lines joined."""
    return " ".join(captured.split())


def cells_of(shown, node):
    """The cells of one row of the first table."""
    line = next(line for line in shown.splitlines() if line.startswith(f"{node} "))
    return [cell.split() for cell in line.split("│")[1:]]


# --- good runs -----------------------------------------------------------------------------------------------------


def test_untrained_models_side_by_side_on_one_image(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert cli.main(["ReLU2", "Abs-L2", "ReLU2", "--sample", "7"]) == 0
    shown = capsys.readouterr().out
    assert "One backward pass over training image 7 (a 3); raw pixels, seed 0, untrained." in shown
    assert len(re.findall(r"ReLU2, loss \d", shown)) == len(re.findall(r"Abs-L2, loss \d", shown)) == 2  # two tables
    assert cells_of(shown, "act1")[0][0] == "relu"
    assert cells_of(shown, "offset")[1][0] == "weighted_distance"
    assert "class 3 (right)" in shown
    assert "passed" in shown
    share = np.mean(datasets.load("mnist", train_size=8).x_train[7] == 0)
    assert cells_of(shown, "linear0.weight")[1][2:] == [f"{share:.0%}", "linear0"]


@pytest.mark.usefixtures("small")
def test_one_node_alone_is_explained(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert cli.main(["ReLU2", "Abs-L2", "--sample", "7", "--explain", "--node", "linear0"]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"(?m)^\d+/\d+  (\S+)", shown) == ["linear0", "linear0"]
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.usefixtures("small")
def test_how_far_a_step_on_the_image_moves_the_outputs(capsys):
    assert cli.main(["ReLU2", "Square2", "--sample", "7", "--lr", "1e20"]) == 0
    assert "(lr 1e+20)" in (shown := capsys.readouterr().out)
    assert "Square2 beyond all bounds" in shown
    assert cli.main(["ReLU2", "--sample", "7"]) == 0
    kappa = float(re.search(r"\(κ\)\nReLU2 (\S+)\n", capsys.readouterr().out)[1])
    data = datasets.load("mnist", train_size=8)
    model, x, label = build_model("ReLU2"), data.x_train[7:], data.y_train[7:]
    first, last = model.linear0, model.linear1
    u = x @ first.weight.data.T + first.bias.data
    h = np.maximum(u, 0)
    z = h @ last.weight.data.T
    shares = np.exp(np.maximum(z, 0) - z.max())
    g = (shares / shares.sum() - np.eye(10)[label]) * (z > 0)
    hidden = (g @ last.weight.data) * (u > 0)
    after = np.maximum(u - 0.001 * hidden * (x @ x.T + 1), 0) @ (last.weight.data - 0.001 * g.T @ h).T
    assert kappa == pytest.approx(np.median(np.abs(after - z) / np.abs(z)), rel=0.03)


@pytest.mark.usefixtures("small")
def test_trained_models_on_several_images_rule_by_rule(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    flags = ["--sample", "7,8", "--epochs", "3", "--train-size", "50", "--input", "normalized", "--lr", "0.1"]
    assert cli.main(["Abs2", "ReLU2-Neg", *flags, "--explain", "--seed", "4"]) == 0
    shown = capsys.readouterr().out
    assert "training image 7 (a 3), image 8 (a 1); normalized pixels, seed 4, after 3 steps on 50 images." in shown
    assert "class 3" not in shown
    assert max(map(len, shown.split("Abs2, rule by rule")[0].splitlines())) <= 120
    table = [line for line in shown.splitlines() if "│" in line]
    assert max(map(len, table)) <= 90
    for model, layer in [("Abs2", "act1 = abs(linear1)"), ("ReLU2-Neg", "neg = neg(act1)")]:
        assert layer in shown.split(f"{model}, rule by rule")[1]
    assert len(re.findall("  checked  ", shown)) == len(re.findall("they agree|lies between", shown)) == 15
    assert "1/8  loss = cross_entropy(act1)" in shown


@pytest.mark.usefixtures("small")
def test_figures_are_saved(tmp_path, capsys):
    folder = tmp_path / "new" / "figures"
    flags = ["--epochs", "2", "--train-size", "40", "--figures", str(folder)]
    assert cli.main(["ReLU2", "Abs", *flags]) == 0
    names = {"gradient_flow.png", "gradient_field.png", "graph_ReLU2.png", "graph_Abs.png"}
    assert {path.name for path in folder.iterdir()} == names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())
    shown = capsys.readouterr().out
    assert "Training each model for 2 steps on 40 images" in shown
    assert all(name in shown.splitlines()[-1] for name in names)


@pytest.mark.usefixtures("small")
def test_the_loss_is_that_of_the_model_with_this_seed_and_input(read, capsys):
    for seed, input in [(0, "raw"), (3, "raw"), (3, "unit")]:
        assert cli.main(["Abs2", "--sample", "5", "--seed", str(seed), "--input", input]) == 0
        data = read("mnist", input)
        loss = build_model("Abs2", seed=seed)(Tensor(data.x_train[5:6])).cross_entropy(data.y_train[5:6])
        assert f"Abs2, loss {loss.item():.4g}" in capsys.readouterr().out


@pytest.mark.usefixtures("small")
def test_training_first_is_training(capsys):
    losses = []
    for epochs in ("0", "20"):
        assert cli.main(["Abs", "--sample", "0", "--epochs", epochs, "--train-size", "20", "--lr", "1e-5"]) == 0
        losses.append(float(re.search(r"Abs, loss (\S+)", capsys.readouterr().out)[1]))
    assert losses[1] < losses[0]


# --- wrong input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["Relu2Neg"], "unknown model 'Relu2Neg'. Did you mean 'ReLU2-Neg'?"),
        ([], "the following arguments are required: MODEL"),
        (["Abs", "--sample", "1,x"], "expected a whole number from 0, got 'x'"),
        (["Abs", "--sample", "-1"], "expected a whole number from 0, got '-1'"),
        (["Abs", "--sample", ""], "expected a whole number from 0, got ''"),
        (["Abs", "--lr", "nan"], "expected a positive number, got 'nan'"),
        (["Abs", "--lr", "inf"], "expected a positive number, got 'inf'"),
        (["Abs", "--lr", "0"], "expected a positive number, got '0'"),
        (["Abs", "--epochs", "-3"], "expected a whole number from 0, got '-3'"),
        (["Abs", "--train-size", "0"], "expected a positive whole number, got '0'"),
        (["Abs", "--input", "normalised"], "invalid choice: 'normalised'"),
        (["Abs", "--explan"], "unrecognized arguments: --explan"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_flags_are_refused_before_any_work(flags, complaint, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(flags)
    assert caught.value.code == 2
    assert complaint in said(capsys.readouterr().err)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--sample", "3,1000"], "--sample: expected training images of mnist, from 0 to 999, got 1000"),
        (["--train-size", "1001"], "--train-size: expected 1 to 1000 training images of mnist, got 1001"),
        (["--node", "act1"], "--node narrows --explain; give both"),
        (["--explain", "--node", "act1"], "--node: expected one of act0, linear0, linear0.bias, linear0.weight"),
        (["--figures", "FILE"], "is a file; --figures takes a folder"),
        (["--figures", "FILE/folder"], "Not a directory"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(flags, complaint, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "_trained", lambda *_: pytest.fail("a model was trained"))
    file = tmp_path / "file"
    file.write_text("mine")
    flags = [flag.replace("FILE", str(file)) for flag in flags]
    assert cli.main(["Abs", "--epochs", "5", *flags]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert complaint in shown.err
    assert file.read_text() == "mine"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("flags", [["--epochs", "30"], ["--epochs", "1"], ["--figures", "FOLDER"]])
def test_training_that_diverges_is_said_with_the_model_and_a_remedy(flags, capsys, tmp_path):
    flags = [flag.replace("FOLDER", str(tmp_path)) for flag in flags]
    assert cli.main(["ReLU", "--lr", "1e30", "--train-size", "20", *flags]) == 2
    complaint = r"error: ReLU: the training loss became (nan|inf) after \d+ steps; a smaller lr may help\n"
    assert re.fullmatch(complaint, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_damaged_data_are_refused(tmp_path, capsys, monkeypatch):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b\x08")
    monkeypatch.setenv("TINYDIST_DATA", str(tmp_path))
    assert cli.main(["Abs"]) == 2
    assert "train-images-idx3-ubyte.gz is damaged: it ends too early" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("place", ["record_model", "_explain", "_draw"])
def test_ctrl_c(place, capsys, monkeypatch, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, place, interrupt)
    assert cli.main(["Abs", "--explain", "--figures", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_the_data_are_read(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.datasets, "load", interrupt)
    assert cli.main(["Abs"]) == 130
    assert "Stopped" in capsys.readouterr().err


def test_help_reads_well(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for word in ("MODEL", "--sample", "--train-size", "--explain", "--figures", "examples:", "default: 0.001"):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= 120


@pytest.mark.usefixtures("small")
def test_the_examples_in_the_help_run(capsys, monkeypatch, tmp_path):
    """With fewer images, and without drawing, which has a test of its own."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    lines = re.findall(r"python -m tinydist\.trace (.*?)   ", capsys.readouterr().out)
    assert len(lines) == 5
    monkeypatch.setattr(cli, "_draw", lambda *_: print("drawn"))
    monkeypatch.chdir(tmp_path)
    for line in lines:
        assert cli.main([*line.split(), "--train-size", "20"]) == 0
    assert "drawn" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["gradient_flow.png", "gradient_field.png", "graph_ReLU2.png"])
def test_figures_of_somebody_else_are_not_replaced(name, tmp_path, capsys):
    (tmp_path / name).write_text("mine")
    assert cli.main(["ReLU2", "--figures", str(tmp_path)]) == 2
    assert f"{tmp_path / name} exists already, and would be lost" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]
