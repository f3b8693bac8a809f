"""Numbers and names as pages show them."""

import re
from collections.abc import Sequence


def percent(part: float | None) -> str:
    """A share in per cent, with one digit behind the point."""
    return "\N{EN DASH}" if part is None else f"{100 * part:.1f} %"


def size(count: int) -> str:
    """Bytes as kB or MB, of 1024 each."""
    if count < 2**20:
        return f"{max(1, round(count / 2**10))} kB"
    return f"{count / 2**20:.3g} MB"


def short(count: int) -> str:
    """A number in thousands or millions."""
    for unit, letters in ((1_000_000, "M"), (1000, "k")):
        if count >= unit:
            return f"{count / unit:.1f} {letters}"
    return str(count)


def sentence(text: str) -> str:
    """Words with a large first letter; the others are as they were."""
    return text[:1].upper() + text[1:]


def seconds(duration: float) -> str:
    """A duration in ms or s."""
    if duration < 1:
        return f"{1000 * duration:.0f} ms"
    return f"{duration:.1f} s"


def rgb(colour: Sequence[int]) -> str:
    """A colour as SVG has it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def file_name(name: str) -> str:
    """What a client calls a file, without folders and letters that cannot be seen."""
    last = re.split(r"[\\/]", name)[-1]
    return "".join(c for c in last if c.isprintable())[:80] or "picture"


def stem(name: str) -> str:
    """The part of a file's name that names of downloads begin with."""
    found = re.sub(r"[^A-Za-z0-9_-]+", "-", file_name(name).rpartition(".")[0])
    return found.strip("-")[:60] or "picture"
