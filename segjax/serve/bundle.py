"""The file of an exported model: a zip archive whose every member is accounted for.

`manifest.json` describes the model and names each other member with its size and
SHA-256. Reading one trusts nothing: names, places, sizes and digests are checked before
a byte is used, arrays are read without pickle, and no code of the file is run.
"""

import hashlib
import io
import json
import math
import re
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segjax.core.errors import EnvironmentFault, UserError

SUFFIX = ".segjax"
FORMAT = "segjax model 1"
MANIFEST = "manifest.json"

MOST_MEMBERS = 20_000
MOST_DIRECTORY = 4 * 2**20
"""Bytes of the list of members at the end of the file."""

MOST_UNPACKED = 32 * 2**20
"""Bytes of a member that is compressed; larger ones are stored as they are."""

MOST_MANIFEST = 8 * 2**20

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member, so that equal contents are equal files."""

KINDS = "biuf"
"""Of numbers in arrays: truth values, integers, floats."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_UTF8 = 0x800
_END, _END_64, _LOCATOR = b"PK\5\6", b"PK\6\6", b"PK\6\7"


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
        if not self.path.is_file():  # a pipe would block for ever
            raise UserError(f"{path}: no such file; name an exported model.")
        try:
            self._file = open(self.path, "rb")  # noqa: SIM115 closed by __exit__
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
        try:
            self._measure()
            self._zip = self._opened()
            self._members = self._listed()
            self.manifest = self._manifest()
            self._account()
        except Exception:
            self._file.close()
            raise

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(self, *_) -> None:
        self._zip.close()
        self._file.close()

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
        """The array of a `.npy` member, which cannot be written to.

        Raises:
          UserError: it is not there, is no plain array, or is damaged.
        """
        content = self.read(name)
        try:
            shape, dtype, begin = _npy_head(content)
        except Exception as error:  # whatever a head that lies raises
            raise self._damaged(f"{name} is no plain array ({error})") from None
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in KINDS or size != len(content) - begin:
            raise self._damaged(
                f"{name} holds {len(content) - begin} bytes for {shape} of {dtype}"
            )
        return np.frombuffer(content, dtype, offset=begin).reshape(shape)

    def json(self, name: str) -> Any:
        """The value of a JSON member.

        Raises:
          UserError: it is not there, is no JSON, or is damaged.
        """
        return self._json(name, self.read(name))

    def verify(self) -> int:
        """Read every member beside what the manifest says; returns their number.

        Raises:
          UserError: one is damaged.
        """
        for name in self.names():
            self.read(name)
        return len(self.names())

    def _measure(self) -> None:
        """Refuse a list of members so long that reading it would take memory."""
        size = self._file.seek(0, io.SEEK_END)
        self._file.seek(max(0, size - 98))
        tail = self._file.read()
        end, locator, end_64 = tail[-22:], tail[-42:-22], tail[-98:-42]
        if len(end) < 22 or not end.startswith(_END):
            raise self._foreign("it does not end as a zip archive")
        members, directory = struct.unpack("<HL", end[10:16])
        if locator.startswith(_LOCATOR):
            if not end_64.startswith(_END_64):
                raise self._damaged("the end of its list of members is not there")
            members, directory = struct.unpack("<QQ", end_64[32:48])
        if members > MOST_MEMBERS or directory > MOST_DIRECTORY:
            raise self._damaged(
                f"lists {members} members in {directory} bytes; {MOST_MEMBERS} are "
                "read at most"
            )

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._file)
        except Exception as error:  # whatever a damaged list raises
            raise self._foreign(error) from None

    def _listed(self) -> dict[str, zipfile.ZipInfo]:
        """The members: plain files side by side, with nothing between them."""
        members = self._zip.infolist()
        names, end = set(), 0
        for member in sorted(members, key=lambda m: m.header_offset):
            name, kind = member.filename, member.external_attr >> 16
            if name in names or not _NAME.fullmatch(name):
                raise self._damaged(f"has a member {name[:80]!r} that cannot be")
            if stat.S_IFMT(kind) not in (0, stat.S_IFREG):
                raise self._damaged(f"{name} is no plain file")
            if member.flag_bits & ~_UTF8 or member.compress_type not in (
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            ):
                raise self._damaged(f"{name} is encrypted or packed in another way")
            packed = member.compress_type == zipfile.ZIP_DEFLATED
            if packed and member.file_size > MOST_UNPACKED:
                raise self._damaged(f"{name} unpacks to {member.file_size} bytes")
            if not packed and member.file_size != member.compress_size:
                raise self._damaged(f"{name} has two sizes")
            if member.header_offset != end:
                raise self._damaged(f"{name} overlaps another member, or bytes lie by")
            end += self._length(member)
            names.add(name)
        if end != self._zip.start_dir:
            raise self._damaged("bytes lie behind its members")
        return {member.filename: member for member in members}

    def _length(self, member: zipfile.ZipInfo) -> int:
        """Bytes that a member takes with its head, which is not in the list."""
        self._file.seek(member.header_offset)
        head = self._file.read(30)
        if len(head) < 30:
            raise self._damaged(f"{member.filename} is not there")
        return 30 + sum(struct.unpack("<HH", head[26:30])) + member.compress_size

    def _manifest(self) -> dict[str, Any]:
        info = self._members.get(MANIFEST)
        if info is None or info.file_size > MOST_MANIFEST:
            raise self._damaged(f"has no {MANIFEST} that can be read")
        manifest = self._json(MANIFEST, self._content(MANIFEST))
        if not isinstance(manifest, dict) or "format" not in manifest:
            raise self._damaged(f"{MANIFEST} is no manifest")
        if manifest["format"] != FORMAT:
            raise UserError(
                f"{self.path}: its format is {str(manifest['format'])[:80]!r}; this "
                f"segjax reads {FORMAT!r}. Use the segjax that wrote it, or export the "
                "run again."
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
            odd = sorted(sizes.keys() ^ files.keys())[:3]
            raise self._damaged(f"members are not those of its manifest {odd}")

    def _content(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except Exception as error:  # zipfile's and zlib's, which differ
            raise self._damaged(f"{name} cannot be unpacked ({error})") from None

    def _json(self, name: str, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._damaged(f"{name} is no JSON") from None

    def _foreign(self, why: Any) -> UserError:
        return UserError(
            f"{self.path}: is no exported model ({why}); `segjax export` makes one."
        )

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
      UserError: it would be larger than what is read.
      EnvironmentFault: the disk refuses.
    """
    files = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(members.items())
    }
    plain = {"format": FORMAT, **manifest, "files": files}
    text = json.dumps(plain, indent=1, sort_keys=True, allow_nan=False)
    if len(members) >= MOST_MEMBERS or len(text) > MOST_MANIFEST:
        raise UserError(
            f"{path}: {len(members)} members and a manifest of {len(text)} bytes are "
            f"too many; {MOST_MEMBERS} and {MOST_MANIFEST} can be read."
        )
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, content in [(MANIFEST, text.encode()), *sorted(members.items())]:
                info = zipfile.ZipInfo(name, EPOCH)
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                # weights do not shrink
                if not name.endswith(".npy") and len(content) <= MOST_UNPACKED:
                    info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, content)
        temporary.replace(path)
    except OSError as error:
        raise EnvironmentFault(
            f"{path}: cannot be written ({error.strerror}). Free the disk, or name "
            "another place."
        ) from error
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


def _npy_head(content: bytes) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and where the numbers begin, of the bytes of a `.npy` file."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("another version of the format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran and len(shape) > 1:
        raise ValueError("columns first")
    if min(shape, default=0) < 0:
        raise ValueError(f"a shape {shape}")
    return shape, dtype, stream.tell()
