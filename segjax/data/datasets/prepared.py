"""Any data set that `segjax prepare` wrote: shards of examples, and their classes."""

import dataclasses
import functools
import pathlib
from typing import Any

import grain
import numpy as np

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.core.pixels import Pixels
from segjax.data import records
from segjax.data.source import bad_split


def make(split: str, root: str) -> "Prepared":
    """One split of a prepared folder.

    Args:
      split: a split that the folder holds.
      root: the folder that `segjax prepare --out` named.

    Raises:
      UserError: the folder holds no such split, or its shards are missing or cut short.
    """
    folder = pathlib.Path(root).expanduser()
    index = records.read_index(folder)
    fields = {k: _tuples(v) for k, v in index["info"].items()}
    pixels = Pixels(**fields.pop("pixels", {}))
    info = DatasetInfo(**fields, pixels=pixels)
    if split not in index["splits"]:
        raise bad_split(info, split, tuple(index["splits"]))
    entry = index["splits"][split]
    problems = []
    for shard in entry["shards"]:
        path = folder / shard["name"]
        size = path.stat().st_size if path.is_file() else None
        if size != shard["bytes"]:
            state = "is missing" if size is None else f"has {size} bytes"
            problems.append(
                f"{path}: {state}; {shard['bytes']} bytes were written. Copy it again, "
                "or prepare the data again."
            )
    if problems:
        raise UserError(problems)
    return Prepared(
        info=info,
        split=split,
        paths=tuple(str(folder / shard["name"]) for shard in entry["shards"]),
        names=tuple(entry["names"]),
        digest=entry["fingerprint"],
    )


@dataclasses.dataclass(frozen=True)
class Prepared:
    """The examples of the shards, read at random; each process opens its own files.

    Attributes:
      info: class table and provenance, of the data set that was prepared.
      split: name of the split.
      paths: the shards, in order.
      names: of the examples, in order.
      digest: sha256 in hex over the source's fingerprint and every record.
    """

    info: DatasetInfo
    split: str
    paths: tuple[str, ...]
    names: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Example `i`.

        Raises:
          UserError: its record is damaged.
        """
        try:
            arrays = records.decode(self._records[i])
            example = {IMAGE: arrays[IMAGE], LABEL: arrays[LABEL]}
        except Exception as error:  # of the reader, whatever is wrong with the bytes
            raise UserError(
                f"{self.names[i]}: its record cannot be read ({error}). Prepare the "
                "data again."
            ) from None
        return {**example, INDEX: np.int64(i)}

    def name(self, i: int) -> str:
        """The name that it has in the data set."""
        return self.names[i]

    def fingerprint(self) -> str:
        """`digest`: the shards are not hashed again, only their sizes are compared."""
        return self.digest

    @functools.cached_property
    def _records(self) -> Any:
        return grain.sources.ArrayRecordDataSource(list(self.paths))

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_records"}

    def __repr__(self) -> str:
        return f"{self.info.name} {self.split}, prepared: {len(self)} examples"


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
