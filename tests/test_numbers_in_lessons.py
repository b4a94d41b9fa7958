"""The numbers that a lesson's text names are those that it prints: in its record, or known from elsewhere."""

import re
import runpy
from pathlib import Path

import jupytext
import pytest

LESSONS = Path(__file__).parent.parent / "lessons"
RECORD = runpy.run_path(str(LESSONS / "outputs" / "record.py"))
every_lesson = pytest.mark.parametrize("lesson", sorted(LESSONS.glob("[0-9]*.py")), ids=lambda path: path.stem)

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
    for cell in jupytext.read(lesson, fmt="py:percent").cells:
        _, notice, text = cell.source.partition("**Notice.**")
        if cell.cell_type == "markdown" and notice:
            yield from (n.group().rstrip(",") for n in IN_TEXT.finditer(NOT_A_FINDING.sub("", ENDS.split(text)[0])))


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
