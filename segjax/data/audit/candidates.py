"""Which files belong together, also where they do not all pair.

Asks the data set itself (`datasets.make`); where that refuses files without a partner,
its `Unpaired` error tells what was found, and the pairs that do exist are audited.
"""

import dataclasses
import itertools
import operator
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.data import datasets
from segjax.data.audit import files
from segjax.data.audit.findings import Finding
from segjax.data.datasets.folder import SUFFIXES
from segjax.data.labels import LabelMap
from segjax.data.source import ClippedFiles, Found, PairedFiles, Source, Unpaired

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An image with its mask, as paths.

    Attributes:
      split: that it is in.
      name: of the example.
      image: path.
      mask: path; empty for a frame without a label.
      earlier: other frames of its clip.
      rule: what the numbers in its mask mean, if it is not the rule of all.
    """

    split: str
    name: str
    image: str
    mask: str
    earlier: tuple[str, ...] = ()
    rule: LabelMap | None = None


@dataclasses.dataclass(frozen=True)
class Candidates:
    """All pairs of the audited splits.

    Attributes:
      info: class table and provenance.
      root: folder that paths in messages are relative to.
      rule: what the numbers in the masks mean.
      mask_orientation: as of `PairedFiles`.
      pairs: over all splits, in the order of the examples.
      findings: of the pairing.
      left_out: split -> why it was not audited.
    """

    info: DatasetInfo
    root: str
    rule: LabelMap
    mask_orientation: str
    pairs: tuple[Candidate, ...]
    findings: tuple[Finding, ...]
    left_out: Mapping[str, str]

    def where(self, path: str) -> str:
        """A path as messages show it: relative to the root."""
        return os.path.relpath(path, self.root)

    def frames(self) -> list[str]:
        """Images that are only earlier frames of clips, each once."""
        earlier = {path for pair in self.pairs for path in pair.earlier}
        return sorted(earlier - {pair.image for pair in self.pairs})


def gather(name: str, options: Mapping[str, Any], split: str = "") -> Candidates:
    """The pairs of a data set, of one split or of all that it has.

    Raises:
      UserError: no split can be made, for another reason than files that do not pair;
        or the data set has no files.
    """
    pairs, findings, left_out, about, errors = [], {}, {}, None, []
    for wanted in [split] if split else SPLITS:
        try:
            source = datasets.make(name, wanted, **options)
        except Unpaired as error:
            for finding in _unpaired(error):
                findings[finding.kind, finding.files, finding.message] = finding
            if error.found is None:
                left_out[wanted] = f"{len(error.unpaired)} files do not pair"
                continue
            about = about or error.found
            pairs += _pairs_of(error.found, wanted)
        except UserError as error:
            left_out[wanted] = error.problems[0].split("\n")[0]
            errors.append(error)
        else:
            if not has_files(source):
                raise UserError(
                    f"{name}: is not made of image and mask files; the audit reads "
                    "files. `segjax inspect` shows what it holds."
                )
            about = about or source
            pairs += _pairs(source)
    found = list(findings.values())
    if about is None:
        raise errors[0] if errors else UserError([f.message for f in found])
    if not split and not any(f.kind == "unpaired" for f in found):
        found += _unused(pairs, found, about.root)
    found += _equal_but_for_case(pairs)
    return Candidates(
        about.info,
        str(about.root),
        about.rule,
        about.mask_orientation,
        tuple(pairs),
        tuple(found),
        left_out,
    )


def has_files(source: Source) -> bool:
    """Whether a source is made of files that an audit can read by themselves."""
    return isinstance(source, PairedFiles) and source.separate


def of(sources: Sequence[PairedFiles]) -> Candidates:
    """The pairs of splits that are made already, of one data set."""
    pairs = [pair for source in sources for pair in _pairs(source)]
    about = sources[0]
    return Candidates(
        about.info,
        about.root,
        about.rule,
        about.mask_orientation,
        tuple(pairs),
        tuple(_equal_but_for_case(pairs)),
        {},
    )


def _pairs(source: PairedFiles) -> list[Candidate]:
    clips, out = isinstance(source, ClippedFiles), []
    for i, pair in enumerate(source.pairs):
        own = None if (rule := source.rule_of(i)) is source.rule else rule
        earlier = source.earlier[i] if clips else ()
        out.append(Candidate(source.split, *pair, earlier, own))
    return out


def _pairs_of(found: Found, split: str) -> list[Candidate]:
    names = sorted(found.images.keys() & found.masks.keys())
    return [
        Candidate(split, n, str(found.images[n][0]), str(found.masks[n][0]))
        for n in names
    ]


def _unpaired(error: Unpaired) -> list[Finding]:
    found = error.found
    if found is None:
        return [Finding("unpaired", (), problem) for problem in error.unpaired]
    out = []
    for role, other, own, others, kind in (
        ("image", "mask", found.images, found.masks, "missing_mask"),
        ("mask", "image", found.masks, found.images, "orphan_mask"),
    ):
        for name, paths in sorted(own.items()):
            shown = tuple(os.path.relpath(p, found.root) for p in paths)
            if name not in others:
                text = f"{shown[0]}: {role} has no {other} of the name {name!r}."
                out.append(Finding(kind, shown, text))
            if len(shown) > 1:
                text = f"{shown[0]}: {role} {name!r} is also in {', '.join(shown[1:])}."
                out.append(Finding("ambiguous", shown, text))
    gone = set(found.listed) - found.images.keys() - found.masks.keys()
    out += [
        Finding("listed_missing", (name,), f"{name}: is listed; no file has the name.")
        for name in sorted(gone)
    ]
    return out


def _unused(pairs: Sequence[Candidate], found: list[Finding], root) -> list[Finding]:
    """Pictures in the folders of the images, or of the masks, that no split uses.

    A file counts if it ends as all others of its folder do, so that the other masks
    that Cityscapes keeps beside `*_labelIds.png` are no alarm.
    """
    both = ((c.image, c.mask) for c in pairs)
    known = {os.path.relpath(path, root) for pair in both for path in pair if path}
    known |= {os.path.relpath(p, root) for c in pairs for p in c.earlier}
    known |= {file for finding in found for file in finding.files}
    folders: dict[str, set[str]] = {}
    for role in ("image", "mask"):
        for pair in pairs:
            if (role == "image" and pair.earlier) or not getattr(pair, role):
                continue  # a video has more frames than the clips take
            folders.setdefault(os.path.dirname(getattr(pair, role)), set()).add(role)
    out = []
    for folder, roles in sorted(folders.items()):
        ending = _ending([p for p in known if _within(p, root, folder)])
        if len(roles) > 1 or ending is None:
            continue
        for name in sorted(n for n in os.listdir(folder) if n.endswith(ending)):
            path = os.path.relpath(os.path.join(folder, name), root)
            picture = os.path.splitext(name)[1].lower() in SUFFIXES
            if picture and name[0] != "." and path not in known:
                text = f"{path}: lies among the {min(roles)}s; no split uses it"
                text += _disguise(os.path.join(folder, name))
                out.append(Finding("unused_file", (path,), text))
    return out


def _within(path: str, root, folder: str) -> bool:
    return os.path.dirname(os.path.join(root, path)) == folder


def _ending(paths: Sequence[str]) -> str | None:
    """What all names end in, from a mark such as `_` or `.` on: `_gtFine_labelIds.png`.

    Empty where the suffixes differ; None where one name alone cannot tell.
    """
    names = [os.path.basename(p)[::-1] for p in paths]
    if len(names) < 2:
        return None
    first, last = min(names), max(names)  # all others lie between them
    equal = sum(itertools.accumulate(map(operator.eq, first, last), operator.and_))
    match = re.search(r"[_.\-].*", first[:equal][::-1])
    return match.group() if match else ""


def _disguise(path: str) -> str:
    """The end of a message: what the content is, where the suffix says otherwise."""
    head, _ = files.read_head(path, path)
    if head is None:
        return "; it is no picture."
    wrong = files.suffix_problems(path, path, head[1])
    return f"; it is a {head[1].format} file." if wrong else "."


def _equal_but_for_case(pairs: Sequence[Candidate]) -> list[Finding]:
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for pair in pairs:
        groups.setdefault((pair.split, pair.name.casefold()), []).append(pair)
    out = []
    for group in groups.values():
        if len(group) > 1:
            names = ", ".join(repr(pair.name) for pair in group)
            files = tuple(os.path.basename(pair.image) for pair in group)
            out.append(Finding("case", files, f"{names}: differ by case alone."))
    return out
