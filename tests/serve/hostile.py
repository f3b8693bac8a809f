"""Files that nobody should read: each an edit of a good one, by what is wrong with it.

`FILES[name](good, out)` writes the file. Where an attacker can, digests are made anew,
so that what is refused is refused for what it is.
"""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from segjax.serve import bundle

FILES: dict[str, Callable[[Path, Path], None]] = {}

PARAMETER = "parameters/00000.npy"
PROGRAM = "programs/image_24x32.bin"
READ = (bundle.MANIFEST, "card.md", "config.json", PARAMETER, PROGRAM)
READ += tuple(f"check/{name}.npy" for name in ("image", "ids", "logits"))


class Canary:
    """What makes a file when it is unpickled."""

    def __reduce__(self):
        return open, ("canary", "w")


def members(good: Path) -> tuple[dict, dict[str, bytes]]:
    """Manifest and members of a good file."""
    with zipfile.ZipFile(good) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(found.pop(bundle.MANIFEST)), found


def named(name: str):
    """Put what writes a file into the table."""

    def put(write):
        FILES[name] = write
        return write

    return put


def of_bytes(name: str, edit: Callable[[bytes], bytes]) -> None:
    FILES[name] = lambda good, out: out.write_bytes(edit(good.read_bytes()))


def signed(name: str, edit: Callable[[dict, dict], None]) -> None:
    """An edit of manifest and members, whose digests are made anew."""

    def write(good, out):
        manifest, found = members(good)
        edit(manifest, found)
        kept = {"format": manifest.pop("format", None)}
        manifest.pop("files", None)
        bundle.write(out, {**manifest, **kept}, found)

    FILES[name] = write


def zipped(name: str, edit: Callable[[list], None], *, comment: bytes = b"") -> None:
    """An edit of a list of `(ZipInfo, bytes)`, written as it is."""

    def write(good, out):
        with zipfile.ZipFile(good) as archive:
            entries = [(i, archive.read(i)) for i in archive.infolist()]
        edit(entries)
        with zipfile.ZipFile(out, "w") as archive:
            archive.comment = comment
            for info, content in entries:
                archive.writestr(info, content)

    FILES[name] = write


def flipped(member: str) -> None:
    """One bit of what a member holds, in the middle of its packed bytes."""

    def write(good, out):
        content = bytearray(good.read_bytes())
        with zipfile.ZipFile(good) as archive:
            info = archive.getinfo(member)
        head = info.header_offset
        lengths = sum(struct.unpack("<HH", content[head + 26 : head + 30]))
        content[head + 30 + lengths + info.compress_size // 2] ^= 4
        out.write_bytes(content)

    FILES[f"a bit of {member}"] = write


def patched(name: str, at: int, value: bytes) -> None:
    """Bytes in the list of members, in the entry of the first parameter."""

    def write(good, out):
        content = bytearray(good.read_bytes())
        begin = content.rindex(b"PK\1\2", 0, content.rindex(PARAMETER.encode()))
        content[begin + at : begin + at + len(value)] = value
        out.write_bytes(content)

    FILES[name] = write


# what is no archive, or only a part of one
of_bytes("nothing", lambda content: b"")
of_bytes("ten bytes", lambda content: content[:10])
of_bytes("half of it", lambda content: content[: len(content) // 2])
of_bytes("all but a byte", lambda content: content[:-1])
of_bytes("all but the first bytes", lambda content: content[100:])
of_bytes("text", lambda content: b"hello" * 100)
of_bytes("a pickle", lambda content: pickle.dumps(Canary()))
of_bytes("a pickle behind it", lambda content: content + pickle.dumps(Canary()))
of_bytes("bytes before it", lambda content: b"#!/bin/sh\n" + content)
of_bytes("zeros", lambda content: bytes(len(content)))

for _member in READ:
    flipped(_member)
of_bytes("a bit of the list", lambda c: c[:-40] + bytes([c[-40] ^ 1]) + c[-39:])
patched("a size that lies", 24, struct.pack("<L", 12))
patched("a packed size that lies", 20, struct.pack("<L", 2**31))
patched("a place that lies", 42, struct.pack("<L", 2**31))
patched("a place of another", 42, struct.pack("<L", 0))
patched("encrypted", 8, struct.pack("<H", 1))
patched("a data descriptor", 8, struct.pack("<H", 8))
patched("packed by lzma", 10, struct.pack("<H", 14))
patched("a link", 38, struct.pack("<L", 0o120777 << 16))
patched("a device", 38, struct.pack("<L", 0o060777 << 16))
patched("a checksum that lies", 16, b"\0\0\0\0")
patched("a name that lies", 46, b"parameters/00009")

for _name in ("../canary", "/tmp/canary", "a//b", "..\\canary", "C:canary", "a/../b"):
    zipped(f"named {_name}", lambda e, n=_name: e.append((zipfile.ZipInfo(n), b"x")))
for _name in ("a\nb", "ä", ".hidden", "folder/", "\N{RIGHT-TO-LEFT OVERRIDE}a"):
    zipped(f"named {_name!r}", lambda e, n=_name: e.append((zipfile.ZipInfo(n), b"")))
zipped("the same name twice", lambda entries: entries.append(entries[1]))
zipped("a second manifest", lambda entries: entries.append(entries[0]))
zipped("a member more", lambda e: e.append((zipfile.ZipInfo("more.txt"), b"more")))
zipped("no manifest", lambda entries: entries.pop(0))
zipped("a comment", lambda entries: None, comment=b"hello")
for _member in ("card.md", PARAMETER, PROGRAM, "check/ids.npy"):
    zipped(
        f"without {_member}",
        lambda e, n=_member: e.__setitem__(
            slice(None), [x for x in e if x[0].filename != n]
        ),
    )


@named("a bomb")
def _bomb(good: Path, out: Path) -> None:
    manifest, _ = members(good)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(bundle.MANIFEST, json.dumps(manifest))
        with archive.open("programs/image_24x32.bin", "w") as file:
            for _ in range(100):
                file.write(bytes(2**20))


@named("a bomb in the manifest")
def _large_manifest(good: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(bundle.MANIFEST, b"[" + b"0," * 2**24 + b"0]")


@named("members without end")
def _many(good: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(21_000):
            archive.writestr(f"m{i}", b"")


@named("a list of members without end")
def _long_list(good: Path, out: Path) -> None:
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, 2**31, 0, 0)
    out.write_bytes(bytes(1000) + end)


@named("two members in one place")
def _overlap(good: Path, out: Path) -> None:
    content = good.read_bytes()
    begin, end = content.rindex(b"PK\1\2"), content.rindex(b"PK\5\6")
    entry = content[begin:end]
    tail = bytearray(content[end:])
    count, size = struct.unpack("<HL", tail[10:16])
    tail[8:16] = struct.pack("<HHL", count + 1, count + 1, size + len(entry))
    twin = entry.replace(b"programs/image_24", b"programs/jmage_24")
    out.write_bytes(content[:end] + twin + tail)


# what is signed, and wrong
for _value in (None, [], "text", 3, {"a": 1}):

    @named(f"a manifest that is {json.dumps(_value)}")
    def _manifest(good: Path, out: Path, value=_value) -> None:
        _, found = members(good)
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(bundle.MANIFEST, json.dumps(value))
            for name, content in found.items():
                archive.writestr(name, content)


for _text in ("[" * 100_000, "{", '{"format": 1e999}', "\xff", "9" * 100_000):

    @named(f"a manifest like {_text[:12]!r}")
    def _words(good: Path, out: Path, text=_text) -> None:
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(bundle.MANIFEST, text.encode("latin-1"))


def changed(field: str, value) -> None:
    """Another value of a field of the manifest; `...` is none."""

    def edit(manifest, found):
        if value is ...:
            del manifest[field]
        else:
            manifest[field] = value

    signed(f"{field}: {str(value)[:40]}", edit)


changed("format", "segjax model 2")
changed("format", ["segjax model 1"])
for _field in ("title", "task", "dataset", "sizes", "protocol", "platforms", "stride"):
    changed(_field, ...)
    changed(_field, {"a": 1})
changed("task", "binary")
changed("task", "regression")
changed("threshold", 7)
changed("threshold", "0.5")
changed("stride", 0)
changed("margin", -4)
changed("margin", 4)
changed("sizes", [])
changed("sizes", [[24, 32, 3]])
changed("sizes", [[24, -32]])
changed("sizes", [[2**40, 32]])
changed("sizes", [[24, 40]])
changed("sizes", [[24, 32]] * 100)
changed("takes_clips", True)
changed("platforms", [])
changed("platforms", ["tpu"])
changed("platforms", ["cpu", "abacus"])
changed("protocol", "whole()")
changed("protocol", "__import__('os').system('touch canary')")
changed("protocol", "buckets((16, 16))")
changed("postprocess", "melt()")
changed("postprocess", "median(3)")
changed("input_ops", "open('canary', 'w')")
changed("input_ops", "resize(100000, 100000)")
changed("input_ops", "rescale(1e9)")
changed("input_ops", "(" * 5000)
changed("input_ops", "|".join(["rescale(1.0)"] * 2000))
changed("input_ops", "rescale(" + "-" * 3000 + "1)")
changed("input_ops", "a" * 20_000)


def of_dataset(name: str, edit: Callable[[dict], None]) -> None:
    signed(f"dataset with {name}", lambda manifest, _: edit(manifest["dataset"]))


of_dataset("no classes", lambda d: d.update(classes=[]))
of_dataset("300 classes", lambda d: d.update(classes=d["classes"] * 30))
of_dataset("a class twice", lambda d: d["classes"].__setitem__(1, d["classes"][0]))
of_dataset("a class less", lambda d: d["classes"].pop())
of_dataset("no colour", lambda d: d["classes"][0].pop("colour"))
of_dataset("a colour beyond", lambda d: d["classes"][0].update(colour=[0, 0, 999]))
of_dataset("pixels of text", lambda d: d.update(pixels={"channels": "many"}))
of_dataset("more channels", lambda d: d.update(pixels={"channels": 9}))
of_dataset("deeper pixels", lambda d: d.update(pixels={"depth": "uint16"}))
of_dataset("object pixels", lambda d: d.update(pixels={"depth": "object"}))


def npy(name: str, content: Callable[[bytes], bytes], member: str = PARAMETER) -> None:
    """Other bytes in the place of an array."""

    def edit(manifest, found):
        found[member] = content(found[member])

    signed(f"array: {name}", edit)


def head(text: str, rest: bytes = b"") -> bytes:
    """A `.npy` file with this head."""
    packed = text.encode("latin-1").ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(packed)) + packed + rest


def objects(_: bytes) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Canary()], object), allow_pickle=True)
    return stream.getvalue()


npy("objects", objects)
npy("a pickle", lambda _: pickle.dumps(Canary()))
npy("nothing", lambda _: b"")
npy("cut short", lambda content: content[:-4])
npy("too long", lambda content: content + b"1234")
npy("of no numbers", lambda _: bundle.npy(np.array(["text"])))
npy("of other numbers", lambda _: bundle.npy(np.zeros(3)))
npy("of complex numbers", lambda _: bundle.npy(np.zeros(3, complex)))
_HEAD = "{{'descr': '{}', 'fortran_order': {}, 'shape': {}}}"
npy("huge", lambda _: head(_HEAD.format("<f4", False, "(1000000000000,)"), bytes(8)))
npy("negative", lambda _: head(_HEAD.format("<f4", False, "(-2, -1)"), bytes(8)))
npy("columns first", lambda _: head(_HEAD.format("<f4", True, "(1, 2)"), bytes(8)))
npy("overflowing", lambda _: head(_HEAD.format("<f4", False, "(2**70,)"), bytes(8)))
npy("a call", lambda _: head("__import__('os').system('touch canary')"))
npy("a deep head", lambda _: head("(" * 100))
npy(
    "records",
    lambda _: head("{'descr': [('a', 'O')], 'fortran_order': False, 'shape': ()}"),
)
npy(
    "a picture of floats",
    lambda _: bundle.npy(np.zeros((24, 32, 3))),
    "check/image.npy",
)
npy(
    "a huge picture",
    lambda _: bundle.npy(np.zeros((999, 999, 3), "u1")),
    "check/image.npy",
)
npy("ids of text", lambda _: b"text", "check/ids.npy")


def program(name: str, content: Callable[[bytes, dict], bytes]) -> None:
    """Other bytes in the place of the program."""

    def edit(manifest, found):
        found[PROGRAM] = content(found[PROGRAM], found)

    signed(f"program: {name}", edit)


def avals(found: dict) -> list[jax.ShapeDtypeStruct]:
    """What the program takes beside images."""
    names = sorted(n for n in found if n.startswith("parameters/"))
    arrays = (np.load(io.BytesIO(found[n])) for n in names)
    return [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays]


def made(function, found: dict, size=(24, 32), platforms=("cpu",), **more) -> bytes:
    (batch,) = export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((batch, *size, 3), jnp.uint8)
    exporting = export.export(jax.jit(function), platforms=platforms, **more)
    return bytes(exporting(avals(found), images).serialize())


def answer(arrays, images):
    """Logits of the right shape, of nothing."""
    return jnp.zeros((*images.shape[:3], 11)) + images[..., :1]


def calling(target: str):
    def function(arrays, images):
        shape = jax.ShapeDtypeStruct((images.shape[0], 24, 32, 11), jnp.float32)
        return jax.ffi.ffi_call(target, shape)(images)

    return lambda _, found: made(
        function,
        found,
        disabled_checks=[export.DisabledSafetyCheck.custom_call(target)],
    )


program("nothing", lambda content, _: b"")
program("a pickle", lambda *_: pickle.dumps(Canary()))
program("cut short", lambda content, _: content[: len(content) // 2])
program("ones", lambda content, _: b"\xff" * len(content))
program("a call", calling("evil"))
program("a call into Python", calling("xla_python_cpu_callback"))
program("of another size", lambda _, found: made(answer, found, (32, 32)))
program("of another device", lambda _, found: made(answer, found, platforms=("tpu",)))
program("of other parameters", lambda _, found: made(answer, {}))
program("of other logits", lambda _, f: made(lambda a, x: answer(a, x)[..., :3], f))
