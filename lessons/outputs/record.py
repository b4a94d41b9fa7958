"""Record what the lessons print at full length, in a text file each beside this one.

``python lessons/outputs/record.py`` runs all lessons, which takes some minutes, ``record.py 08 14`` these two. Run it
after every change of a lesson's code. Tests see to that, and compare the numbers in a lesson's text with its record.
You can compare your own output with it, too: the last digits may differ from one processor to another.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jupytext

HERE = Path(__file__).parent


def code_of(lesson: Path) -> str:
    """Return the first line of a lesson's record, which tells whether the record is of the lesson's present code."""
    cells = jupytext.read(lesson, fmt="py:percent").cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return f"# printed by {lesson.name}, whose code has the sha256 {hashlib.sha256(code.encode()).hexdigest()}"


def record_of(lesson: Path) -> Path:
    """Return the path of a lesson's record."""
    return HERE / f"{lesson.stem}.txt"


def main(numbers: Sequence[str]) -> None:
    """Run the lessons with these numbers, all by default, and write their records."""
    lessons = sorted(HERE.parent.glob("[0-9]*.py"))
    if unknown := set(numbers) - {lesson.name[:2] for lesson in lessons}:
        sys.exit(
            f"no lesson has the number {', '.join(sorted(unknown))}; numbers have two digits, such as 08"
        )
    environment = {
        name: value for name, value in os.environ.items() if name != "TINYDIST_FAST"
    } | {"MPLBACKEND": "agg"}
    for lesson in lessons:
        if numbers and lesson.name[:2] not in numbers:
            continue
        with tempfile.TemporaryDirectory() as folder:  # for the figures
            command = [sys.executable, str(lesson)]
            printed = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        record_of(lesson).write_text(
            f"{code_of(lesson)}\n\n{printed.stdout}", encoding="utf-8"
        )
        print(record_of(lesson))


if __name__ == "__main__":
    main(sys.argv[1:])
