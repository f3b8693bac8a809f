"""Files as `torch.save` writes them, byte by byte, without PyTorch."""

import pickle
import zipfile

import numpy as np

STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


class View:
    """A tensor: a storage, an offset, a size and strides in elements."""

    def __init__(self, storage, offset=0, size=None, stride=None, parameter=False):
        self.storage = np.ravel(storage)
        self.offset = offset
        self.size = np.shape(storage) if size is None else size
        inner = [int(np.prod(self.size[i + 1 :])) for i in range(len(self.size))]
        self.stride = tuple(inner) if stride is None else stride
        self.parameter = parameter


class Global:
    """A function or class that the pickle names, whether it exists or not."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class Call:
    """A call of a `Global`, as a pickle asks for it."""

    def __init__(self, function: Global, *arguments):
        self.function, self.arguments = function, arguments


def tensor(view: View, key: str) -> bytes:
    kind = Global("torch", STORAGES[str(view.storage.dtype)])
    identity = ("storage", kind, key, "cpu", len(view.storage))
    storage = pickled(identity) + pickle.BINPERSID
    arguments = b"".join(map(pickled, (view.offset, view.size, view.stride, False)))
    hooks = pickled(Call(Global("collections", "OrderedDict")))
    whole = (
        pickled(Global("torch._utils", "_rebuild_tensor_v2"))
        + (pickle.MARK + storage + arguments + hooks + pickle.TUPLE)
        + pickle.REDUCE
    )
    if not view.parameter:
        return whole
    function = pickled(Global("torch._utils", "_rebuild_parameter"))
    return function + whole + pickle.NEWTRUE + hooks + pickle.TUPLE3 + pickle.REDUCE


def pickled(value, keys=None) -> bytes:
    """Opcodes that push `value`; `keys` are the storages' names by their identity."""
    if isinstance(value, View):
        return tensor(value, keys[id(value.storage)])
    if isinstance(value, Global):
        return pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode()
    if isinstance(value, Call):
        arguments = pickled(value.arguments, keys)
        return pickled(value.function) + arguments + pickle.REDUCE
    if isinstance(value, dict):
        items = b"".join(pickled(k) + pickled(v, keys) for k, v in value.items())
        return pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS
    if isinstance(value, list):
        items = b"".join(pickled(v, keys) for v in value)
        return pickle.EMPTY_LIST + pickle.MARK + items + pickle.APPENDS
    if isinstance(value, tuple):
        items = b"".join(pickled(v, keys) for v in value)
        return pickle.MARK + items + pickle.TUPLE
    return pickle.dumps(value, 2)[2:-1]


def views(value) -> list[View]:
    if isinstance(value, View):
        return [value]
    inner = value.values() if isinstance(value, dict) else value
    return (
        [v for x in inner for v in views(x)] if isinstance(value, (dict, list)) else []
    )


def save(path, value, *, byteorder="little", data=None, compress=False) -> None:
    """Write `value`, of dicts, lists, plain values and `View`s, as `torch.save` does.

    Args:
      data: the pickle to write instead.
    """
    storages = {id(v.storage): v.storage for v in views(value)}
    keys = {identity: str(i) for i, identity in enumerate(storages)}
    how = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", how) as archive:
        content = pickle.PROTO + b"\x02" + pickled(value, keys) + pickle.STOP
        archive.writestr("archive/data.pkl", content if data is None else data)
        archive.writestr("archive/byteorder", byteorder)
        for identity, storage in storages.items():
            swapped = storage.byteswap() if byteorder == "big" else storage
            archive.writestr(f"archive/data/{keys[identity]}", swapped.tobytes())
        archive.writestr("archive/version", "3\n")
