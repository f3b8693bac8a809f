"""The data sets that a config may name; each is one file with its class table first."""

from typing import Any

from segjax.core.tables import Table
from segjax.data.datasets import (
    camvid,
    cityscapes,
    folder,
    oxford_pet,
    prepared,
    streets,
)
from segjax.data.source import Source

DATASETS = Table(
    "data set",
    {
        "camvid": camvid.make,
        "cityscapes": cityscapes.make,
        "folder": folder.make,
        "oxford_pet": oxford_pet.make,
        "prepared": prepared.make,
        "streets": streets.make,
    },
    given=("split",),
)


def make(name: str, split: str, **options: Any) -> Source:
    """One split of a data set.

    Args:
      name: key in `DATASETS`.
      split: `"train"`, `"val"` or `"test"`.
      options: the keyword arguments of the data set's own `make`.

    Raises:
      UserError: no such data set or split, or its files are not as they must be.
    """
    return DATASETS[name](split=split, **options)
