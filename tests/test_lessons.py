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

LESSONS = sorted((Path(__file__).parent.parent / "lessons").glob("[0-9]*.py"))
END = ("**In three sentences.**", "**Exercise.**", "**Answer.**")
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def cells(lesson, cell_type):
    return [cell.source for cell in jupytext.read(lesson, fmt="py:percent").cells if cell.cell_type == cell_type]


def test_the_lessons_are_numbered_from_0_without_a_gap():
    assert [path.name.split("_")[0] for path in LESSONS] == [f"{n:02}" for n in range(len(LESSONS))]
    assert LESSONS


def test_every_lesson_is_on_one_path_of_the_site_and_the_core_path_needs_no_other():
    paths = (LESSONS[0].parent / "site" / "index.rst").read_text(encoding="utf-8").split("**The core path**")[1]
    assert sorted(re.findall(r":doc:`lessons/(\w+)`", paths)) == [path.stem for path in LESSONS]
    core = [int(n) for n in re.findall(r"lessons/(\d+)", paths.partition("**The engine")[0])]
    for number in core:
        before = cells(LESSONS[number], "markdown")[0].splitlines()[2].partition("**Before it:**")[2]
        assert {int(n) for n in re.findall(r"\d+", before)} <= set(core)


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
    parts = ("**Time.**", "After this lesson", "**Predict first.**", "**Notice.**", *END)
    places = [text.find(part) for part in parts]
    assert -1 not in places, places
    assert places == sorted(places)
    assert all(part in cells(lesson, "markdown")[-1] for part in END)


@every_lesson
def test_a_lesson_ends_with_three_sentences_that_say_what_it_found(lesson):
    summary = cells(lesson, "markdown")[-1].partition("**In three sentences.**")[2].partition("**Exercise.**")[0]
    assert len(re.findall(r"[.?!](?=\s|$)", summary)) == 3


def words_of(lesson):
    """The words to read; an answer is not counted, as it is folded."""
    return len("\n".join(cells(lesson, "markdown")).partition("**Answer.**")[0].split())


@every_lesson
def test_a_lesson_has_at_most_a_thousand_words_and_lines_of_88_columns_of_code(lesson):
    assert words_of(lesson) <= 1_000
    assert max(len(line) for code in cells(lesson, "code") for line in code.splitlines()) <= 88


@every_lesson
def test_a_lesson_draws_in_a_cell_of_its_own_which_begins_with_the_figure(lesson):
    for code in cells(lesson, "code"):
        draws = "subplots(" in code or "savefig(" in code
        assert draws == code.startswith("figure, ")
        width = re.search(r"figsize=\(([\d.]+), ", code)
        assert not width or float(width[1]) <= 7.4  # inches: its letters can be read on a phone


@every_lesson
def test_a_lesson_says_how_long_it_takes_and_what_comes_before(lesson):
    """By a rule: 120 words or 15 lines of code a minute, and two minutes for a prediction."""
    text, code = ("\n".join(cells(lesson, kind)) for kind in ("markdown", "code"))
    minutes = words_of(lesson) / 120 + len(code.splitlines()) / 15 + 2 * text.count("**Predict first.**")
    head = cells(lesson, "markdown")[0].splitlines()[2]
    said = re.fullmatch(r"\*\*Time.\*\* About (\d+) minutes, without the exercise. \*\*Before it:\*\* (.+)\.", head)
    assert said, head
    assert int(said[1]) == 5 * round(minutes / 5)
    assert all(int(before) < int(lesson.stem[:2]) for before in re.findall(r"\d+", said[2]))


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


READ = runpy.run_path(str(LESSONS[0].parent / "read.py"))


def read_in_the_terminal(tmp_path, *arguments, answers="\n" * 20):
    environment = os.environ | {"MPLBACKEND": "agg", "TINYDIST_FAST": "1", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, str(LESSONS[0].parent / "read.py"), *arguments]
    return subprocess.run(command, cwd=tmp_path, env=environment, input=answers, capture_output=True, text=True)


def test_a_lesson_read_in_the_terminal_waits_for_each_prediction_and_shows_text_and_outputs_in_turn(tmp_path):
    ended = read_in_the_terminal(tmp_path, "1", "--pause")
    assert ended.returncode == 0, ended.stderr
    text = "\n".join(cells(LESSONS[1], "markdown"))
    assert ended.stdout.count("[Enter shows what comes out]") == text.count("**Predict first.**")
    assert ended.stdout.count("[Enter shows an answer]") == 1
    parts = (
        "# 1. A gradient",
        "**Predict first.**",
        "[Enter shows what",
        "backward says",
        "**Notice.**",
        "**Answer.**",
    )
    places = [ended.stdout.find(part) for part in parts]
    assert -1 not in places, places
    assert places == sorted(places)
    assert max(len(line) for line in ended.stdout.splitlines() if not line.startswith("|")) <= 100
    assert read_in_the_terminal(tmp_path, "1", "--pause", answers="").stdout == ended.stdout  # nobody is there


@every_lesson
def test_a_command_in_a_lesson_read_in_the_terminal_is_on_one_line(lesson):
    shown = "\n".join(map(READ["wrapped"], cells(lesson, "markdown")))
    commands = re.findall(r"`[^`]*`", shown.replace("```", ""))
    assert commands
    assert not [command for command in commands if "\n" in command]
    assert READ["GLUE"] not in shown


@pytest.mark.parametrize("wrong", [["42"], ["nine"], ["-1"], ["1", "2"], []])
def test_reading_a_lesson_that_is_not_there_says_which_are(wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        READ["main"](wrong)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.endswith("see python lessons/read.py --help\n")


@every_lesson
def test_a_list_in_a_lesson_read_in_the_terminal_keeps_its_items_apart_and_no_text_is_lost(lesson):
    for text in cells(lesson, "markdown"):
        shown = READ["wrapped"](text)
        items = [re.findall(r"^[-*] .{9}", each, flags=re.MULTILINE) for each in (text, shown)]
        assert items[0] == items[1]
        assert shown.split() == text.split()
        assert not re.search(r"^[-* ] .*\w  ", shown, flags=re.MULTILINE)


def test_a_lesson_read_in_the_terminal_without_pause_does_not_wait(tmp_path, capsys):
    short = tmp_path / "01_short.py"
    short.write_text("# %% [markdown]\n# # 1. Short\n#\n# **Predict first.** What?\n\n# %%\nprint(6 * 7)\n")
    READ["read"](short, pause=False)
    assert capsys.readouterr().out == "# 1. Short\n\n**Predict first.** What?\n\n42\n\n"


@every_lesson
def test_a_lesson_names_exercises_that_exist(lesson):
    named = re.findall(r"tinydist\.exercises check (\w+)", "\n".join(cells(lesson, "markdown")))
    assert set(named) <= {exercise.name for exercise in EXERCISES}


# --- the numbers that a text names are in the record of the lesson, or known from elsewhere ---------------------------

RECORD = runpy.run_path(str(LESSONS[0].parent / "outputs" / "record.py"))

IN_TEXT = re.compile(r"(?<![\w.^/])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w/^])")
IN_RECORD = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
NOT_A_FINDING = re.compile(r"[Ll]essons? \d+|`[^`]*`|\$[^$]*\$")
ENDS = re.compile(r"\n## |\*\*Predict first|\*\*In three sentences|\*\*Exercise")

ELSEWHERE = {
    "00": {"100": "epochs, as the code has them"},
    "01": {"1": "the slope of |x|", "2": "factors of the product", "3": "the output", "1.5": "the weight"},
    "02": {"7": "1 + 3 + 3, in the text before"},
    "04": {"200": "steps, as the code has them"},
    "06": {"200": "below the largest loss in the record"},
    "09": {"1,000": "images, as the code has them"},
    "10": {
        **{"64": "(100 + 28) / 2", "36": "(100 - 28) / 2", "200": "steps", "3,000": "images"},
        **{"12": "99 less 86.6, in the record", "38": "100 less 62.2, in the record"},
        **{"60,000": "the paper", "5,000": "the paper", "5": "the paper: 95.35 less 90.08"},
    },
    "11": {"128": "hidden units", "5,000": "epochs of data/results/ablation"},
    "12": {"97": "the paper", "98": "the paper", "50,000": "the paper"},
    "13": {"12,870": "16 over 8", **dict.fromkeys(("19", "20", "38"), "the paper"), "90": "of the intervals drawn"},
    "14": {"50,000": "the paper", **dict.fromkeys(("26", "27"), "differences in the record")},
    "15": {"70": "below the smallest accuracy of ReLU in the record"},
    "16": {"200": "steps", "2": "the range of tanh"},
    "18": {"180": "degrees", "300": "images", "60": "steps", "70": "an example"},
    "19": {"100,000": "784 times 128", "400": "784 times 128 numbers of 4 bytes", "3": "784 of these"},
}
"""Numbers that no lesson prints, by lesson, and where they are from."""


def numbers_in_text(lesson):
    """Yield the numbers behind each "Notice" and in the three sentences, which say what the experiments have shown."""
    for text in cells(lesson, "markdown"):
        for label in ("**Notice.**", "**In three sentences.**"):
            _, _, found = text.partition(label)
            yield from (n.group().rstrip(",") for n in IN_TEXT.finditer(NOT_A_FINDING.sub("", ENDS.split(found)[0])))


def is_rounded(text, exact):
    """Return whether a number in a text is another one, rounded to the digits that the text has."""
    mantissa, _, exponent = text.replace(",", "").partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(f"{mantissa}e{exponent or 0}") - exact) <= unit / 2 * 1.000001


@every_lesson
def test_a_lessons_record_is_of_its_present_code(lesson):
    first, *printed = RECORD["record_of"](lesson).read_text(encoding="utf-8").splitlines()
    assert first == RECORD["code_of"](lesson), f"run python lessons/outputs/record.py {lesson.name[:2]}"
    assert max(map(len, printed)) <= 100  # columns


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
