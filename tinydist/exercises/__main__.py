"""``python -m tinydist.exercises``"""

import sys
from pathlib import Path

if __name__ == "__main__":
    if Path(".tinydist-exercises.json").exists() and Path(sys.path[0]).resolve() == Path.cwd():
        del sys.path[0]  # a learner's own files here must not hide modules of Python

    from tinydist.command_line import start

    sys.exit(start("exercises"))
