"""``python -m tinydist.bench``"""

import sys

from tinydist.bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
