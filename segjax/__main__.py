"""`python -m segjax` is the command `segjax`."""

import sys

from segjax.cli import main
from segjax.core import heap


def run() -> int:
    """The program: `main` in a process that is set up for it."""
    heap.large_pages()
    return main()


if __name__ == "__main__":
    sys.exit(run())
