"""Where examples come from: the interface of a data set's split, and files in pairs."""

import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.core.pixels import RGB
from segjax.data import decode, labels


@runtime_checkable
class Source(Protocol):
    """One split of a data set: a sequence of examples that can be pickled."""

    info: DatasetInfo

    def __len__(self) -> int:
        """How many examples there are."""
        ...

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Example `i`; see `core.keys` for its keys, shapes and dtypes."""
        ...

    def name(self, i: int) -> str:
        """A stable name of example `i`, such as `0001TP_006690`."""
        ...

    def fingerprint(self) -> str:
        """sha256 in hex over everything that the examples are made from."""
        ...


@dataclasses.dataclass(frozen=True)
class PairedFiles:
    """Image and mask files in pairs; decodes an example each time it is asked for.

    Attributes:
      info: class table and provenance.
      split: name of the split.
      root: folder that all paths in messages and in the fingerprint are relative to.
      pairs: `(name, image path, mask path)`, in the order of the examples.
      rule: what the numbers in the masks mean.
      mask_orientation: how masks of photographs with an EXIF orientation lie:
        `"displayed"` as a viewer shows the photograph, `"stored"` as its pixels lie in
        the file.
      videos: for each example the video whose frame it is, in the order of time; empty
        where the examples are no videos.

    An empty mask path stands for an image without a label: all of it is `IGNORE`.
    """

    separate: ClassVar[bool] = True
    """Whether each image and each mask is a file of its own."""

    info: DatasetInfo
    split: str
    root: str
    pairs: tuple[tuple[str, str, str], ...]
    rule: labels.LabelMap
    mask_orientation: str = "displayed"
    videos: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Example `i`.

        Raises:
          UserError: a file cannot be read, the mask holds an undeclared number, or
            the sizes of image and mask differ.
        """
        path = self.pairs[i][1]
        image = decode.read_image(path, self.where(path), self.info.pixels)
        label = self.label(i)
        if image.shape[:2] != label.shape:
            raise UserError(size_mismatch(self, i, image.shape[:2], label.shape))
        return {IMAGE: image, LABEL: label, INDEX: np.int64(i)}

    def label(self, i: int) -> UInt8[np.ndarray, "H W"]:
        """The mask of example `i` alone, for passes that need no images."""
        _, image_path, path = self.pairs[i]
        return self._label(image_path, path, self.rule_of(i))

    def rule_of(self, i: int) -> labels.LabelMap:
        """What the numbers in the mask of example `i` mean."""
        del i
        return self.rule

    def name(self, i: int) -> str:
        """The name that the image and the mask file share."""
        return self.pairs[i][0]

    def where(self, path: str) -> str:
        """A path as messages show it: relative to the root."""
        return os.path.relpath(path, self.root)

    def fingerprint(self) -> str:
        """sha256 over the class table, the mask rule and each file's path and content.

        Neither the order of a folder's listing nor times of files change it. The hashes
        of single files are remembered while their size and time stay.
        """
        digest = hashlib.sha256()
        digest.update(repr((self.info.class_names, self.rule)).encode())
        digest.update(repr((self.split, self.mask_orientation)).encode())
        if self.info.pixels != RGB:
            digest.update(repr(self.info.pixels).encode())
        paths = sorted(self.files())
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for path, content in zip(paths, pool.map(content_hash, paths), strict=True):
                digest.update(f"{self.where(path)}\0{content}\n".encode())
        return digest.hexdigest()

    def files(self) -> set[str]:
        """Every file that the examples are made from."""
        return {path for _, *both in self.pairs for path in both if path}

    def _label(
        self, image_path: str, path: str, rule: labels.LabelMap
    ) -> UInt8[np.ndarray, "H W"]:
        if not path:
            size, _ = decode.read_size(image_path, self.where(image_path))
            return np.full(size, IGNORE, np.uint8)
        label = labels.read(path, rule, self.where(path))
        if self.mask_orientation == "stored":
            _, orientation = decode.read_size(image_path, self.where(image_path))
            label = decode.turn_upright(label, orientation)
        return label

    def __repr__(self) -> str:
        return f"{self.info.name} {self.split}: {len(self)} examples"


@dataclasses.dataclass(frozen=True, repr=False)
class ClippedFiles(PairedFiles):
    """Clips: each image with the frames before it, and its label or all of theirs.

    Attributes:
      earlier: for each example the paths of the frames before it, the oldest first.
      earlier_masks: the same of their masks, empty for a frame without one; nothing at
        all for labels of the last frames alone.
    """

    earlier: tuple[tuple[str, ...], ...] = ()
    earlier_masks: tuple[tuple[str, ...], ...] = ()

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Example `i`: image `(T, H, W, C)`; label `(H, W)` or `(T, H, W)`.

        Raises:
          UserError: as for a pair, or a frame has another size than the last one.
        """
        example = super().__getitem__(i)
        frames = [
            decode.read_image(p, self.where(p), self.info.pixels)
            for p in self.earlier[i]
        ]
        last = example[IMAGE]
        for path, frame in zip(self.earlier[i], frames, strict=True):
            if frame.shape != last.shape:
                raise UserError(
                    f"{self.where(path)}: frame is {frame.shape[0]}x{frame.shape[1]} "
                    f"and the last of its clip {last.shape[0]}x{last.shape[1]} "
                    "(height x width); they must be equal. Correct it."
                )
        example = {**example, IMAGE: np.stack([*frames, last])}
        if self.earlier_masks:
            before = []
            for path, mask in zip(self.earlier[i], self.earlier_masks[i], strict=True):
                before.append(label := self._label(path, mask, self.rule))
                if label.shape != last.shape[:2]:
                    raise UserError(
                        f"{self.where(mask or path)}: mask is {label.shape[0]}x"
                        f"{label.shape[1]} and its clip {last.shape[0]}x"
                        f"{last.shape[1]} (height x width); they must be equal. "
                        "Correct it."
                    )
            example[LABEL] = np.stack([*before, example[LABEL]])
        return example

    def files(self) -> set[str]:
        """Every file that the examples are made from."""
        masks = (path for paths in self.earlier_masks for path in paths if path)
        return super().files().union(*self.earlier, masks)

    def fingerprint(self) -> str:
        """sha256 over the files and over which frames make which clip."""
        digest = hashlib.sha256(super().fingerprint().encode())
        for (_, last, _), before in zip(self.pairs, self.earlier, strict=True):
            digest.update("\0".join(map(self.where, (*before, last))).encode() + b"\n")
        if self.earlier_masks:
            digest.update(b"a label a frame")
        return digest.hexdigest()


def size_mismatch(
    source: PairedFiles, i: int, image: Sequence[int], label: Sequence[int]
) -> str:
    """The message for a pair whose sizes `(height, width)` differ."""
    _, image_path, label_path = source.pairs[i]
    return (
        f"{source.where(label_path)}: mask is {label[0]}x{label[1]} and its image "
        f"{source.where(image_path)} is {image[0]}x{image[1]} (height x width); they "
        "must be equal. Correct the pair or leave it out."
    )


def content_hash(path: str) -> str:
    """sha256 in hex of a file; remembered while its size and time stay the same."""
    try:
        stat = os.stat(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    return _content_hash(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=1_000_000)
def _content_hash(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_root(
    root: str,
    info: DatasetInfo,
    tree: str,
    inside: Sequence[str] = (),
    holds: str = "",
) -> pathlib.Path:
    """`root` as a path, with `~` expanded.

    Args:
      root: the folder that the config names.
      info: where the data is from, for the message.
      tree: a small drawing of how the files must lie.
      inside: folders of `root` that archives of the data set make; the first of `root`
        and these that has `holds` is taken.
      holds: what the folder must have in it.

    Raises:
      UserError: there is no such folder; says where the data is from, how it must lie,
        and which config runs without it.
    """
    path = pathlib.Path(root).expanduser()
    if path.is_dir():
        for place in (path, *(path / name for name in inside)):
            if (place / holds).exists():
                return place
        raise UserError(
            f"config.data.root={root!r}: has no {holds}/; the files must lie "
            f"so:\n{tree}"
        )
    origin = f"Get {info.name} from {info.homepage}. " if info.homepage else ""
    raise UserError(
        f"config.data.root={root!r}: no such folder. {origin}"
        f"The files must lie so:\n{tree.rstrip()}\n"
        "To run without any data: --config=configs/streets_unet.py"
    )


def bad_split(info: DatasetInfo, split: str, known: Sequence[str]) -> UserError:
    """The error for a split that a data set does not have."""
    return UserError(
        f"config.data: {info.name} has no split {split!r}. Known: {', '.join(known)}."
    )


def labels_not_public(info: DatasetInfo) -> UserError:
    """The error for a test split whose labels only the publisher has."""
    return UserError(
        f"config.data: the test labels of {info.name} are not public, so nothing can "
        f"be scored on them; use split 'val', or the server at {info.homepage}."
    )


@dataclasses.dataclass(frozen=True)
class Found:
    """The files of a split before they are paired, for an audit of what does not pair.

    Attributes:
      info: class table and provenance.
      root: folder that paths in messages are relative to.
      images: name -> its image files; more than one is ambiguous.
      masks: name -> its mask files.
      rule: what the numbers in the masks mean.
      listed: names that a list says belong to the split; empty where there is no list.
      mask_orientation: as of `PairedFiles`.
    """

    info: DatasetInfo
    root: str
    images: Mapping[str, Sequence[str | os.PathLike[str]]]
    masks: Mapping[str, Sequence[str | os.PathLike[str]]]
    rule: labels.LabelMap
    listed: Collection[str] = ()
    mask_orientation: str = "displayed"


class Unpaired(UserError):
    """Files of a split have no partner.

    Attributes:
      unpaired: every problem, also those that the message only counts.
      found: the files, where the data set tells them.
    """

    def __init__(
        self, problems: list[str], unpaired: list[str], found: Found | None = None
    ):
        super().__init__(problems)
        self.unpaired = unpaired
        self.found = found


def missing_files(
    info: DatasetInfo, split: str, problems: list[str], found: Found | None = None
) -> None:
    """Raise one `Unpaired` over the files of a split that have no partner, if any."""
    if not problems:
        return
    shown = problems[:20]
    if len(problems) > len(shown):
        shown = [*shown, f"... and {len(problems) - len(shown)} more files."]
    header = f"{info.name} {split}: {len(problems)} files do not pair:"
    raise Unpaired([header, *shown], problems, found)
