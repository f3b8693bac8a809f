"""The log of a run: one JSON object a line, the same bytes however often it resumed.

`metrics.jsonl` holds what is a function of (config, data, seed) alone:

    {"step": 100, "kind": "train", "learning_rate": 0.01, "loss": 0.8, "miou": 0.4}
    {"step": 200, "kind": "val", "loss": 0.9, "miou": 0.35, "pixel_accuracy": 0.8}

What the clock says differs between two equal runs, so it goes to a second log,
`timing.jsonl`, of the same form: `images_per_s`; `wait_share`, the share of the time in
which the devices waited for data; `seconds` of an evaluation, and from the start of the
run to the first step, with the moments at which the data were `audited`, the `state`
made and the step `compiled`.
"""

import json
import os
from pathlib import Path
from typing import Any

from segjax.core.errors import EnvironmentFault, UserError
from segjax.report.files import not_written, number, plain, write_text

METRICS = "metrics.jsonl"
TIMING = "timing.jsonl"


class MetricsLog:
    """Appends rows to a log, after cutting back what a killed run wrote too far.

    A row of step `s` belongs in the log before the checkpoint of step `s` is
    committed (call `sync` first): then every row up to a restored step is there, and
    the run that resumes from it writes the rest again, byte for byte.

    Args:
      path: the file; made if absent.
      start_step: the restored step; rows of later steps are removed, and a torn last
        line is repaired. 0 for a new run.

    Raises:
      UserError: if a line before the last is damaged.
      EnvironmentFault: if the disk refuses.
    """

    def __init__(self, path: str | Path, start_step: int = 0):
        self.path = Path(path)
        cut_back(self.path, start_step)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise EnvironmentFault(not_written(self.path, error)) from error

    def write(self, step: int, kind: str, **values: Any) -> None:
        """Append one row; the names are sorted, scalars of any library are taken."""
        row = {"step": int(step), "kind": kind} | plain(dict(sorted(values.items())))
        line = json.dumps(row, allow_nan=False) + "\n"
        try:
            self._file.write(line.encode())  # unbuffered: one line, one write
        except OSError as error:
            raise EnvironmentFault(not_written(self.path, error)) from error

    def sync(self) -> None:
        """Wait until the rows are on the disk; before a checkpoint is committed."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def read(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a log, oldest first; non-finite numbers are floats again.

    A torn last line (the run is being killed or is writing) is left out. A missing
    file has no rows.

    Raises:
      UserError: if a line before the last is damaged.
    """
    return [
        {k: number(v) if v in ("nan", "inf", "-inf") else v for k, v in row.items()}
        for row, _ in _rows(Path(path))
    ]


def cut_back(path: Path, start_step: int) -> None:
    """Remove rows after `start_step` and a torn last line, atomically."""
    if not path.exists():
        return
    kept = [line for row, line in _rows(path) if row["step"] <= start_step]
    text = "".join(line + "\n" for line in kept)
    if text.encode() != path.read_bytes():
        write_text(path, text)


def _rows(path: Path) -> list[tuple[dict[str, Any], str]]:
    """Each row with its line; the last line may be torn, others may not."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    rows = []
    for number_, line in enumerate(lines, start=1):
        try:
            text = line.decode()
            row = json.loads(text)
            if not isinstance(row["step"], int):
                raise TypeError("no step")
        except (ValueError, KeyError, TypeError):
            if number_ == len(lines):
                break
            raise UserError(
                f"{path}: line {number_} of {len(lines)} is damaged; only the last "
                "may be torn by a kill. Delete the line or use a new run folder."
            ) from None
        rows.append((row, text))
    return rows
