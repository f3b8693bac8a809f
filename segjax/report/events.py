"""The numbers and pictures of a run for TensorBoard, written by tensorboardX."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorboardX
from jaxtyping import UInt8

from segjax.report.files import plain

FOLDER = "tensorboard"


class Events:
    """Writes event files under `<workdir>/tensorboard`.

    Args:
      workdir: the run folder.
      start_step: the restored step of a resumed run; TensorBoard then hides what a
        killed attempt wrote after it. 0 for a new run.
    """

    def __init__(self, workdir: str | Path, start_step: int = 0):
        self._writer = tensorboardX.SummaryWriter(
            str(Path(workdir) / FOLDER),
            purge_step=start_step + 1 if start_step else None,
            # names hold whole seconds alone: a quick restart would overwrite its file
            filename_suffix=f".from{start_step:08}",
        )

    def scalars(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
        """Write each number as `kind/name`; what is not a number is left out."""
        for name, value in plain(values).items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(f"{kind}/{name}", value, int(step))

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "H W 3"]) -> None:
        """Write one RGB picture."""
        self._writer.add_image(name, image, int(step), dataformats="HWC")

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
