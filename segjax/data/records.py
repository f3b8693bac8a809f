"""Examples as ArrayRecord shards: decoded once, resized once, then read at random.

A folder holds `prepared.json` (class table, splits, names, sizes and hashes of the
shards) and `SPLIT-00000-of-00004.array_record`, whose records are the examples' arrays
in the safetensors format. Nothing is lost: what was decoded is stored as it is, with
zstd around it or bare.

Source: https://github.com/google/array_record; zstd level 1 halves photographs' bytes
  at best, and label maps to a few per cent.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from array_record.python import array_record_module

from segjax.core.errors import EnvironmentFault, UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, LABEL
from segjax.core.pixels import RGB
from segjax.data import remembered
from segjax.data.ops.geometry import moved, resize
from segjax.data.source import Source

INDEX_FILE = "prepared.json"
SHARD_BYTES = 2**28
"""Bytes of decoded examples in a shard, about."""

OPTIONS = {"zstd": "group_size:1,zstd:1", "none": "group_size:1,uncompressed"}
"""Compression -> options of the writer; groups of one are what random reading needs."""


@dataclasses.dataclass(frozen=True)
class Target:
    """What the examples become before they are stored.

    Attributes:
      size: `(height, width)` of all; None keeps each.
      short_side: length of the shorter side, the aspect stays; None keeps it.
      compression: `zstd`, or `none`: larger files that are read without unpacking.
    """

    size: tuple[int, int] | None = None
    short_side: int | None = None
    compression: Literal["zstd", "none"] = "zstd"

    def __post_init__(self):
        if self.size and self.short_side:
            raise UserError("size and short_side: give one of them, or none.")
        if min(*(self.size or (1, 1)), self.short_side or 1) < 1:
            raise UserError(
                f"size={self.size}, short_side={self.short_side}: 1 or more is allowed."
            )

    def apply(self, example: dict[str, Any]) -> dict[str, np.ndarray]:
        """`image` and `label` of an example, resized: by area or bilinear, nearest."""
        label = example[LABEL]
        height, width = label.shape[-2:]
        if self.size:
            height, width = self.size
        elif self.short_side:
            factor = self.short_side / min(height, width)
            height, width = (max(1, round(factor * n)) for n in (height, width))
        return moved(
            {IMAGE: example[IMAGE], LABEL: label},
            lambda array, nearest: resize(array, height, width, nearest),
        )


def write(
    source: Source,
    split: str,
    folder: str | os.PathLike[str],
    target: Target,
    *,
    threads: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write one split into `folder`, beside the splits that are there.

    The shards take their names when all are whole, and `prepared.json` comes last, so a
    pass that is stopped leaves nothing that can be read by mistake.

    Args:
      source: the split.
      split: its name.
      folder: made if absent.
      target: sizes and compression.
      threads: examples decoded at once.
      progress: called with (examples done, examples).

    Returns:
      Bytes written.

    Raises:
      UserError: an example is bad, or `folder` holds another data set or the split.
      EnvironmentFault: the disk refuses.
    """
    folder = pathlib.Path(folder)
    index = _index(folder, source.info, target)
    if split in index["splits"]:
        raise UserError(
            f"{folder}: holds the split {split!r} already. Remove the folder, or name "
            "another one."
        )
    if not len(source):
        raise UserError(f"{source!r}: is empty; there is nothing to write.")
    aside = folder / f".writing-{split}"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            entry = _write_shards(source, split, aside, target, threads, progress)
            for shard in entry["shards"]:
                os.replace(aside / shard["name"], folder / shard["name"])
            index["splits"][split] = entry
            remembered.write(folder, INDEX_FILE, index)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise EnvironmentFault(f"{folder}: writing failed ({error}).") from error
    return sum(shard["bytes"] for shard in entry["shards"])


def read_index(folder: pathlib.Path) -> dict[str, Any]:
    """`prepared.json` of a folder.

    Raises:
      UserError: there is none, or it is damaged.
    """
    try:
        return json.loads((folder / INDEX_FILE).read_text())
    except FileNotFoundError:
        raise UserError(
            f"{folder}: holds no {INDEX_FILE}. Make such a folder by `segjax prepare`."
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / INDEX_FILE}: cannot be read ({error}). Prepare the data again."
        ) from None


def encode(example: dict[str, np.ndarray]) -> bytes:
    """The arrays of an example as one record."""
    arrays = {key: np.ascontiguousarray(value) for key, value in example.items()}
    return safetensors.numpy.save(arrays)


def decode(record: bytes) -> dict[str, np.ndarray]:
    """The arrays of a record."""
    return safetensors.numpy.load(record)


def _write_shards(source, split, folder, target, threads, progress) -> dict[str, Any]:
    first = encode(target.apply(source[0]))
    count = max(1, round(len(first) * len(source) / SHARD_BYTES))
    bounds = np.linspace(0, len(source), count + 1).round().astype(int)
    content = hashlib.sha256(source.fingerprint().encode())
    content.update(repr(target).encode())
    shards, done = [], 0
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for k, (start, stop) in enumerate(itertools.pairwise(bounds)):
            path = folder / f"{split}-{k:05}-of-{count:05}.array_record"
            writer = array_record_module.ArrayRecordWriter(
                str(path), OPTIONS[target.compression]
            )
            with contextlib.closing(writer):
                for at in range(start, stop, 4 * threads):  # so much waits in memory
                    piece = range(at, min(stop, at + 4 * threads))
                    for record in pool.map(
                        lambda i: encode(target.apply(source[i])), piece
                    ):
                        writer.write(record)
                        content.update(hashlib.sha256(record).digest())
                        done += 1
                        if progress:
                            progress(done, len(source))
            entry = {"name": path.name, "examples": int(stop - start)}
            shards.append(entry | {"bytes": path.stat().st_size})
    names = [source.name(i) for i in range(len(source))]
    return {"fingerprint": content.hexdigest(), "names": names, "shards": shards}


def _info_entry(info: DatasetInfo) -> dict[str, Any]:
    """The class table as JSON knows it; pixels only where they are no 8-bit RGB."""
    entry = json.loads(json.dumps(dataclasses.asdict(info)))
    if info.pixels == RGB:
        del entry["pixels"]
    return entry


def _index(folder: pathlib.Path, info: DatasetInfo, target: Target) -> dict[str, Any]:
    """What `prepared.json` says before the split is added."""
    index = {
        "info": _info_entry(info),
        "target": json.loads(json.dumps(dataclasses.asdict(target))),
        "splits": {},
    }
    if not (folder / INDEX_FILE).exists():
        return index
    found = read_index(folder)
    other = [key for key in ("info", "target") if found.get(key) != index[key]]
    if other:
        raise UserError(
            f"{folder}: holds {found['info']['name']} with another "
            f"{' and '.join(other)}; splits of one folder share both. Name another "
            "folder."
        )
    return found
