"""`python -m segjax` is the command `segjax`."""

import sys

from segjax.cli import main

if __name__ == "__main__":
    sys.exit(main())
