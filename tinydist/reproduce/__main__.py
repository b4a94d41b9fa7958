"""``python -m tinydist.reproduce``"""

import sys

if __name__ == "__main__":
    from tinydist.reproduce.cli import main  # in here, so that worker processes do not import it all again

    sys.exit(main())
