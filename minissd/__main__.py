"""``python -m minissd``: the same as the command ``minissd``."""

import sys

from minissd.cli import main

if __name__ == "__main__":
    sys.exit(main())
