"""``python -m tinydist.reproduce``"""

import sys

from tinydist.command_line import start

if __name__ == "__main__":
    sys.exit(start("reproduce"))
