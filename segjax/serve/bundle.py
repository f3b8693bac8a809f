"""The file of an exported model: a zip archive whose every member is accounted for.

`manifest.json` describes the model and names each other member with its size and
SHA-256. Reading one trusts nothing: names, sizes and digests are checked before a byte
is used, arrays are read without pickle, and no code of the file is run.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segjax.core.errors import UserError

SUFFIX = ".segjax"
FORMAT = "segjax model 1"
MANIFEST = "manifest.json"

MOST_MEMBERS = 20_000
MOST_BYTES = 8 * 2**30
"""Of all members together, decompressed."""

MOST_MANIFEST_BYTES = 16 * 2**20
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member, so that equal contents are equal files."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class Bundle:
    """An open file whose members are checked as they are read.

    Attributes:
      path: the file.
      manifest: what `manifest.json` holds.

    Raises:
      UserError: the file is missing, is no exported model, or is damaged.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; name an exported model.") from None
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path}: is no exported model ({error}); `segjax export` makes one."
            ) from None
        try:
            self._members = self._listed()
            self.manifest = self._manifest()
            self._account()
        except Exception:
            self._zip.close()
            raise

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(self, *_) -> None:
        self._zip.close()

    def names(self, folder: str = "") -> list[str]:
        """The members below a folder, in order; all but the manifest for none."""
        return sorted(n for n in self.manifest["files"] if n.startswith(folder))

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
          UserError: it is not there, or not what the manifest says.
        """
        entry = self.manifest["files"].get(name)
        if entry is None:
            raise self._damaged(f"has no {name}")
        content = self._content(name)
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise self._damaged(f"{name} is not what its manifest says")
        return content

    def array(self, name: str) -> np.ndarray:
        """The array of a `.npy` member.

        Raises:
          UserError: it is not there, is no plain array, or is damaged.
        """
        try:
            return np.load(io.BytesIO(self.read(name)), allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise self._damaged(f"{name} is no plain array ({error})") from None

    def json(self, name: str) -> Any:
        """The value of a JSON member.

        Raises:
          UserError: it is not there, is no JSON, or is damaged.
        """
        return self._json(name, self.read(name))

    def _listed(self) -> dict[str, zipfile.ZipInfo]:
        members = self._zip.infolist()
        found = {m.filename: m for m in members}
        size = sum(m.file_size for m in members)
        if len(members) > MOST_MEMBERS or size > MOST_BYTES:
            raise self._damaged(
                f"has {len(members)} members of {size} bytes; {MOST_MEMBERS} of "
                f"{MOST_BYTES} bytes are read at most"
            )
        wrong = [n for n in found if not _NAME.fullmatch(n)]
        wrong += [m.filename for m in members if m.flag_bits & 1]  # encrypted
        if wrong or len(found) < len(members):
            raise self._damaged(f"has members that cannot be ({wrong[:1] or 'twice'})")
        return found

    def _manifest(self) -> dict[str, Any]:
        info = self._members.get(MANIFEST)
        if info is None or info.file_size > MOST_MANIFEST_BYTES:
            raise self._damaged(f"has no {MANIFEST} that can be read")
        manifest = self._json(MANIFEST, self._content(MANIFEST))
        if not isinstance(manifest, dict) or "format" not in manifest:
            raise self._damaged(f"{MANIFEST} is no manifest")
        if manifest["format"] != FORMAT:
            raise UserError(
                f"{self.path}: its format is {manifest['format']!r}; this segjax reads "
                f"{FORMAT!r}. Use the segjax that wrote it, or export the run again."
            )
        return manifest

    def _account(self) -> None:
        """Every member is in the manifest with its size, and the other way round."""
        files = self.manifest.get("files")
        good = isinstance(files, dict) and all(
            isinstance(e, dict)
            and isinstance(e.get("sha256"), str)
            and type(e.get("size")) is int
            for e in files.values()
        )
        if not good:
            raise self._damaged(f"{MANIFEST} does not account for its members")
        sizes = {n: m.file_size for n, m in self._members.items() if n != MANIFEST}
        if sizes != {n: e["size"] for n, e in files.items()}:
            odd = sizes.keys() ^ files.keys()
            raise self._damaged(f"members are not those of its manifest {sorted(odd)}")

    def _content(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            raise self._damaged(f"{name}: {error}") from None
        except Exception as error:  # zlib's, which differ
            raise self._damaged(f"{name} cannot be unpacked ({error})") from None

    def _json(self, name: str, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._damaged(f"{name} is no JSON") from None

    def _damaged(self, what: str) -> UserError:
        return UserError(f"{self.path}: is damaged: {what}. Copy or export it again.")


def write(path: Path, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> str:
    """Write a bundle whole or not at all; the same contents give the same bytes.

    Args:
      path: the file.
      manifest: its description; `format` and `files` are added.
      members: name -> bytes.

    Returns:
      SHA-256 of the file.

    Raises:
      OSError: the disk refuses.
    """
    files = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(members.items())
    }
    plain = {"format": FORMAT, **manifest, "files": files}
    text = json.dumps(plain, indent=1, sort_keys=True, allow_nan=False)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, content in [(MANIFEST, text.encode()), *sorted(members.items())]:
                info = zipfile.ZipInfo(name, EPOCH)
                info.external_attr = 0o644 << 16
                if not name.endswith(".npy"):  # weights do not shrink
                    info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return digest(path)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def npy(array: np.ndarray) -> bytes:
    """An array as the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
