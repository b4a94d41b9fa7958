import json

import matplotlib.image
import numpy as np
import pytest

from tinydist.bench import cli
from tinydist.bench.kernels import bench_kernels, kernel_table, roofline, to_time
from tinydist.bench.measure import Machine


@pytest.fixture(scope="module")
def results():
    return bench_kernels(train_size=300, repetitions=2)


@pytest.mark.parametrize("case", to_time(train_size=200)[0], ids=lambda case: case.name)
def test_a_kernel_is_timed_against_a_twin_that_computes_the_same(case):
    ours, twin = case.ours(), case.twin()
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (ours, twin)), strict=True):
        if a is not None:  # the activations write into a given array
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())
    assert case.flops > 0
    assert case.nbytes > 0


def test_the_table_has_a_line_for_each_kernel_with_its_share_of_the_peaks(results):
    machine = Machine(gflops=2 * results[0].gflops, bandwidth=4 * results[0].bandwidth)
    lines = kernel_table(results, machine).splitlines()
    assert len(lines) == len(results) + 1
    assert lines[1].startswith("X W, sparse")
    assert "50%" in lines[1]
    assert "25%" in lines[1]


def test_the_roofline_has_a_point_for_each_kernel(results):
    (axes,) = roofline(results, Machine(100, 20), "a label").axes
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [tuple(line.get_xydata()[0]) for line in points] == [(r.intensity, r.gflops) for r in results]
    assert "flops per byte" in axes.get_xlabel()
    assert "a label" in axes.get_title()


def test_the_command_saves_figures_and_numbers(tmp_path, capsys):
    figure, numbers = tmp_path / "roofline.png", tmp_path / "kernels.json"
    flags = ["kernels", "--train-size", "200", "--threads", "1", "--repetitions", "1"]
    assert cli.main([*flags, "--figure", str(figure), "--json", str(numbers)]) == 0
    assert "GFlop/s" in capsys.readouterr().out
    assert matplotlib.image.imread(figure).shape[0] > 300
    assert json.loads(numbers.read_text())["relu"]["ours"]["median"] > 0


def test_pytorch_computes_the_same_convolutions():
    pytest.importorskip("torch")
    ready, peers = to_time(train_size=50, threads=1)
    ours = {case.name: case.ours for case in ready}
    assert len(peers) == 7
    for name, theirs in peers.items():
        value = theirs()
        array = (value[0] if isinstance(value, tuple) else value).detach().numpy()
        pair = [ours[name](), array]
        if name == "max pool: gradient":  # PyTorch gives all to one of several equal pixels, we share
            pair = [images.reshape(*images.shape[:2], 12, 2, 12, 2).sum(axis=(3, 5)) for images in pair]
        np.testing.assert_allclose(*pair, rtol=2e-3, atol=2e-3, err_msg=name)
