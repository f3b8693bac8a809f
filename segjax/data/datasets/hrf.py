"""HRF: vessels of the retina, 45 photographs of 3504x2336 with masks of the field.

15 are of healthy eyes (`01_h`), 15 of diabetic retinopathy (`01_dr`) and 15 of glaucoma
(`01_g`).
"""

import re
from typing import Literal

from segjax.core.errors import UserError
from segjax.data import retina, splits
from segjax.data.retina import RetinaFiles
from segjax.data.source import find_root

INFO = retina.info(
    "hrf",
    homepage="https://www5.cs.fau.de/research/data/fundus-images/",
    citation=(
        "Budai, Bock, Maier, Hornegger, Michelson: Robust Vessel Segmentation in "
        "Fundus Images, International Journal of Biomedical Imaging 2013"
    ),
    licence="CC BY 4.0",
)

TRAIN_EACH = 5
"""A usual split, of Orlando et al. 2017: 5 images of each kind train, 10 are scored."""

TREE = """\
  ROOT/images/01_dr.JPG   ROOT/manual1/01_dr.tif   ROOT/mask/01_dr_mask.tif
  (the contents of all.zip)"""


def make(
    split: str,
    root: str,
    outside: Literal["ignore", "keep"] = "ignore",
    folds: int = 0,
    fold: int = 0,
    split_seed: int = 0,
    split_file: str = "",
) -> RetinaFiles:
    """One split of HRF: classes background and vessel.

    Args:
      split: `"train"`, `"val"` or `"all"`, or one of `split_file`. No split is
        published with the set; here it is a usual one, numbers 1 to 5 of each kind (15
        images) and 6 to 15 (30).
      root: the folder that holds `images/`, `manual1/` and `mask/`.
      outside: what the labels outside of the shipped masks of the field of view become:
        `"ignore"`d, or kept.
      folds: from 2 up, deal the images into so many folds instead.
      fold: the fold that is `"val"`, from 0.
      split_seed: of the folds.
      split_file: a file of `segjax.data.splits` that says who is in which split.

    Raises:
      UserError: the folder is missing, a file has no partner or another name, or an
        argument is out of its range.
    """
    base = find_root(root, INFO, TREE)
    files = {
        "image": retina.find(base / "images", ""),
        "manual1": retina.find(base / "manual1", ""),
    }
    if outside == "ignore":
        files["mask of the field of view"] = retina.find(base / "mask", "_mask")
    rows = retina.pair(INFO, split, base, files, TREE)
    if problems := [
        f"{name}: is no name of {INFO.name}; '01_h', '01_dr' and '01_g' are. Take it "
        "away."
        for name in rows
        if not re.fullmatch(r"\d\d_(h|dr|g)", name)
    ]:
        raise UserError(problems)
    usual = {name for name in rows if int(name[:2]) > TRAIN_EACH}
    chosen = splits.part(
        INFO,
        split,
        rows,
        split_seed=split_seed,
        folds=folds,
        fold=fold,
        split_file=split_file,
        usual=usual,
    )
    return retina.make(INFO, split, base, {n: rows[n] for n in chosen}, outside)
