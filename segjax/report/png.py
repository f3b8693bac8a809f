"""PNG files of label maps and of pictures with them.

Each line is stored as its difference to the one above, which is nothing but at the
borders of classes, and zlib looks for runs alone. That takes half the time of Pillow's
quickest level, a ninth of its own choice for an overlay, and what OpenCV takes, which
writes neither palettes nor text (`benchmarks/results.py`). zlib and numpy let go of the
interpreter, so that threads write at the same time.
"""

import struct
import zlib

import numpy as np
from jaxtyping import UInt8, UInt16

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE = 0, 2, 3
_UP = 2


def encode(
    pixels: UInt8[np.ndarray, "H W *C"] | UInt16[np.ndarray, "H W"],
    palette: UInt8[np.ndarray, "256 3"] | None = None,
    text: str = "",
) -> bytes:
    """A PNG file.

    Args:
      pixels: `(H, W)` grey values or indices, or `(H, W, 3)` RGB; grey has 8 or 16
        bits.
      palette: the colours of the indices.
      text: kept in the file under the keyword `segjax`; ASCII.
    """
    height, width = pixels.shape[:2]
    kind = _RGB if pixels.ndim == 3 else _GREY if palette is None else _PALETTE
    bits = 8 * pixels.itemsize
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = [_chunk(b"IHDR", head)]
    if palette is not None:
        parts.append(_chunk(b"PLTE", palette.tobytes()))
    if text:
        parts.append(_chunk(b"tEXt", b"segjax\0" + text.encode("ascii")))
    rows = pixels.reshape(height, -1)
    if bits == 16:
        rows = np.ascontiguousarray(rows, ">u2").view(np.uint8)
    lines = np.empty((height, rows.shape[1] + 1), np.uint8)
    lines[:, 0], lines[0, 1:] = _UP, rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    parts += [_chunk(b"IDAT", packer.compress(lines) + packer.flush())]
    return SIGNATURE + b"".join(parts) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(name))
    return b"".join([struct.pack(">I", len(content)), name, content, check.to_bytes(4)])
