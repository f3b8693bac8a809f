"""Audit a data set: every file, every pair, and what lies between the splits.

Finds damaged and mislabelled files, missing and exchanged masks, ids that are not
declared, soft edges, duplicates and leaks in one pass, also where training would
refuse to start. Prints the kinds with their verdicts; writes audit.json, with all that
was found, and index.html with pictures of the worst. Nothing in the data is changed.
The exit code is 2 if anything must be corrected.

examples:
  segjax inspect data --config=configs/camvid_unet.py --config.data.root=/data/CamVid
  segjax inspect data --dataset folder --root photos --option "classes=('a', 'b')"
  segjax inspect data --dataset folder --root frames --split all --group "^(clip[0-9]+)"
"""

import argparse
import re
from pathlib import Path

from segjax.commands import answer
from segjax.commands import inspect as look
from segjax.core.errors import UserError

OVERRIDES = True  # takes --config.a.b=v


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax inspect data`."""
    look.add_source(parser)
    parser.add_argument("--split", default="", help="default: all that the set has")
    parser.add_argument(
        "--group",
        metavar="REGEX",
        default="",
        help="its first bracket in a name is the clip, city or patient, which must not "
        "be in two splits; default: clips, found by how alike their pictures are",
    )
    parser.add_argument(
        "--worst",
        metavar="N",
        type=answer.positive,
        default=6,
        help="pictures of each kind on the page; default: 6",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where audit.json and index.html go; default: ./audit_NAME",
    )


def run(args: argparse.Namespace) -> int:
    """Audit, print, draw; returns the exit code."""
    from segjax.data import audit
    from segjax.report import audit_page, count
    from segjax.report.files import write_json

    try:
        re.compile(args.group)
    except re.error as error:
        text = f"--group={args.group!r}: is no regular expression ({error})."
        raise UserError(text) from None
    _, options = look.chosen(args)
    name = options.pop("name")
    out = args.out or Path(f"audit_{name}")
    answer.raise_unless_folder("--out", out)
    with count.shown("auditing") as update:
        found = audit.run(
            name, options, args.split, group=args.group, cache=out, progress=update
        )
    entry = audit_page.entry(found)
    write_json(out / "audit.json", entry)
    page = audit_page.write(found, out, worst=args.worst)
    written = [out / "audit.json", page]
    words = [audit_page.text(found), f"Written: {', '.join(map(str, written))}"]
    answer.give(args, "\n".join(words), entry | {"written": written})
    return UserError.exit_code if found.refused() else 0
