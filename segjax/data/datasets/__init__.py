"""The data sets that a config may name; each is one file with its class table first."""

from typing import Any

from segjax.core.tables import Table
from segjax.data.datasets import (
    camvid,
    chase_db1,
    cityscapes,
    davis,
    drive,
    flood_area,
    folder,
    hrf,
    isbi2012,
    moving_mnist,
    oxford_pet,
    stare,
    streets,
)
from segjax.data.source import Source

DATASETS = Table(
    "data set",
    {
        "camvid": camvid.make,
        "chase_db1": chase_db1.make,
        "cityscapes": cityscapes.make,
        "davis": davis.make,
        "drive": drive.make,
        "flood_area": flood_area.make,
        "folder": folder.make,
        "hrf": hrf.make,
        "isbi2012": isbi2012.make,
        "moving_mnist": moving_mnist.make,
        "oxford_pet": oxford_pet.make,
        "stare": stare.make,
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
