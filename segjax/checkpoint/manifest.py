"""The manifest of a checkpoint: what is in it, and how to see that it is whole.

`manifest.json` is written last. It holds size and sha256 of every file, path, shape,
dtype and sha256 of every array, the step, the scores and what the caller wants to
remember; and its own sha256.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from segjax.checkpoint.leaves import HASH_THREADS, Leaf, digest_of

MANIFEST = "manifest.json"
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a checkpoint says about itself.

    Attributes:
      step: steps taken.
      metrics: scores of the state, by name; empty if it was not evaluated.
      meta: plain data of the caller: class names, model, task, digests.
      leaves: path -> shape, dtype and digest of each array.
    """

    step: int
    metrics: dict[str, float]
    meta: dict[str, Any]
    leaves: dict[str, Leaf]


class Damaged(Exception):
    """A checkpoint is not what was written; says which file and how it differs."""


def write(folder: Path, manifest: Manifest) -> None:
    """Hash the files under `folder` and put `manifest.json` beside them."""
    names = _files(folder)
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        stamps = list(pool.map(lambda name: _stamp(folder / name), names))
    body = {
        "format": FORMAT,
        "step": manifest.step,
        "metrics": manifest.metrics,
        "meta": manifest.meta,
        "state_digest": digest_of(manifest.leaves),
        "leaves": {p: dataclasses.asdict(leaf) for p, leaf in manifest.leaves.items()},
        "files": dict(zip(names, stamps, strict=True)),
    }
    (folder / MANIFEST).write_text(_text(body | {"sha256": _seal(body)}))


def read(folder: Path) -> Manifest:
    """The manifest of a checkpoint, itself checked; the arrays are not looked at.

    Raises:
      Damaged: it is missing or is not what was written.
      OSError: the disk cannot be read.
    """
    return _manifest(_body(folder))


def verify(folder: Path) -> Manifest:
    """The manifest of a checkpoint of which every file is as it was written.

    Raises:
      Damaged: a file is missing, has another length or other bytes.
      OSError: the disk cannot be read.
    """
    body = _body(folder)
    expected = body["files"]
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        for problem in pool.map(
            lambda name: _difference(folder / name, name, expected[name]), expected
        ):
            if problem:
                raise Damaged(problem)
    return _manifest(body)


def _body(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / MANIFEST).read_bytes().decode()
        body = json.loads(text)
        found = _seal({k: v for k, v in body.items() if k != "sha256"})
        # The text is compared too: JSON has many ways to write one value.
        if body["sha256"] != found or _text(body) != text:
            raise Damaged(
                f"{MANIFEST}: sha256 {body['sha256'][:12]}..., found {found[:12]}..."
            )
    except FileNotFoundError:
        raise Damaged(f"{MANIFEST}: is missing") from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Damaged(f"{MANIFEST}: cannot be read ({error})") from None
    if body["format"] != FORMAT:
        raise Damaged(f"{MANIFEST}: format {FORMAT} expected, found {body['format']}")
    return body


def _manifest(body: Mapping[str, Any]) -> Manifest:
    leaves = {
        path: Leaf(tuple(leaf["shape"]), leaf["dtype"], leaf["sha256"])
        for path, leaf in body["leaves"].items()
    }
    return Manifest(body["step"], body["metrics"], body["meta"], leaves)


def _files(folder: Path) -> list[str]:
    """Relative names of all files but the manifest itself."""
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(n for n in found if n != MANIFEST)


def _stamp(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": sha256}


def _difference(path: Path, name: str, expected: Mapping[str, Any]) -> str:
    """How a file differs from what was written; empty if it does not."""
    try:
        size = path.stat().st_size
        if size != expected["size"]:
            return f"{name}: {expected['size']} bytes expected, found {size}"
        found = _stamp(path)["sha256"]
    except (FileNotFoundError, NotADirectoryError):
        return f"{name}: is missing"
    if found != expected["sha256"]:
        return _unequal(name, expected["sha256"], found)
    return ""


def _unequal(name: str, expected: str, found: str) -> str:
    return f"{name}: sha256 {expected[:12]}... expected, found {found[:12]}..."


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(body).encode()).hexdigest()


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, indent=1, sort_keys=True) + "\n"
