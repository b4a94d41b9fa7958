"""``python -m tinydist.bench``"""

import sys

from tinydist.command_line import start

if __name__ == "__main__":
    sys.exit(start("bench"))
