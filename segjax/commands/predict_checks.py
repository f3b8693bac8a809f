"""What `segjax predict` refuses before it reads a picture."""

import argparse
import functools
import os
from pathlib import Path

from segjax.commands import answer
from segjax.core.errors import raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.tables import unknown
from segjax.predict.inputs import Found
from segjax.report import results


def kinds(args: argparse.Namespace) -> tuple[str, ...]:
    """What is to be written, if the arguments go together.

    Raises:
      UserError: with all that does not.
    """
    answer.raise_unless_folder("--out", args.out)
    named = results.parse(args.write, "--write")
    problems = []
    if not named:
        known = ", ".join([*results.KINDS, *results.TABLES])
        problems.append(f"--write={args.write!r}: names nothing. Known: {known}.")
    if args.skip_existing and "ids" not in named:
        problems.append(
            "--skip-existing: needs the ids of what is there. Add ids to --write."
        )
    if args.simplify and not {"polygons", "coco"} & {*named}:
        problems.append(
            "--simplify: is of polygons, and none are written. Add polygons or coco to "
            "--write."
        )
    if bool(args.things) != ("instances" in named):
        problems.append(
            "--things: goes with instances. Add instances to --write, and name the "
            "classes whose objects are told apart."
        )
    raise_problems(problems)
    return named


def things(args: argparse.Namespace, info: DatasetInfo) -> tuple[int, ...]:
    """The ids of the classes `--things`.

    Raises:
      UserError: with every name that is none of the run's classes.
    """
    named = [word.strip() for word in args.things.split(",") if word.strip()]
    known = info.class_names
    raise_problems(
        [unknown("class", n, known, f"--things={n}") for n in named if n not in known]
    )
    return tuple(known.index(name) for name in named)


def raise_if_overwriting(
    args: argparse.Namespace, kinds: tuple[str, ...], found: Found
) -> None:
    """Refuse results that would take the place of inputs, or of each other.

    Raises:
      UserError: with all that would.
    """

    @functools.cache
    def real(folder: Path) -> Path:
        return Path(os.path.realpath(folder))

    given = [p.path for p in (*found.pictures, *found.videos)]
    given += [frame.path for video in found.videos for frame in video.frames or ()]
    inputs = {real(path.parent) / path.name for path in given}
    inputs |= {Path(os.path.realpath(path)) for path in given}
    ends = [end for kind, end in results.KINDS.items() if kind in kinds]
    films = [f"_{kind}.mp4" for kind in results.FILMED if kind in kinds]
    made = [args.out / f"{p.name}{end}" for p in found.pictures for end in ends]
    if args.video_as == "mp4":
        made += [args.out / f"{v.name}{end}" for v in found.videos for end in films]
    made += [args.out / name for kind, name in results.TABLES.items() if kind in kinds]
    problems = [
        f"--out={args.out}: {path.name} would overwrite an input of that name. Name "
        "another folder."
        for path in made
        if real(path.parent) / path.name in inputs
    ]
    folders = {path.parent for path in inputs} | {real(path.parent) for path in made}
    taken = folders.union(*(folder.parents for folder in folders))
    problems += [
        f"--out={args.out}: {video.name}_frames is for the frames of {video.path}, and "
        "other pictures are in it. Predict the two by calls of their own."
        for video in found.videos
        if real(args.out) / f"{video.name}_frames" in taken
    ]
    problems += [
        f"--out={args.out}: is an input too, so that the next call would take results "
        "for pictures. Name another folder."
        for path in args.inputs
        if path.is_dir() and path.resolve() == args.out.resolve()
    ]
    raise_problems(problems)
