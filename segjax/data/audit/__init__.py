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
============  ==================================================================
"""

import concurrent.futures
import dataclasses
import hashlib
import pathlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from segjax.core.errors import UserError
from segjax.core.pixels import RGB, Pixels
from segjax.data import remembered
from segjax.data.audit import across, candidates, classes, pairs, swaps
from segjax.data.audit.findings import KINDS, VERDICTS, Finding
from segjax.data.source import content_hash

VERSION = 1
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
    cache: str | pathlib.Path | None = None,
    threads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Audit a data set.

    Args:
      name: key in `DATASETS`.
      options: the keyword arguments of the data set's own `make`.
      split: one split; all that it has, if empty.
      group: regular expression for `across.groups`.
      cache: folder to remember the result in, under a digest of all files; None to
        always look.
      threads: files read at once.
      progress: called with (pairs done, pairs).

    Raises:
      UserError: no split can be made, for another reason than files that do not pair.
    """
    found = candidates.gather(name, options, split)
    path = None
    if cache is not None:
        path = pathlib.Path(cache) / f"audit-{_fingerprint(found, group)[:32]}.json"
        if (known := _load(path)) is not None:
            return known
    looks = []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for look in pool.map(lambda c: pairs.look(c, found), found.pairs):
            looks.append(look)
            if progress is not None:
                progress(len(looks), len(found.pairs))
    every = [*found.findings, *(f for look in looks for f in look.findings)]
    every += classes.shares(looks, found.info) + classes.storage(looks)
    every += across.duplicates(looks) + across.near_duplicates(looks)
    every += across.copied_masks(looks) + swaps.suspects(looks)
    every += across.groups(looks, group, published=bool(found.info.homepage))
    audit = Audit(
        dataset=found.info.name,
        root=found.root,
        examples=dict(Counter(pair.split for pair in found.pairs)),
        class_pixels=classes.pixels_by_split(looks, found.info),
        left_out=found.left_out,
        findings=tuple(sorted(dict.fromkeys(every), key=_weight)),
        pixels=found.info.pixels,
    )
    if path is not None:
        remembered.write(path, dataclasses.asdict(audit))
    return audit


def _weight(finding: Finding) -> tuple:
    kinds = list(KINDS)
    verdict = VERDICTS.index(finding.verdict)
    return verdict, kinds.index(finding.kind), -finding.score, finding.files


def _fingerprint(found: candidates.Candidates, group: str) -> str:
    """Of the audit's version, the rules, the pairing and the content of every file."""
    digest = hashlib.sha256(repr((VERSION, group, found)).encode())
    for pair in found.pairs:
        for path in (pair.image, pair.mask, *pair.earlier):
            digest.update(_content(path).encode())
    return digest.hexdigest()


def _content(path: str) -> str:
    if not pathlib.Path(path).is_file():
        return "-"  # a pipe would block for ever
    try:
        return content_hash(path)
    except (UserError, OSError):
        return "-"


def _load(path: pathlib.Path) -> Audit | None:
    """The remembered audit; None if there is none or the file is damaged."""
    try:
        fields = remembered.read(path) or {}
        rows = fields.pop("findings")
        found = tuple(Finding(**{**r, "files": tuple(r["files"])}) for r in rows)
        fields["class_pixels"] = {
            split: tuple(counts) for split, counts in fields["class_pixels"].items()
        }
        pixels = Pixels(**fields.pop("pixels"))
        return Audit(**fields, findings=found, pixels=pixels)
    except (KeyError, TypeError):
        return None
