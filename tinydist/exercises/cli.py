"""Command line of ``python -m tinydist.exercises``.

A learner waits for these commands many times a day, so what only some of them need is imported there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tinydist.command_line import add_commands, command_parser, exit_status, is_read, program
from tinydist.exercises import pages
from tinydist.exercises.exercise import Exercise, ExerciseError, command, default_folder, shown
from tinydist.exercises.judgement import Judgement
from tinydist.exercises.table import EXERCISES, find
from tinydist.exercises.watch import changed
from tinydist.exercises.workspace import Workspace

DESCRIPTION = """\
Write functions of tinydist yourself, one after the other, and have them judged. Only your own files are run; every
other function is the library's, so a mistake in one exercise does not spoil the next.
"""
EPILOG = """\
examples:
  python -m tinydist.exercises start       make the folder ./exercises
  python -m tinydist.exercises next        what to do now
  python -m tinydist.exercises check mul   judge one answer; 'check 2' is the same
  python -m tinydist.exercises watch       judge each answer when you save its file
"""


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 if an answer does not pass, 2 for bad use, 130 after Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.run is None:
        parser.print_help()
        return 2
    return exit_status(lambda: int(options.run(options)), (ExerciseError,))


def _start(options: argparse.Namespace) -> int:
    folder = options.folder or options.dir
    existed = folder.is_dir()
    workspace, written = Workspace.start(folder)
    if not written:
        print(f"{shown(folder)} is complete already; nothing was changed.")
    elif existed:
        print(f"Added to {shown(folder)}: {', '.join(written)}. Everything else there is as it was.")
    else:
        print(f"Made {shown(folder)} with {len(EXERCISES)} exercises, a README and a pytest.ini.")
    print(f"\nWhat to do first: {command('next', folder=workspace.folder)}")
    return 0


def _list(_options: argparse.Namespace) -> int:
    print(pages.contents(EXERCISES))
    return 0


def _next(options: argparse.Namespace) -> int:
    workspace = Workspace.open(options.dir)
    print(_what_is_open(workspace))
    return 0


def _what_is_open(workspace: Workspace) -> str:
    """Return the page of the first exercise that does not pass."""
    first = pages.first_open(workspace.standings())
    return pages.farewell(workspace.folder) if first is None else pages.opening(first, workspace.path(first.exercise))


def _check(options: argparse.Namespace) -> int:
    workspace = Workspace.open(options.dir)
    if options.mine and options.exercise:
        raise ExerciseError("check --mine takes all answers that pass; leave the names out")
    exercises = list(dict.fromkeys(map(find, options.exercise)))
    if options.mine:
        return _check_mine(workspace)
    if not exercises:
        judgements = _judge_all(workspace)
        print(f"\n{pages.summary(judgements, workspace.folder)}")
    else:
        judgements = []
        for exercise in exercises:
            judgements.append(_judge(workspace, exercise))
            print(pages.result(judgements[-1]), end="\n\n")
        if all(judgement.passed for judgement in judgements):
            print(pages.onward(workspace.standings(), workspace.folder))
    return 0 if all(judgement.passed for judgement in judgements) else 1


def _judge(workspace: Workspace, exercise: Exercise) -> Judgement:
    from tinydist.exercises.apart import judge_apart

    digest = workspace.digest(exercise)  # the file may be saved again while it is judged
    judgement = judge_apart(exercise, workspace.path(exercise))
    try:
        workspace.remember(judgement, digest)
    except ExerciseError as problem:
        print(f"The result is not remembered: {problem}", file=sys.stderr)
    return judgement


def _judge_all(workspace: Workspace) -> list[Judgement]:
    judgements = []
    for exercise in EXERCISES:
        judgements.append(_judge(workspace, exercise))
        print(f"{exercise.number:02} {exercise.name:24} {judgements[-1].status}", flush=True)
    return judgements


def _check_mine(workspace: Workspace) -> int:
    from tinydist.exercises.answers import at_home, load
    from tinydist.exercises.mine import Part, ShortTraining, compared

    judgements = _judge_all(workspace)
    print(flush=True)
    with at_home(workspace.folder):
        parts = [Part(j.exercise, load(j.exercise, workspace.path(j.exercise))) for j in judgements if j.passed]
        for line in compared(parts, judgements, ShortTraining()):
            print(line, flush=True)
    return 1 if any(judgement.status in ("wrong", "unusable") for judgement in judgements) else 0


def _watch(options: argparse.Namespace) -> int:
    workspace = Workspace.open(options.dir)
    exercises = list(map(find, options.exercise)) or list(EXERCISES)
    print(_what_is_open(workspace))
    print(f"\nWatching {shown(workspace.folder)}: save a file, and it is checked. Ctrl-C ends this.", flush=True)
    for exercise in changed(workspace, exercises):
        judgement = _judge(workspace, exercise)
        print(f"\n{'-' * 60}\n{pages.result(judgement)}", flush=True)
        if judgement.passed:
            print(f"\n{pages.onward(workspace.standings(), workspace.folder)}", flush=True)
        if not is_read():
            break
    return 0


def _hint(options: argparse.Namespace) -> int:
    exercise = find(options.exercise)
    workspace = Workspace.open(options.dir)
    count = workspace.next_hint(exercise)
    print(pages.hints(exercise, count, workspace.folder))
    try:
        workspace.remember_hints(exercise, count)
    except ExerciseError as problem:
        print(f"Next time it begins again: {problem}", file=sys.stderr)
    return 0


def _reset(options: argparse.Namespace) -> int:
    exercise = find(options.exercise)
    workspace = Workspace.open(options.dir)
    backup = workspace.reset(exercise)
    kept = f" Your version is kept as {shown(backup)}." if backup else ""
    print(f"{shown(workspace.path(exercise))} is fresh again.{kept}")
    return 0


def _solution(options: argparse.Namespace) -> int:
    from tinydist.exercises.stubs import solution

    print(solution(find(options.exercise)))
    return 0


def _progress(options: argparse.Namespace) -> int:
    workspace = Workspace.open(options.dir)
    print(pages.progress(workspace.standings(), workspace.folder))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m tinydist.exercises", DESCRIPTION, EPILOG)
    parser.set_defaults(run=None)
    words_of_dir = "your folder (default: the current one if it is yours, else exercises)"
    parser.add_argument("--dir", type=Path, default=default_folder(), metavar="DIR", help=words_of_dir)
    add_command = add_commands(parser)

    def add(name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        sub = add_command(name, run, words)
        sub.add_argument("--dir", type=Path, default=argparse.SUPPRESS, metavar="DIR", help=words_of_dir)
        return sub

    start = add("start", _start, "make your folder, or add to it what is missing")
    start.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the folder, as --dir")
    add("list", _list, "show all exercises")
    add("next", _next, "show the first exercise that does not pass yet")
    check = add("check", _check, "judge these answers, or all of them")
    check.add_argument("exercise", nargs="*", metavar="N|NAME", help="numbers or names (default: all)")
    check.add_argument("--mine", action="store_true", help="compare your functions in models, and train one with them")
    watch = add("watch", _watch, "judge each answer when you save its file")
    watch.add_argument("exercise", nargs="*", metavar="N|NAME", help="numbers or names (default: all)")
    for name, run, words in [
        ("hint", _hint, "show a hint, and one more each time"),
        ("reset", _reset, "start an exercise afresh; your version is kept beside it"),
        ("solution", _solution, "show a right answer"),
    ]:
        add(name, run, words).add_argument("exercise", metavar="N|NAME", help="number or name")
    add("progress", _progress, "show how far you are, lesson by lesson")
    return parser
