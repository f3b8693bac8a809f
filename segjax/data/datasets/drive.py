"""DRIVE in its official tree: vessels of the retina, 20 + 20 photographs of 565x584.

Each image has three names: `21_training.tif`, `21_manual1.gif`,
`21_training_mask.gif`; the example is called `21`.
"""

from typing import Literal

from segjax.core.errors import UserError
from segjax.data import retina, splits
from segjax.data.retina import RetinaFiles
from segjax.data.source import bad_split, find_root

INFO = retina.info(
    "drive",
    homepage="https://drive.grand-challenge.org",
    citation=(
        "Staal, Abramoff, Niemeijer, Viergever, van Ginneken: Ridge-Based Vessel "
        "Segmentation in Color Images of the Retina, IEEE TMI 2004"
    ),
    licence="for research, after registration",
)

SPLITS = ("train", "val", "trainval", "test")
TREE = """\
  ROOT/training/images/21_training.tif       ROOT/test/images/01_test.tif
  ROOT/training/1st_manual/21_manual1.gif    ROOT/test/1st_manual/01_manual1.gif
  ROOT/training/mask/21_training_mask.gif    ROOT/test/mask/01_test_mask.gif
                                             ROOT/test/2nd_manual/01_manual2.gif"""


def make(
    split: str,
    root: str,
    annotator: Literal[1, 2] = 1,
    outside: Literal["ignore", "keep"] = "ignore",
    val_share: float | int = 0.2,
    split_seed: int = 0,
    folds: int = 0,
    fold: int = 0,
) -> RetinaFiles:
    """One split of DRIVE: classes background and vessel.

    Args:
      split: `"train"` or `"val"`, both of the 20 training images; `"trainval"`, all of
        these; or `"test"`, the 20 test images.
      root: the folder that holds `training/` and `test/`.
      annotator: whose masks; the second drew those of the test images alone.
      outside: what the labels outside of the shipped masks of the field of view become:
        `"ignore"`d, as published scores have it, or kept.
      val_share: share of the training images in `"val"`.
      split_seed: of that share, or of the folds.
      folds: from 2 to 20, the training images are dealt into so many folds.
      fold: the fold that is `"val"`, from 0.

    Raises:
      UserError: the folder is missing, a file has no partner, or an argument is out of
        its range.
    """
    if split not in SPLITS:
        raise bad_split(INFO, split, SPLITS)
    if annotator == 2 and split != "test":
        raise UserError(
            "config.data.annotator=2: the second annotator drew the test images alone; "
            f"for the split {split!r} use annotator=1."
        )
    base = find_root(root, INFO, TREE)
    part = "test" if split == "test" else "training"
    folder, order = base / part, ("1st", "2nd")[annotator - 1]
    files = {
        "image": retina.find(folder / "images", f"_{part}"),
        f"{order}_manual": retina.find(
            folder / f"{order}_manual", f"_manual{annotator}"
        ),
    }
    if outside == "ignore":
        files["mask of the field of view"] = retina.find(
            folder / "mask", f"_{part}_mask"
        )
    rows = retina.pair(INFO, split, base, files, TREE)
    if split in ("train", "val"):
        chosen = splits.part(
            INFO,
            split,
            rows,
            val_share=val_share,
            split_seed=split_seed,
            folds=folds,
            fold=fold,
        )
        rows = {name: rows[name] for name in chosen}
    return retina.make(INFO, split, base, rows, outside)
