"""CHASE_DB1: vessels of the retina, both eyes of 14 children, 999x960, two annotators.

The masks are pictures of one bit. `Image_01L` and `Image_01R` are the eyes of one child
and are never in different splits.
"""

import re
from typing import Literal

from segjax.core.errors import UserError
from segjax.data import retina, splits
from segjax.data.retina import RetinaFiles
from segjax.data.source import find_root

INFO = retina.info(
    "chase_db1",
    homepage="https://researchdata.kingston.ac.uk/96/",
    citation=(
        "Fraz, Remagnino, Hoppe, Uyyanonvara, Rudnicka, Owen, Barman: An Ensemble "
        "Classification-Based Approach Applied to Retinal Blood Vessel Segmentation, "
        "IEEE TBME 2012"
    ),
    licence="CC BY 4.0 (unverified)",
    group=r"^Image_(\d\d)",  # the child
)

ANNOTATORS = {1: "_1stHO", 2: "_2ndHO"}
"""Human observers."""

TRAIN_CHILDREN = 10
"""The usual split: the first 20 images train, the last 8 are scored."""

TREE = """\
  ROOT/Image_01L.jpg   ROOT/Image_01L_1stHO.png   ROOT/Image_01L_2ndHO.png"""


def make(
    split: str,
    root: str,
    annotator: Literal[1, 2] = 1,
    outside: Literal["ignore", "keep"] = "keep",
    folds: int = 0,
    fold: int = 0,
    split_seed: int = 0,
    split_file: str = "",
) -> RetinaFiles:
    """One split of CHASE_DB1: classes background and vessel.

    Args:
      split: `"train"`, `"val"` or `"all"`, or one of `split_file`. No split is
        published; here it is the usual one, the first 20 images by name (children 1 to
        10) and the last 8.
      root: the folder of all 84 files.
      annotator: 1 is `1stHO`, whom most papers take for the truth; 2 is `2ndHO`.
      outside: what the labels outside the field of view become. No masks of it are
        shipped, so the default `"keep"` counts all pixels, which any other program does
        alike; `"ignore"` takes the field that `retina.field_of_view` derives, whose
        dark rim costs 0.15 % of the pixels of vessels.
      folds: from 2 up, deal the children into so many folds instead.
      fold: the fold that is `"val"`, from 0.
      split_seed: of the folds.
      split_file: a file of `segjax.data.splits` that says who is in which split.

    Raises:
      UserError: the folder is missing, a file has no partner or another name, or an
        argument is out of its range.
    """
    base = find_root(root, INFO, TREE)
    images = {
        name: path
        for name, path in retina.find(base, "").items()
        if not name.endswith(tuple(ANNOTATORS.values()))
    }
    ending = ANNOTATORS[annotator]
    rows = retina.pair(
        INFO,
        split,
        base,
        {"image": images, ending[1:]: retina.find(base, ending)},
        TREE,
    )
    if problems := [
        f"{name}: is no name of {INFO.name}; 'Image_01L' is one. Take it away."
        for name in rows
        if not re.fullmatch(r"Image_\d\d[LR]", name)
    ]:
        raise UserError(problems)
    child = {name: name[6:8] for name in rows}
    usual = {name for name in rows if int(child[name]) > TRAIN_CHILDREN}
    chosen = splits.part(
        INFO,
        split,
        rows,
        split_seed=split_seed,
        folds=folds,
        fold=fold,
        split_file=split_file,
        usual=usual,
        group=child,
    )
    return retina.make(INFO, split, base, {n: rows[n] for n in chosen}, outside)
