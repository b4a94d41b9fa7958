"""Every lesson runs, keeps to the form that the notebooks and the site rely on, and names numbers that it prints."""

import os
import re
import runpy
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


# --- the numbers that a text names are in the record of the lesson, or known from elsewhere ---------------------------

RECORD = runpy.run_path(str(LESSONS[0].parent / "outputs" / "record.py"))

IN_TEXT = re.compile(r"(?<![\w.^/])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w/^])")
IN_RECORD = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
NOT_A_FINDING = re.compile(r"[Ll]essons? \d+|`[^`]*`|\$[^$]*\$")
ENDS = re.compile(r"\n## |\*\*Predict first|\*\*Exercise")

ELSEWHERE = {
    "00": {"100": "epochs, as the code has them"},
    "01": {"1": "the slope of |x|", "2": "factors of the product", "3": "the output"},
    "02": {"7": "1 + 3 + 3, in the text before"},
    "04": {"200": "steps, as the code has them"},
    "06": {"200": "below the largest loss in the record"},
    "08": {"1,000": "images, as the code has them"},
    "09": {
        **{"64": "(100 + 28) / 2", "36": "(100 - 28) / 2", "200": "steps", "3,000": "images"},
        **{"12": "99 less 86.6, in the record", "38": "100 less 62.2, in the record"},
        **{"60,000": "the paper", "5,000": "the paper", "5": "the paper: 95.35 less 90.08"},
    },
    "10": {"97": "the paper", "98": "the paper", "50,000": "the paper"},
    "11": {"128": "hidden units", "5,000": "epochs of data/results/ablation"},
    "12": {"100,000": "784 times 128", "400": "784 times 128 numbers of 4 bytes", "3": "784 of these"},
    "13": {"12,870": "16 over 8", "50,000": "the paper"},
    "14": {"70": "below the smallest accuracy of ReLU in the record"},
    "15": {"200": "steps", "2": "the range of tanh"},
    "17": {"180": "degrees", "300": "images", "60": "steps", "70": "an example"},
}
"""Numbers that no lesson prints, by lesson, and where they are from."""


def numbers_in_text(lesson):
    """Yield the numbers behind each "Notice", which say what an experiment has shown."""
    for text in cells(lesson, "markdown"):
        _, _, noticed = text.partition("**Notice.**")
        yield from (n.group().rstrip(",") for n in IN_TEXT.finditer(NOT_A_FINDING.sub("", ENDS.split(noticed)[0])))


def is_rounded(text, exact):
    """Return whether a number in a text is another one, rounded to the digits that the text has."""
    mantissa, _, exponent = text.replace(",", "").partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(f"{mantissa}e{exponent or 0}") - exact) <= unit / 2 * 1.000001


@every_lesson
def test_a_lessons_record_is_of_its_present_code(lesson):
    first, _ = RECORD["record_of"](lesson).read_text(encoding="utf-8").split("\n", 1)
    assert first == RECORD["code_of"](lesson), f"run python lessons/outputs/record.py {lesson.name[:2]}"


@every_lesson
def test_every_number_that_a_lesson_has_found_is_in_its_record_or_known_from_elsewhere(lesson):
    _, printed = RECORD["record_of"](lesson).read_text(encoding="utf-8").split("\n", 1)
    recorded = [float(n.group().rstrip(",").replace(",", "")) for n in IN_RECORD.finditer(printed)]
    named, known = set(numbers_in_text(lesson)), set(ELSEWHERE.get(lesson.name[:2], {}))
    assert known <= named
    assert {n for n in named if not any(is_rounded(n, value) for value in recorded)} <= known


@pytest.mark.parametrize(
    ("text", "exact", "right"),
    [
        *(("98", 97.6, True), ("98", 97.4, False), ("0.08", 0.0839, True), ("0.08", 0.0861, False)),
        *(("2e-09", 2.1e-9, True), ("2e-09", 2.6e-9, False), ("1,000", 1000.4, True), ("1,000", 1001, False)),
    ],
)
def test_a_number_is_compared_to_the_digits_that_it_is_given_with(text, exact, right):
    assert is_rounded(text, exact) is right
