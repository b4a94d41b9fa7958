"""Read a lesson in the terminal: its text, and what each part of its code prints, in turn.

``python lessons/read.py 9`` reads lesson 9 from beginning to end. With ``--pause`` it waits where you are to predict or
to answer. The figure is saved, as when the lesson is run by itself.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinydist.command_line import command_parser, exit_status, program

LESSONS = {
    int(path.name[:2]): path for path in sorted(Path(__file__).parent.glob("[0-9]*.py"))
}
WIDTH = 88
GLUE = "\N{NO-BREAK SPACE}"
"""What stands for a blank that no line may end at."""
AS_IT_IS = re.compile(r"[#$|]|    ")
"""How a paragraph begins whose lines are not wrapped: a title, a formula, a table or a command."""
ITEM = re.compile(r"^(?=[-*] )", re.M)
"""Where an item of a list begins."""


def cells(lesson: Path) -> Iterator[tuple[bool, str]]:
    """Yield the cells of a lesson: whether it is text, and the text or the code."""
    start, is_text = 0, False
    lines = [*lesson.read_text(encoding="utf-8").splitlines(), "# %%"]
    for number, line in enumerate(lines):
        if not line.startswith("# %%"):
            continue
        cell = lines[start:number]
        if is_text:
            yield True, "\n".join(re.sub("^# ?", "", part) for part in cell)
        else:  # behind as many empty lines, so that an error names the right line
            yield False, "\n" * start + "\n".join(cell)
        start, is_text = number + 1, line == "# %% [markdown]"


def wrapped(text: str) -> str:
    """Return Markdown with its paragraphs wrapped to half a screen."""
    # a command stays on one line, to be copied
    glued = re.sub("`[^`]+`", lambda code: re.sub(r"\s", GLUE, code.group()), text)
    paragraphs = glued.strip().split("\n\n")
    return "\n\n".join(map(_wrapped, paragraphs)).replace(GLUE, " ")


def _wrapped(paragraph: str) -> str:
    if AS_IT_IS.match(paragraph):
        return paragraph
    fill = textwrap.TextWrapper(WIDTH, break_on_hyphens=False, break_long_words=False)
    if ITEM.match(paragraph):
        fill.subsequent_indent = "  "
    items = (re.sub("[ \n]+", " ", item) for item in ITEM.split(paragraph) if item)
    return "\n".join(map(fill.fill, items))


def wait(what: str) -> None:
    """Wait for Enter, or for the end of the input."""
    print(f"[Enter shows {what}] ", end="", flush=True)
    sys.stdin.readline()
    print()


def read(lesson: Path, pause: bool) -> None:
    """Print a lesson's text, and run its code where it stands.

    Args:
        lesson: a script with cells.
        pause: whether to wait after a prediction, and before the answer to the exercise.
    """
    names = {"__name__": "__main__", "__file__": str(lesson)}
    asked = False
    for is_text, source in cells(lesson):
        if is_text:
            question, label, answer = source.partition("**Answer.**")
            print(f"{wrapped(question)}\n")
            if label:
                if pause:
                    wait("an answer")
                print(f"{wrapped(label + answer)}\n")
            asked = "**Predict first.**" in source
        elif source.strip():
            if asked and pause:
                wait("what comes out")
            asked = False
            exec(compile(source, lesson, "exec", dont_inherit=True), names)
            print()


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Read the lesson that the command line names, and return the exit status."""
    options = _parser().parse_args(arguments)
    lesson = LESSONS[options.lesson]

    def body() -> int:
        read(lesson, options.pause)
        return 0

    return exit_status(body, ())


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "python lessons/read.py",
        "Read a lesson in the terminal, and run its code where it stands.",
    )
    parser.add_argument(
        "lesson",
        type=int,
        choices=LESSONS,
        metavar="NUMBER",
        help=f"of the lesson, 0 to {max(LESSONS)}",
    )
    parser.add_argument(
        "--pause",
        action="store_true",
        help="wait for Enter where you are to predict or to answer",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
