"""The audit at the start of a run: what it is trained and validated on, and no more.

It looks at the files of both splits before the first step, and stops the run if
anything must be corrected. The rest is said in a line a kind. The result is remembered,
so that a second start with the same files costs the hashing of the files alone.

==========  ====================================================================
depth       what is looked at
==========  ====================================================================
`"full"`    all that `segjax inspect data` looks at in these splits
`"masks"`   the masks, the heads of the images, images of equal bytes
`"off"`     that every label holds classes alone and has the size of its image
==========  ====================================================================

Sources that are not made of files, as drawn ones are, are looked at as by `"off"`.
"""

import dataclasses
import textwrap
from collections.abc import Callable, Sequence

import numpy as np

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import audit, check, decode, remembered
from segjax.data.audit import candidates
from segjax.data.audit.findings import KINDS, Finding
from segjax.data.audit.pairs import PairLook
from segjax.data.check import Survey
from segjax.data.source import PairedFiles, Source

DEPTHS = ("full", "masks", "off")

LEAKS = ("refuse", "warn")
"""What becomes of images of equal content in both splits."""

LARGEST = 5_000
"""Pairs and frames up to which a set is audited in full ..."""

PIXELS = 10**9
"""... and pixels of its images up to which it is: over a minute on two cores."""

SHOWN = check.SHOWN
"""Findings that an error lists before it only counts them."""


@dataclasses.dataclass(frozen=True)
class Start:
    """What is known of the data when a run starts.

    Attributes:
      surveys: of each source, in their order.
      audit: of their files; None where there was none.
      lines: what to tell the person, one line a kind of finding.
    """

    surveys: tuple[Survey, ...]
    audit: audit.Audit | None
    lines: tuple[str, ...]


def run(
    sources: Sequence[Source],
    *,
    depth: str = "full",
    leaks: str = "refuse",
    cache: remembered.Cache = None,
    threads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Start:
    """Look at the splits of a run, and refuse them if anything is wrong.

    Args:
      sources: the splits, of one data set.
      depth: of `DEPTHS`; a set beyond `LARGEST` or `PIXELS` takes `"masks"` for
        `"full"`, and the lines say so.
      leaks: of `LEAKS`; a published split may hold such images.
      cache: where to remember the result.
      threads: files read at once.
      progress: called with (pairs done, pairs).

    Raises:
      UserError: with the first `SHOWN` problems and how many there are.
    """
    if depth == "off" or not all(map(candidates.has_files, sources)):
        surveys = tuple(
            check.examine(s, cache, threads=threads, progress=progress) for s in sources
        )
        _refuse([p for survey in surveys for p in survey.problems])
        return Start(surveys, None, ())
    found = candidates.of(list({source.split: source for source in sources}.values()))
    lines = []
    if depth == "full" and (size := _too_large(found)):
        depth = "masks"
        lines = [
            f"audit: {size}; only masks and heads of images are looked at. `segjax "
            "inspect data --config=...` looks at all."
        ]
    result, surveys = _recall(sources, found, depth, cache, threads, progress)
    if leaks == "warn":
        result = dataclasses.replace(result, findings=_milder(result.findings))
    refused = [f for f in result.findings if f.verdict == "refuse"]
    said = {file for f in refused for file in f.files}
    problems = [f"{f.message} {_advice(f)}".strip() for f in refused]
    problems += [p for s in surveys for p in s.problems if p.split(":")[0] not in said]
    _refuse(problems)
    return Start(surveys, result, (*lines, *_lines(result)))


def _recall(sources, found, depth, cache, threads, progress):
    """`(audit, surveys)`, remembered or made."""
    prints = [source.fingerprint() for source in sources]  # hashes files, in threads
    key = f"start-{audit.fingerprint(found, depth, *prints)[:32]}.json"
    known = remembered.read(cache, key) or {}
    result = audit.from_json(known.get("audit"))
    surveys = [check.from_json(fields) for fields in known.get("surveys", ())]
    if result is None or None in surveys or len(surveys) != len(sources):
        pixels = depth == "full"
        looks, frames = audit.look(
            found, pixels=pixels, threads=threads, progress=progress
        )
        result = audit.conclude(found, looks, frames, pixels=pixels)
        surveys = [_survey(source, looks, threads) for source in sources]
        remembered.write(
            cache,
            key,
            {
                "audit": dataclasses.asdict(result),
                "surveys": [dataclasses.asdict(survey) for survey in surveys],
            },
        )
    return dataclasses.replace(result, root=found.root), tuple(surveys)


def _survey(source: PairedFiles, looks: Sequence[PairLook], threads: int) -> Survey:
    """The counts of a split, without reading its masks again where that can be."""
    if type(source).label is not PairedFiles.label:  # it changes what the masks say
        return check.examine(source, threads=threads)
    own = [p for p in looks if p.candidate.split == source.split]
    return check.tally(source, map(_row, own))


def _row(p: PairLook) -> check.Row:
    orientation = p.image.orientation if p.image else 1
    if p.size is None or any(f.verdict == "refuse" for f in p.findings):
        return check.Row((), None, None, orientation)
    if p.mask is None:  # a frame without a label
        counts = np.zeros(256, np.int64)
        counts[IGNORE] = p.size[0] * p.size[1]
    else:
        counts = p.mask.counts
    return check.Row((), p.size, counts, orientation)


def _too_large(found: candidates.Candidates) -> str:
    """How large the set is, if that is too large to be audited in full."""
    images = [pair.image for pair in found.pairs] + found.frames()
    if len(images) > LARGEST:
        return f"{len(images)} images, more than {LARGEST}"
    pixels = 0
    for path in (some := images[:: len(images) // 32 + 1]):
        try:
            height, width = decode.read_size(path)[0]
        except UserError:
            continue  # the audit says so
        pixels += height * width
    total = pixels * len(images) / len(some)
    return f"{total / 1e9:.1f} gigapixels, more than 1" if total > PIXELS else ""


def _milder(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    leak = "duplicate_across"
    return tuple(
        dataclasses.replace(f, verdict="warn") if f.kind == leak else f
        for f in findings
    )


def _advice(finding: Finding) -> str:
    """What to do about what is refused."""
    text = KINDS[finding.kind].advice
    if finding.kind == "duplicate_across":
        text += " Or set config.audit.leaks='warn'."
    return text


def _refuse(problems: list[str]) -> None:
    if problems:
        shown = problems[:SHOWN]
        if len(problems) > SHOWN:
            shown.append(
                f"... and {len(problems) - SHOWN} more problems; `segjax inspect data "
                "--config=...` lists all."
            )
        raise UserError(shown)


def _lines(found: audit.Audit) -> list[str]:
    """A line a kind: how many, what, and the first two files."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in found.findings:
        groups.setdefault((finding.verdict, finding.kind), []).append(finding)
    lines = []
    for (verdict, kind), group in groups.items():
        files = list(dict.fromkeys(f.files[0] for f in group if f.files))
        which = ", ".join(files[:2]) + ", ..." * (len(files) > 2)
        which = which or "; ".join(f.message.rstrip(".") for f in group[:2])
        which = textwrap.shorten(which, 160, placeholder=" ...")
        lines.append(f"{verdict}: {len(group)} {kind} ({KINDS[kind].what}): {which}")
    if lines:
        lines.append("`segjax inspect data --config=...` shows all.")
    return lines
