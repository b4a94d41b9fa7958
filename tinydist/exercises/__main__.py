"""``python -m tinydist.exercises``"""

import sys

from tinydist.exercises.cli import main

if __name__ == "__main__":
    sys.exit(main())
