import os
import subprocess
import sys
from pathlib import Path

import pytest

LESSONS = sorted((Path(__file__).parent.parent / "lessons").glob("*.py"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_from_beginning_to_end_without_a_warning(lesson, tmp_path):
    command = [sys.executable, "-W", "error", str(lesson)]
    environment = os.environ | {"MPLBACKEND": "agg"}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout


def test_there_are_lessons():
    assert LESSONS
