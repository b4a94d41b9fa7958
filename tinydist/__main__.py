"""``python -m tinydist`` and the console script ``tinydist``: the list of commands, and the way to each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tinydist import __version__
from tinydist.command_line import command_parser, program, start

COMMANDS = {
    "reproduce": "rerun the paper on real MNIST, and say claim by claim what held",
    "trace": "watch one backward pass, node by node",
    "exercises": "write the library's functions yourself, and have them checked",
    "bench": "time epochs, kernels and their growth",
}
"""What each command does. A command NAME is ``main`` of ``tinydist.NAME.cli``."""


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; without a command, list all of them and return 2."""
    rows = "\n".join(f"  {name:11}{words}" for name, words in COMMANDS.items())
    parser = command_parser(
        "tinydist",
        f"See how gradients make a network choose distance or intensity.\n\ncommands:\n{rows}",
        "tinydist COMMAND --help says more; python -m tinydist.COMMAND is the same.",
    )
    parser.add_argument("--version", action="version", version=f"tinydist {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="…", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    return start(options.command, options.arguments)


if __name__ == "__main__":
    sys.exit(main())
