"""The audit of a data set: every file, pair, class and split, in one pass.

It works on lists of files, before a `Source` can be made, so that a set with missing
masks is audited all the same. What it finds has a kind, and each kind a verdict:
`findings.KINDS`.

============  ==================================================================
file          what it looks at
============  ==================================================================
`candidates`  which image belongs to which mask, in which split
`files`       one image: format, EXIF, mode, pixels
`masks`       one mask: storage, numbers, soft edges
`pairs`       an image with its mask: sizes, edges
`classes`     all masks: classes, shares, storage
`across`      all pairs: duplicates, copied masks, groups in two splits
`swaps`       all pairs: exchanged masks, by evidence
`start`       what of this the start of a run does, and refuses
============  ==================================================================
"""

import concurrent.futures
import dataclasses
import hashlib
import pathlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from segjax.core.errors import UserError
from segjax.core.pixels import RGB, Pixels
from segjax.data import remembered
from segjax.data.audit import across, candidates, classes, pairs, swaps
from segjax.data.audit.candidates import Candidates
from segjax.data.audit.files import look_at_image
from segjax.data.audit.findings import KINDS, VERDICTS, Finding
from segjax.data.audit.pairs import PairLook
from segjax.data.source import content_hash

VERSION = 3
"""Raised whenever an audit of the same files may find something else."""


@dataclasses.dataclass(frozen=True)
class Audit:
    """What was found in a data set.

    Attributes:
      dataset: its name.
      root: folder that the files of findings are relative to.
      examples: split -> number of pairs that were audited.
      class_pixels: split -> `K` pixel counts.
      left_out: split -> why it was not audited.
      pixels: channels and depth of its images.
      findings: the heaviest verdict first, then as in `KINDS`, the worst first.
    """

    dataset: str
    root: str
    examples: Mapping[str, int]
    class_pixels: Mapping[str, tuple[int, ...]]
    left_out: Mapping[str, str]
    findings: tuple[Finding, ...]
    pixels: Pixels = RGB

    def counts(self) -> dict[str, int]:
        """Kind -> number of findings, in the order of `findings`."""
        return dict(Counter(finding.kind for finding in self.findings))

    def refused(self) -> bool:
        """Whether a finding must be corrected before training."""
        return any(finding.verdict == "refuse" for finding in self.findings)


def run(
    name: str,
    options: Mapping[str, Any],
    split: str = "",
    *,
    group: str = "",
    cache: remembered.Cache = None,
    threads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Audit a data set.

    Args:
      name: key in `DATASETS`.
      options: the keyword arguments of the data set's own `make`.
      split: one split; all that it has, if empty.
      group: regular expression for `across.groups`.
      cache: where to remember the result, under a digest of all files; None to
        always look.
      threads: files read at once.
      progress: called with (files or pairs done, all of them).

    Raises:
      UserError: no split can be made, for another reason than files that do not pair.
    """
    found = candidates.gather(name, options, split)
    key = "" if cache is None else f"audit-{fingerprint(found, group)[:32]}.json"
    if cache is not None and (known := from_json(remembered.read(cache, key))):
        return dataclasses.replace(known, root=found.root)
    looks, frames = look(found, threads=threads, progress=progress)
    audit = conclude(found, looks, frames, group=group)
    if cache is not None:
        remembered.write(cache, key, dataclasses.asdict(audit))
    return audit


def look(
    found: Candidates,
    *,
    pixels: bool = True,
    threads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[PairLook], list[Finding]]:
    """What each pair holds, and the findings in frames without a mask.

    Args:
      found: the pairs.
      pixels: of the images; else their heads alone are read.
      threads: files read at once.
      progress: called with (files or pairs done, all of them).
    """
    looks: list[PairLook] = []
    findings: list[Finding] = []
    frames = found.frames()
    total = len(found.pairs) + len(frames)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for one in pool.map(lambda c: pairs.look(c, found, pixels), found.pairs):
            looks.append(one)
            if progress is not None:
                progress(len(looks), total)
        heads = pool.map(
            lambda f: look_at_image(f, found.where(f), found.info.pixels, pixels)[1],
            frames,
        )
        for done, found_here in enumerate(heads, len(looks) + 1):
            findings += found_here
            if progress is not None:
                progress(done, total)
    return looks, findings


def conclude(
    found: Candidates,
    looks: Sequence[PairLook],
    frames: Sequence[Finding] = (),
    *,
    pixels: bool = True,
    group: str = "",
) -> Audit:
    """All findings: of the files, of the pairs, and of what lies between them."""
    every = [*found.findings, *(f for p in looks for f in p.findings), *frames]
    every += classes.shares(looks, found.info) + classes.storage(looks)
    every += across.duplicates(looks)
    if pixels:
        every += across.near_duplicates(looks) + across.copied_masks(looks)
        every += swaps.suspects(looks)
        every += across.groups(looks, group, published=bool(found.info.homepage))
    return Audit(
        dataset=found.info.name,
        root=found.root,
        examples=dict(Counter(pair.split for pair in found.pairs)),
        class_pixels=classes.pixels_by_split(looks, found.info),
        left_out=found.left_out,
        findings=tuple(sorted(dict.fromkeys(every), key=_weight)),
        pixels=found.info.pixels,
    )


def _weight(finding: Finding) -> tuple:
    kinds = list(KINDS)
    verdict = VERDICTS.index(finding.verdict)
    return verdict, kinds.index(finding.kind), -finding.score, finding.files


def fingerprint(found: Candidates, *rules: Any) -> str:
    """Of the audit's version, the rules, the pairing and the content of every file.

    Where the root lies does not change it.
    """
    about = found.info, found.rule, found.mask_orientation, found.findings
    digest = hashlib.sha256(repr((VERSION, rules, about, found.left_out)).encode())
    for pair in found.pairs:
        digest.update(repr((pair.split, pair.name, pair.rule)).encode())
        for path in (pair.image, pair.mask, *pair.earlier):
            digest.update(f"{path and found.where(path)}\0{_content(path)}\n".encode())
    return digest.hexdigest()


def _content(path: str) -> str:
    if not pathlib.Path(path).is_file():
        return "-"  # a pipe would block for ever
    try:
        return content_hash(path)
    except (UserError, OSError):
        return "-"


def from_json(fields: Mapping[str, Any] | None) -> Audit | None:
    """The remembered audit; None if there is none or it is not one."""
    try:
        fields = dict(fields or {})
        rows = fields.pop("findings")
        found = tuple(Finding(**{**r, "files": tuple(r["files"])}) for r in rows)
        fields["class_pixels"] = {
            split: tuple(counts) for split, counts in fields["class_pixels"].items()
        }
        pixels = Pixels(**fields.pop("pixels"))
        return Audit(**fields, findings=found, pixels=pixels)
    except (AttributeError, KeyError, TypeError):
        return None
