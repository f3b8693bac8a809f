"""The data sets that a config may name; each is one file with its class table first."""

from typing import Any

from segjax.core.tables import Table
from segjax.data.datasets import (
    ade20k,
    camvid,
    camvid_32,
    chase_db1,
    cityscapes,
    coco,
    davis,
    drive,
    flood_area,
    folder,
    hrf,
    isbi2012,
    moving_mnist,
    oxford_pet,
    pascal_voc,
    penn_fudan,
    prepared,
    stare,
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
        "chase_db1": chase_db1.make,
        "cityscapes": cityscapes.make,
        "coco": coco.make,
        "davis": davis.make,
        "drive": drive.make,
        "flood_area": flood_area.make,
        "folder": folder.make,
        "hrf": hrf.make,
        "isbi2012": isbi2012.make,
        "moving_mnist": moving_mnist.make,
        "oxford_pet": oxford_pet.make,
        "pascal_voc": pascal_voc.make,
        "penn_fudan": penn_fudan.make,
        "prepared": prepared.make,
        "stare": stare.make,
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
