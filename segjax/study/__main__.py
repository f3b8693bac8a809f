"""`python -m segjax.study FOLDER INDEX` runs one point of the study in FOLDER.

The folder says all: no config file is read. Exit codes are those of `launch.py`.
"""

from absl import app, flags

from segjax.core import heap
from segjax.study import single

if __name__ == "__main__":
    heap.large_pages()
    # Workers of the data read absl's flags, of which this command has none.
    app.run(single.main, flags_parser=lambda argv: [*flags.FLAGS(argv[:1]), *argv[1:]])
