"""The kinds of files that are read, known by how they begin."""

FORMATS = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "WebP": (b"RIFF",),
}
"""Name -> how a file begins; what every model takes of 8-bit RGB."""

EXACT = {**FORMATS, "TIFF": (b"II*\0", b"MM\0*"), ".npy": (b"\x93NUMPY",)}
"""The same for models of other pixels."""

MASKS = {"PNG": FORMATS["PNG"]}
"""The same for reference masks."""
