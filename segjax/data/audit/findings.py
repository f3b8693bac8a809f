"""What an audit can find: the table of kinds, and one finding.

Every kind has a verdict. `refuse`: training on it would be wrong or would stop; the
audit ends with exit code 2. `warn`: legal, but a person should look. `fix`: handled by
a rule that is declared and that the finding names; nothing is ever repaired silently.
`note`: true of the data and worth stating in a report; nothing to correct.
"""

import dataclasses
from typing import NamedTuple

VERDICTS = ("refuse", "warn", "fix", "note")
"""In the order of their weight."""


class Kind(NamedTuple):
    """A row of `KINDS`.

    Attributes:
      verdict: of `VERDICTS`.
      what: what is wrong, in a few words.
      advice: what to do about it.
    """

    verdict: str
    what: str
    advice: str


KINDS: dict[str, Kind] = {
    # files
    "unreadable": Kind(
        "refuse",
        "no regular file, or it may not be read",
        "Check links, folders and permissions.",
    ),
    "empty_file": Kind("refuse", "a file of 0 bytes", "Copy it again."),
    "not_a_picture": Kind(
        "refuse", "content of no picture format", "Copy it again or leave it out."
    ),
    "damaged": Kind(
        "refuse",
        "truncated, or pixels that do not decode",
        "Copy it again or leave it out.",
    ),
    "wrong_suffix": Kind(
        "warn",
        "content of another format than the suffix says",
        "segjax reads by content; other tools may not. Rename it.",
    ),
    "image_mode": Kind(
        "fix",
        "image with alpha, CMYK, 16 bits or several frames",
        "Read as 8-bit RGB by the table of `segjax/data/decode.py`.",
    ),
    "orientation": Kind(
        "fix",
        "image with an EXIF orientation",
        "Turned upright; the masks lie as `mask_orientation` says.",
    ),
    "orientation_tag": Kind(
        "warn",
        "invalid EXIF orientation",
        "Read as stored; remove the tag where other tools turn it.",
    ),
    # pairing
    "missing_mask": Kind(
        "refuse", "image without a mask", "Add the mask or take the image out."
    ),
    "orphan_mask": Kind(
        "refuse", "mask without an image", "Add the image or take the mask out."
    ),
    "ambiguous": Kind(
        "refuse", "two files of one role and one name", "Keep one of them."
    ),
    "listed_missing": Kind(
        "refuse", "listed, but neither image nor mask exist", "Correct the list."
    ),
    "unpaired": Kind(
        "refuse", "does not pair, as the data set tells it", "Correct the files."
    ),
    "case": Kind(
        "warn",
        "names that differ by case alone",
        "Rename: on some disks they are one file.",
    ),
    "unused_file": Kind(
        "warn",
        "picture beside the data that no split uses",
        "List it, or move it away.",
    ),
    # a pair
    "size_mismatch": Kind(
        "refuse", "image and mask differ in size", "Correct the pair or leave it out."
    ),
    "swapped": Kind(
        "warn",
        "two masks that seem exchanged, by evidence",
        "Look at both pairs; exchange the masks if you agree.",
    ),
    "turned_mask": Kind(
        "warn",
        "mask that fits its image only if turned otherwise",
        "Look at the pair; set `mask_orientation` or turn the mask.",
    ),
    "jpeg_mask": Kind(
        "refuse",
        "mask in JPEG, whose compression changes ids",
        "Save as PNG, or `threshold=128` for black and white.",
    ),
    "soft_mask": Kind(
        "refuse",
        "mask with soft (anti-aliased) edges",
        "Set `threshold=128`, or save the masks without smoothing.",
    ),
    "colour_mask": Kind(
        "refuse",
        "mask that codes classes as colours",
        "Set `by_colour=True` and `colours`, or save ids.",
    ),
    "undeclared_colour": Kind(
        "refuse",
        "mask with a colour that no class has",
        "Declare the colour or correct the mask.",
    ),
    "palette_mask": Kind(
        "fix", "mask with a palette", "Read as its indices, never as its colours."
    ),
    "palettes_differ": Kind(
        "warn",
        "mask whose palette is not that of the others",
        "The same index may mean another class: look.",
    ),
    "wide_mask": Kind(
        "fix", "mask of 16 bits or more", "Read in its whole range; ids are checked."
    ),
    "binary_mask": Kind(
        "refuse",
        "mask of 0 and 255, where 255 is not declared",
        "Set `values=(0, 255)`, or `threshold=128`.",
    ),
    "cityscapes_ids": Kind(
        "refuse",
        "raw Cityscapes ids for train ids, or the reverse",
        "Set `labels`, or map the ids by `values` and `ignore`.",
    ),
    "shifted_mask": Kind(
        "refuse", "ids that are all one too high", "Declare them by `values`."
    ),
    "instance_ids": Kind(
        "refuse",
        "16-bit ids of instances",
        "Use the semantic masks, or map the ids.",
    ),
    "undeclared_ids": Kind(
        "refuse", "other ids outside the class table", "Correct the table or the mask."
    ),
    "single_class": Kind(
        "warn",
        "mask of one class, for example empty",
        "Right if the image shows nothing else: look.",
    ),
    "all_ignored": Kind(
        "warn", "mask in which every pixel is ignored", "Leave the pair out."
    ),
    # over the whole set
    "mixed_masks": Kind(
        "warn",
        "masks stored in another way than most",
        "Look whether their numbers mean the same.",
    ),
    "unused_class": Kind(
        "warn", "class without a pixel", "It cannot be learnt or scored."
    ),
    "unseen_class": Kind(
        "warn", "class that is not in train, but in another split", "Split anew."
    ),
    "imbalance": Kind(
        "warn",
        "class with under 1/1000 of the pixels of the largest",
        "Use class weights or a loss over regions, and score by class.",
    ),
    # across
    "duplicate": Kind(
        "warn", "images of equal content in one split", "Keep one, or know of it."
    ),
    "duplicate_across": Kind(
        "refuse",
        "images of equal content in two splits",
        "Take one out: the score would count what was learnt.",
    ),
    "near_duplicate": Kind(
        "warn",
        "one picture under two names in one split",
        "Keep one, or know of it.",
    ),
    "near_duplicate_across": Kind(
        "warn",
        "nearly equal (also mirrored) images in two splits",
        "Look; move both into one split.",
    ),
    "same_mask": Kind(
        "warn", "one mask for different images", "Look: one of them is a wrong copy."
    ),
    "group_across": Kind(
        "warn",
        "clip, city or declared group in two splits",
        "Split by group; a published split is only noted.",
    ),
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
      kind: key in `KINDS`.
      files: paths relative to the root, the files that it is about.
      message: where, and what is wrong with its value.
      verdict: that of the kind, where nothing else is declared.
      score: how bad it is among its kind, for showing the worst first.
    """

    kind: str
    files: tuple[str, ...]
    message: str
    verdict: str = ""
    score: float = 0.0

    def __post_init__(self):
        if not self.verdict:
            object.__setattr__(self, "verdict", KINDS[self.kind].verdict)
