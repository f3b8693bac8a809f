"""The data sets that a config may name; each is one file with its class table first."""

from typing import Any

from segjax.core.tables import Table
from segjax.data.datasets import (
    ade20k,
    camvid,
    camvid_32,
    cityscapes,
    coco,
    folder,
    oxford_pet,
    pascal_voc,
    penn_fudan,
    prepared,
    streets,
    tfds,
)
from segjax.data.source import Source

DATASETS = Table(
    "data set",
    {
        "ade20k": ade20k.make,
        "camvid": camvid.make,
        "camvid_32": camvid_32.make,
        "cityscapes": cityscapes.make,
        "coco": coco.make,
        "folder": folder.make,
        "oxford_pet": oxford_pet.make,
        "pascal_voc": pascal_voc.make,
        "penn_fudan": penn_fudan.make,
        "prepared": prepared.make,
        "streets": streets.make,
        "tfds": tfds.make,
    },
    given=("split",),
)


def make(name: str, split: str, **options: Any) -> Source:
    """One split of a data set.

    Args:
      name: key in `DATASETS`.
      split: `"train"`, `"val"` or `"test"`, and others where a data set has them.
      options: the keyword arguments of the data set's own `make`.

    Raises:
      UserError: no such data set or split, or its files are not as they must be.
    """
    return DATASETS[name](split=split, **options)
