"""STARE: vessels of the retina, 20 photographs of 700x605 and two annotators.

The files come as `im0001.ppm.gz` and are unpacked by gunzip; pictures of other suffixes
are read too.
"""

from typing import Literal

from segjax.data import retina, splits
from segjax.data.retina import RetinaFiles
from segjax.data.source import find_root

INFO = retina.info(
    "stare",
    homepage="https://cecas.clemson.edu/~ahoover/stare/probing/index.html",
    citation=(
        "Hoover, Kouznetsova, Goldbaum: Locating Blood Vessels in Retinal Images by "
        "Piecewise Threshold Probing of a Matched Filter Response, IEEE TMI 2000"
    ),
    licence="no terms stated",
)

ANNOTATORS = {1: "ah", 2: "vk"}
"""Adam Hoover, Valentina Kouznetsova."""

TREE = """\
  ROOT/stare-images/im0001.ppm
  ROOT/labels-ah/im0001.ah.ppm   ROOT/labels-vk/im0001.vk.ppm
  (stare-images.tar, labels-ah.tar and labels-vk.tar, their .gz files unpacked)"""


def make(
    split: str,
    root: str,
    annotator: Literal[1, 2] = 1,
    outside: Literal["ignore", "keep"] = "keep",
    val_share: float | int = 0.2,
    split_seed: int = 0,
    folds: int = 0,
    fold: int = 0,
    split_file: str = "",
) -> RetinaFiles:
    """One split of STARE: classes background and vessel. No split is published.

    Args:
      split: `"train"`, `"val"` or `"all"`, or one of `split_file`.
      root: the folder that holds `stare-images/`, `labels-ah/` and `labels-vk/`.
      annotator: 1 is `ah`, whom most papers take for the truth; 2 is `vk`.
      outside: what the labels outside the field of view become. No masks of it are
        shipped, so the default `"keep"` counts all pixels, which any other program does
        alike; `"ignore"` takes the field that `retina.field_of_view` derives.
      val_share: share of the images in `"val"`.
      split_seed: of that share, or of the folds.
      folds: from 2 up, deal the images into so many folds; 20 is leave-one-out.
      fold: the fold that is `"val"`, from 0.
      split_file: a file of `segjax.data.splits` that says who is in which split.

    Raises:
      UserError: the folder is missing, a file is packed or has no partner, or an
        argument is out of its range.
    """
    base = find_root(root, INFO, TREE)
    who = ANNOTATORS[annotator]
    files = {
        "image": retina.find(base / "stare-images", ""),
        f"labels-{who}": retina.find(base / f"labels-{who}", f".{who}"),
    }
    rows = retina.pair(INFO, split, base, files, TREE)
    chosen = splits.part(
        INFO,
        split,
        rows,
        val_share=val_share,
        split_seed=split_seed,
        folds=folds,
        fold=fold,
        split_file=split_file,
    )
    return retina.make(INFO, split, base, {n: rows[n] for n in chosen}, outside)
