import json

import numpy as np
import pytest

from tinydist import datasets
from tinydist.bench import cli, streaming
from tinydist.bench.processes import ProcessError


def test_made_up_images_are_a_folder_that_can_be_streamed(tmp_path):
    streaming.make_images(tmp_path, 23)
    data = datasets.stream(str(tmp_path))
    assert data.x_train.shape == (23, 3072)
    assert data.classes == streaming.CLASSES
    assert len(np.unique(np.concatenate(list(data.x_train.chunks(10))), axis=0)) == 23


def test_both_ways_are_measured_for_ten_times_the_images(tmp_path, capsys):
    path = tmp_path / "rows.json"
    assert cli.main(["streaming", "--train-size", "20", "--json", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "growth" in shown
    rows = json.loads(path.read_text())
    assert [row["images"] for row in rows] == [20, 200]
    assert all(row["memory"][way] > 10 and row["seconds"][way] > 0 for row in rows for way in streaming.WAYS)


def test_a_process_that_fails_is_named(tmp_path):
    with pytest.raises(ProcessError, match=r"the process that measures stream ended with status 1: .*absent"):
        streaming._measure(tmp_path / "absent", "stream")
