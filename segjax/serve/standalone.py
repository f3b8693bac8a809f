"""Segment pictures with this file alone: Python, jax, and nothing of segjax installed.

For each picture NAME it writes, at the picture's own size:

  NAME_ids.png     8-bit class ids, with the class colours as palette
  NAME_colour.png  the class colours

Pictures are `.npy` files `(height, width, channels)` and, where Pillow is installed
(pip install pillow), PNG, JPEG and what else it reads. With --stream they are the
frames of one video, in order, for a model with a memory.
"""

import argparse
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from segjax import __version__
from segjax.core.errors import EnvironmentFault, SegjaxError, UserError
from segjax.core.info import DatasetInfo
from segjax.core.pixels import RGB, Pixels
from segjax.core.shapes import Real, UInt8
from segjax.serve.bundle import Bundle
from segjax.serve.description import section
from segjax.serve.load import Model, load

SHOWN = 3
"""Classes named in the line of a picture."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line of the file; returns the exit code."""
    try:
        return _run(_parser().parse_args(argv))
    except SegjaxError as error:
        for problem in getattr(error, "problems", [str(error)]):
            print(f"error: {problem}", file=sys.stderr)
        return error.exit_code


def write_png(
    path: Path, image: UInt8[np.ndarray, "H W *C"], palette: UInt8[np.ndarray, "256 3"]
) -> None:
    """A PNG without Pillow: ids `(H, W)` with a palette, or colours `(H, W, 3)`.

    Raises:
      EnvironmentFault: the disk refuses.
    """
    height, width = image.shape[:2]
    kind = 3 if image.ndim == 2 else 2
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    rows = np.zeros((height, 1 + image[0].size), np.uint8)  # a row begins with 0
    rows[:, 1:] = image.reshape(height, -1)
    chunks = [(b"IHDR", head)]
    if kind == 3:
        chunks.append((b"PLTE", palette.tobytes()))
    chunks += [(b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise EnvironmentFault(
            f"{path}: cannot be written ({error.strerror})."
        ) from error


def read_image(path: Path, pixels: Pixels) -> Real[np.ndarray, "H W C"]:
    """The picture in a file.

    Raises:
      UserError: it is missing, no picture, or of other pixels; or it needs Pillow.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    if path.suffix.lower() == ".npy":
        return _from_npy(path, pixels)
    if pixels != RGB:
        raise UserError(f"{path}: pictures of {pixels} are read from .npy files here.")
    try:
        from segjax.data import rgb
    except ModuleNotFoundError:
        raise UserError(
            f"{path}: pictures other than .npy need Pillow: pip install pillow."
        ) from None
    return rgb.decode(content, str(path))


def _run(args: argparse.Namespace) -> int:
    file = Path(sys.argv[0])
    if args.card:
        with Bundle(file) as bundle:
            print(bundle.read("card.md").decode())
        return 0
    if args.check:
        with Bundle(file) as bundle:
            print(f"{bundle.verify()} members are what the manifest says")
        model = Model(file)
        found = model.check()
        print(f"its picture, here beside where it was made: {found}")
        return 0 if found.close else 2
    model = load(file)
    if args.info or not args.pictures:
        print(_words(model))
        return 0
    if args.out is None:
        raise UserError("--out: is missing; name the folder where results go.")
    names = _names(args.pictures)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out={args.out}: is no folder ({error.strerror}).") from None
    predicted = _streamed(model, args.pictures) if args.stream else None
    failed = 0
    for path, name in zip(args.pictures, names, strict=True):
        try:
            if predicted:
                ids = next(predicted)
            else:
                ids = model.answer(read_image(path, model.info.pixels)).ids
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = error.exit_code
            if predicted:
                break  # what comes after would lack its past
            continue
        _write(args.out, name, ids, model.info)
        print(_line(path, ids, model.info), flush=True)
    return failed


def _names(paths: Sequence[Path]) -> list[str]:
    """What the results are called: without a suffix, if that tells them apart."""
    for names in ([path.stem for path in paths], [path.name for path in paths]):
        if len({name.casefold() for name in names}) == len(names):
            return names
    raise UserError(
        "two pictures have one name; their results would, too. Do each by itself."
    )


def _streamed(model: Model, paths: Sequence[Path]) -> Iterator[np.ndarray]:
    video = model.stream()
    for path in paths:
        yield video.answer(read_image(path, model.info.pixels)).ids


def _write(out: Path, name: str, ids: np.ndarray, info: DatasetInfo) -> None:
    palette = info.palette()
    write_png(out / f"{name}_ids.png", ids, palette)
    write_png(out / f"{name}_colour.png", palette[ids], palette)


def _line(path: Path, ids: np.ndarray, info: DatasetInfo) -> str:
    shares = np.bincount(ids.ravel(), minlength=info.num_classes) / ids.size
    most = [k for k in np.argsort(-shares, kind="stable")[:SHOWN] if shares[k]]
    words = ", ".join(f"{info.class_names[k]} {100 * shares[k]:.1f} %" for k in most)
    return f"{path}  {ids.shape[0]}x{ids.shape[1]}  {words}"


def _words(model: Model) -> str:
    about, info = model.about, model.info
    scores = section(model.manifest, "scores")
    miou = section(scores, "summary").get("miou")
    lines = [
        ("title", about.title),
        ("network", f"{about.architecture}, {about.parameters:,} parameters"),
        ("classes", ", ".join(info.class_names)),
        ("images", f"any size, {info.pixels}"),
        ("sizes", ", ".join(f"{h}x{w}" for h, w in about.sizes)),
        ("protocol", about.protocol),
        ("post-processing", about.postprocess or "none"),
        ("platforms", ", ".join(about.platforms)),
        ("data", info.name),
        ("licence", about.licence or "not said"),
        ("sha256", model.sha256),
        ("code", f"segjax {__version__}, jax {jax.__version__} here"),
    ]
    if isinstance(miou, float):
        images = scores.get("num_images")
        lines.append(("scores", f"{miou:.3f} mIoU on {images} images, see --card"))
    return "\n".join(f"{name:16} {value}" for name, value in lines)


def _from_npy(path: Path, pixels: Pixels) -> np.ndarray:
    try:
        image = np.load(path, allow_pickle=False)
    except Exception as error:  # whatever a damaged file raises
        raise UserError(f"{path}: is no plain array ({error}).") from None
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or (image.dtype.kind == "f" and not np.isfinite(image).all()):
        raise UserError(
            f"{path}: is {image.shape} {image.dtype}; finite numbers of "
            f"(height, width, channels) are read, with {pixels}."
        )
    return image


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python {sys.argv[0]}",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", metavar="PICTURE", type=Path, nargs="*")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where results go")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="the pictures are frames of one video, and the model remembers",
    )
    parser.add_argument(
        "--info", action="store_true", help="what the model is (without pictures, too)"
    )
    parser.add_argument("--card", action="store_true", help="its model card")
    parser.add_argument(
        "--check",
        action="store_true",
        help="is the file whole, and does it compute here what it did there?",
    )
    return parser
