"""Command line of ``python -m tinydist.exercises``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tinydist.command_line import add_commands, command_parser, exit_status
from tinydist.exercises import pages
from tinydist.exercises.exercise import DEFAULT_FOLDER, ExerciseError, command, shown
from tinydist.exercises.judge import Judgement, judge
from tinydist.exercises.mine import Trial, compared
from tinydist.exercises.table import EXERCISES, find, number
from tinydist.exercises.workspace import Workspace

DESCRIPTION = """\
Write functions of tinydist yourself, one after the other, and have them judged. Only your own file is run; every
other function is the library's, so a mistake in one exercise does not spoil the next.
"""
EPILOG = """\
examples:
  python -m tinydist.exercises start       make the folder ./exercises
  python -m tinydist.exercises next        what to do now
  python -m tinydist.exercises check mul   judge one answer; 'check 2' is the same
"""


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
    for exercise in EXERCISES:
        verdict = judge(exercise, workspace.path(exercise))
        if not verdict.passed:
            print(pages.opening(verdict, workspace.path(exercise)))
            return 0
    print(pages.farewell(workspace.folder))
    return 0


def _check(options: argparse.Namespace) -> int:
    workspace = Workspace.open(options.dir)
    if options.mine:
        for line in compared([judge(e, workspace.path(e)) for e in EXERCISES], Trial()):
            print(line, flush=True)
        return 0
    if options.exercise is None:
        verdicts = _judge_all(workspace)
        print(f"\n{pages.summary(verdicts, workspace.folder)}")
        return 0 if all(verdict.passed for verdict in verdicts) else 1
    exercise = find(options.exercise)
    verdict = judge(exercise, workspace.path(exercise))
    if not verdict.passed:
        print(verdict.message)
        return 1
    print(f"{number(exercise):02} {exercise.name} passes.")
    later = EXERCISES[number(exercise) :]
    open_next = next((e for e in later if not judge(e, workspace.path(e)).passed), None)
    if open_next is not None:
        print(f"\nNext: {number(open_next):02} {open_next.name}, {open_next.title}.")
        print(f"For its task: {command('next', folder=workspace.folder)}")
    else:
        print(f"\nIt was the last one. For all of them: {command('progress', folder=workspace.folder)}")
    return 0


def _judge_all(workspace: Workspace) -> list[Judgement]:
    verdicts = []
    for exercise in EXERCISES:
        verdicts.append(judge(exercise, workspace.path(exercise)))
        print(f"{number(exercise):02} {exercise.name:24} {verdicts[-1].status}", flush=True)
    return verdicts


def _hint(options: argparse.Namespace) -> int:
    exercise = find(options.exercise)
    workspace = Workspace.open(options.dir)
    print(pages.hints(exercise, workspace.next_hint(exercise), workspace.folder))
    return 0


def _reset(options: argparse.Namespace) -> int:
    exercise = find(options.exercise)
    workspace = Workspace.open(options.dir)
    backup = workspace.reset(exercise)
    kept = f" Your version is kept as {shown(backup)}." if backup else ""
    print(f"{shown(workspace.path(exercise))} is fresh again.{kept}")
    return 0


def _solution(options: argparse.Namespace) -> int:
    print(pages.solution(find(options.exercise)))
    return 0


def _progress(options: argparse.Namespace) -> int:
    workspace = Workspace.open(options.dir)
    verdicts = [judge(exercise, workspace.path(exercise)) for exercise in EXERCISES]
    print(pages.progress(verdicts, workspace.folder))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m tinydist.exercises", DESCRIPTION, EPILOG)
    parser.set_defaults(run=None)
    add_command = add_commands(parser)

    def add(name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        sub = add_command(name, run, words)
        sub.add_argument(
            "--dir", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="your folder (default: %(default)s)"
        )
        return sub

    start = add("start", _start, "make your folder, or add to it what is missing")
    start.add_argument("folder", type=Path, nargs="?", metavar="DIR", help=f"the folder (default: {DEFAULT_FOLDER})")
    add("list", _list, "show all exercises")
    add("next", _next, "show the first exercise that does not pass yet")
    check = add("check", _check, "judge an answer, or all of them")
    check.add_argument("exercise", nargs="?", metavar="N|NAME", help="number or name (default: all)")
    check.add_argument("--mine", action="store_true", help="train the paper's models, briefly, with your functions")
    for name, run, words in [
        ("hint", _hint, "show a hint, and one more each time"),
        ("reset", _reset, "start an exercise afresh; your version is kept beside it"),
        ("solution", _solution, "show how the library does it"),
    ]:
        add(name, run, words).add_argument("exercise", metavar="N|NAME", help="number or name")
    add("progress", _progress, "show how far you are, lesson by lesson")
    return parser
