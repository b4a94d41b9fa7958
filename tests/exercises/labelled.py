"""Whole answers as people write them, labelled right or wrong.

They lie in the folder answers, a file for each exercise: blocks that begin with `### right LABEL` or `### wrong LABEL`.
"""

import re
from pathlib import Path

from tests.exercises.conftest import UNWRITTEN
from tests.exercises.elsewhere import results
from tinydist.exercises import judge as judge_module
from tinydist.exercises.stubs import stub
from tinydist.exercises.table import file_name, find

FILES = sorted((Path(__file__).parent / "answers").glob("*.txt"))
HEAD = re.compile(r"^### (right|wrong) (\w+)\n", flags=re.M)
SECONDS = 20
"""Processor time after which an answer counts as one that never ends."""


def answers(path):
    """The answers in a file: right or wrong, label and code of each, in the order of the file."""
    nothing, *parts = HEAD.split(path.read_text(encoding="utf-8"))
    assert not nothing.strip(), f"{path.name} begins with something that belongs to no answer"
    return list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))


def misjudged(path, folder):
    """The answers in a file that are judged otherwise than labelled, in words; the learner's files go into `folder`."""
    labelled = answers(path)
    statuses = results(_judge, len(labelled), SECONDS, path, folder)
    return [
        f"{kind} {label}: {status}"
        for (kind, label, _), status in zip(labelled, statuses, strict=True)
        if (status == "passed") != (kind == "right") or status == "not written"
    ]


def _judge(start, path, folder):
    judge_module.PATIENCE = 0
    judge_module._explain = lambda *_: ""  # which takes most of the time
    exercise = find(path.stem)
    for place, (_, _, code) in enumerate(answers(path)[start:], start):
        own = folder / f"{start}-{place}" / file_name(exercise)
        own.parent.mkdir()
        own.write_text(_written(exercise, code), encoding="utf-8")
        yield judge_module.judge(exercise, own).status


def _written(exercise, code):
    """The text of a learner's file with this code in the place of the function."""
    text = stub(exercise)
    start = re.search(rf"^(@.*\n)*def {exercise.name}\(", text, flags=re.M).start()
    end = text.index(UNWRITTEN) + len(UNWRITTEN)
    return text[:start] + code.strip("\n") + "\n" + text[end:]
