"""Every lesson runs, and keeps to the form that the notebooks and the site rely on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from markdown_it import MarkdownIt

from tinydist.exercises.table import EXERCISES

LESSONS = sorted((Path(__file__).parent.parent / "lessons").glob("*.py"))
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def cells(lesson, cell_type):
    return [cell.source for cell in jupytext.read(lesson, fmt="py:percent").cells if cell.cell_type == cell_type]


def test_the_lessons_are_numbered_from_0_without_a_gap():
    assert [path.name.split("_")[0] for path in LESSONS] == [f"{n:02}" for n in range(len(LESSONS))]
    assert LESSONS


@every_lesson
def test_a_lesson_runs_from_beginning_to_end_without_a_warning_and_saves_a_figure(lesson, tmp_path):
    command = [sys.executable, "-W", "error", str(lesson)]
    environment = os.environ | {"MPLBACKEND": "agg", "TINYDIST_FAST": "1", "PYTHONIOENCODING": "ascii"}  # any terminal
    environment["NUMBA_NUM_THREADS"] = "1"  # tests share the cores
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
    figure = tmp_path / "results" / "lessons" / f"{lesson.stem}.png"
    assert figure.read_bytes().startswith(b"\x89PNG")


@every_lesson
def test_a_lesson_has_a_title_with_its_number_and_no_other_title(lesson):
    titles = re.findall(r"^# .*", "\n".join(cells(lesson, "markdown")), flags=re.MULTILINE)
    assert len(titles) == 1
    assert titles[0].startswith(f"# {int(lesson.stem[:2])}. ")
    assert jupytext.read(lesson, fmt="py:percent").cells[0].source.startswith(titles[0])


@every_lesson
def test_a_lesson_has_its_parts_in_order(lesson):
    text = "\n".join(cells(lesson, "markdown"))
    places = [text.find(part) for part in ("After this lesson", "**Predict first.**", "**Notice.**", "**Exercise.**")]
    assert -1 not in places, places
    assert places == sorted(places)
    assert "**Exercise.**" in cells(lesson, "markdown")[-1]


@every_lesson
def test_a_lesson_has_at_most_a_thousand_words(lesson):
    words = sum(len(text.split()) for text in cells(lesson, "markdown"))
    assert words <= (1_000 if lesson.stem != "13_judging_a_claim" else 1_500)


@every_lesson
def test_the_text_of_a_lesson_is_markdown_that_survives_translation(lesson):
    for text in cells(lesson, "markdown"):
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        kinds = [inner.type for token in tokens for inner in [token, *(token.children or [])]]
        assert not {"html_block", "html_inline"} & set(kinds), f"HTML in: {text}"
        assert not [token for token in tokens if token.type == "list_item_open" and token.level > 1], f"in: {text}"


@every_lesson
def test_a_lesson_becomes_a_valid_notebook_with_the_same_code(lesson):
    written = jupytext.writes(jupytext.read(lesson, fmt="py:percent"), fmt="ipynb")
    notebook = nbformat.reads(written, as_version=4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells if cell.cell_type == "code"] == cells(lesson, "code")
    assert "plt.show" not in written


@every_lesson
def test_a_lesson_names_exercises_that_exist(lesson):
    named = re.findall(r"tinydist\.exercises check (\w+)", "\n".join(cells(lesson, "markdown")))
    assert set(named) <= {exercise.name for exercise in EXERCISES}
