"""Tensors of a file of `torch.save`, without PyTorch and without running its pickle.

The file is a zip archive, not compressed: `NAME/data.pkl`, a pickle of the object with
a persistent id for each storage; `NAME/data/KEY`, the bytes of a storage;
`NAME/byteorder`.

Source: the reference of `torch.save` and of `torch.serialization`, PyTorch 2.13.
"""

import dataclasses
import math
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from segjax.checkpoint import pickled
from segjax.core.errors import EnvironmentFault, UserError

STORAGES = {
    "torch.DoubleStorage": np.dtype("f8"),
    "torch.FloatStorage": np.dtype("f4"),
    "torch.HalfStorage": np.dtype("f2"),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.LongStorage": np.dtype("i8"),
    "torch.IntStorage": np.dtype("i4"),
    "torch.ShortStorage": np.dtype("i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of what PyTorch wrote before 1.6."""

AGAIN = "Save it again in PyTorch: torch.save(model.state_dict(), FILE)."


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor of the file, not read yet.

    Attributes:
      key: name of its storage.
      dtype: of the elements.
      numel: elements of the storage.
      offset: first element.
      size: shape.
      stride: elements between neighbours, axis by axis.
    """

    key: str
    dtype: np.dtype
    numel: int
    offset: int = 0
    size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()


class TorchFile:
    """A file of `torch.save`.

    Attributes:
      content: what was saved, with a `Tensor` for each tensor.
    """

    def __init__(self, path: Path):
        """Read the structure of the file, no tensor.

        Raises:
          UserError: it is of another format, damaged, or holds more than data.
          EnvironmentFault: the disk cannot be read.
        """
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {m.filename: m for m in archive.infolist()}
                self._root = self._find_root()
                self._big = self._byteorder(archive) == b"big"
                data = archive.read(self._member("data.pkl"))
            self.content = pickled.read(data, call=_rebuilt, persistent=_storage)
        except pickled.Refused as refused:
            raise UserError(
                f"{path}: holds more than tensors ({refused}); only tensors, "
                f"containers, numbers and text are read, nothing is run. {AGAIN}"
            ) from None
        except (zipfile.BadZipFile, pickled.Broken, EOFError) as error:
            raise self._damaged(error) from None
        except OSError as error:
            raise EnvironmentFault(f"{path}: cannot be read ({error}).") from error

    def arrays(self, tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
        """The numbers of tensors of `content`, by name; those of one storage share it.

        Raises:
          UserError: a storage is absent, has another size or another sum, or a tensor
            reaches beyond it.
          EnvironmentFault: the disk cannot be read.
        """
        storages: dict[str, np.ndarray] = {}
        found = {}
        try:
            with zipfile.ZipFile(self.path) as archive:
                for name, tensor in tensors.items():
                    key = tensor.key
                    if key not in storages:
                        storages[key] = self._storage(archive, tensor)
                    found[name] = self._view(name, tensor, storages[key])
        except (zipfile.BadZipFile, EOFError) as error:
            raise self._damaged(error) from None
        except OSError as error:
            raise EnvironmentFault(f"{self.path}: cannot be read ({error}).") from error
        return found

    def _find_root(self) -> str:
        roots = [m.removesuffix("data.pkl") for m in self._members if _is_data(m)]
        if len(roots) != 1:
            script = any("/code/" in m for m in self._members)
            kind = "a TorchScript model" if script else "a zip archive of another kind"
            raise UserError(f"{self.path}: is {kind}, no file of torch.save. {AGAIN}")
        return roots[0]

    def _byteorder(self, archive: zipfile.ZipFile) -> bytes:
        name = f"{self._root}byteorder"
        return archive.read(name).strip() if name in self._members else b"little"

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = self._members.get(f"{self._root}{name}")
        if member is None:
            raise zipfile.BadZipFile(f"{name} is missing")
        if member.compress_type != zipfile.ZIP_STORED:
            raise zipfile.BadZipFile(f"{name} is compressed, torch.save never does it")
        return member

    def _storage(self, archive: zipfile.ZipFile, tensor: Tensor) -> np.ndarray:
        member = self._member(f"data/{tensor.key}")
        size = tensor.numel * tensor.dtype.itemsize
        if member.file_size != size:
            raise zipfile.BadZipFile(
                f"storage {tensor.key} has {member.file_size} bytes, {size} are "
                "declared"
            )
        numbers = np.frombuffer(archive.read(member), np.uint8)
        if self._big and tensor.dtype.itemsize > 1:
            numbers = numbers.reshape(-1, tensor.dtype.itemsize)[:, ::-1]
        return np.ascontiguousarray(numbers).reshape(-1).view(tensor.dtype)

    def _view(self, name: str, tensor: Tensor, storage: np.ndarray) -> np.ndarray:
        size, stride, offset = tensor.size, tensor.stride, tensor.offset
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if tensor.dtype != storage.dtype:
            raise zipfile.BadZipFile(f"{name} and its storage differ in dtype")
        if 0 in size:
            return np.zeros(size, tensor.dtype)
        if min((offset, *size, *stride)) < 0 or last >= len(storage):
            raise zipfile.BadZipFile(f"{name} reaches beyond its storage")
        steps = tuple(s * tensor.dtype.itemsize for s in stride)
        rest = storage[offset:]
        return np.lib.stride_tricks.as_strided(rest, size, steps, writeable=False)

    def _damaged(self, error: Exception) -> UserError:
        why = str(error) or "it ends early"
        return UserError(
            f"{self.path}: is damaged ({why}); copy or download it again and compare "
            "its checksum."
        )


def is_torch_file(path: Path) -> bool:
    """Whether the first bytes are those of a zip archive.

    Raises:
      UserError: they are those of PyTorch before 1.6.
    """
    with open(path, "rb") as file:
        begin = file.read(len(LEGACY))
    if begin == LEGACY:
        raise UserError(
            f"{path}: is in the format of PyTorch before 1.6, which cannot be read "
            "without running it; the zip format is read. Load it in PyTorch with "
            "weights_only=True and save it again with torch.save."
        )
    return begin[:4] == b"PK\x03\x04"


def _is_data(member: str) -> bool:
    return member.count("/") == 1 and member.endswith("/data.pkl")


def _storage(persistent_id: Any) -> Tensor:
    """The whole storage that a persistent id means, as a tensor of one axis."""
    kind, name, key, _location, numel = persistent_id
    if kind != "storage" or not isinstance(key, str) or not _natural(numel):
        raise pickled.Broken(f"a persistent id is {persistent_id!r}"[:200])
    if name not in STORAGES:
        raise pickled.Refused(f"its storage is a {name}"[:200])
    return Tensor(key, STORAGES[name], numel)


def _rebuilt(function: str, arguments: tuple) -> Any:
    """What the functions that `torch.save` names would make."""
    if function in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"):
        storage, offset, size, stride, *_ = arguments
        whole = (offset, *size, *stride)
        if not isinstance(storage, Tensor) or len(size) != len(stride):
            raise pickled.Broken("a tensor without a storage")
        if not all(_natural(n) for n in whole) or math.prod(size) > 2**48:
            raise pickled.Broken(f"a tensor of size {size}, stride {stride}")
        return dataclasses.replace(
            storage, offset=offset, size=tuple(size), stride=tuple(stride)
        )
    if function in _PARAMETERS:
        if not isinstance(arguments[0], Tensor):
            raise pickled.Broken("a parameter without a tensor")
        return arguments[0]
    if function == "collections.OrderedDict":
        return dict(*arguments)
    if function == "torch.Size":
        return tuple(*arguments)
    if function in ("builtins.set", "__builtin__.set"):
        return set(*arguments)
    raise pickled.Refused(f"it calls {function}"[:200])


_PARAMETERS = (
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
)


def _natural(number: Any) -> bool:
    return type(number) is int and number >= 0
