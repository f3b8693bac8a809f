"""Numbers in a mask file -> class ids 0..K-1 and `IGNORE`; undeclared numbers refused.

There is one mapping and no switches such as "reduce zero label": every number that may
stand in a mask is declared, with the class it means.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Int, Integer, UInt8

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import decode

_SHOWN = 6  # numbers or colours that a message lists


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """What the numbers (or colours) of a data set's masks mean.

    Attributes:
      values: `(number in the file, class id or IGNORE)` pairs, numbers 0..65535.
      threshold: if set, a number from `threshold` up is class 1 and one below is
        class 0, and `values` is not used.
      colours: `((r, g, b), class id or IGNORE)` pairs; if given, masks are read as
        colours and `values` is not used.
      layout: the kind of mask, for the advice in messages.
    """

    values: tuple[tuple[int, int], ...] = ()
    threshold: int | None = None
    colours: tuple[tuple[tuple[int, int, int], int], ...] = ()
    layout: str = ""


def read(path: str, rule: LabelMap, where: str = "") -> UInt8[np.ndarray, "H W"]:
    """The mask file `path` as class ids 0..K-1 or `IGNORE`.

    Raises:
      UserError: the file cannot be read, or holds numbers that `rule` does not declare;
        the message has the numbers and how many pixels have them.
    """
    where = where or path
    if rule.colours:
        return from_colours(decode.read_colour_label(path, where), rule, where)
    lossy = rule.threshold is not None
    return from_numbers(decode.read_label(path, where, lossy=lossy), rule, where)


def from_numbers(
    raw: Integer[np.ndarray, "H W"], rule: LabelMap, where: str
) -> UInt8[np.ndarray, "H W"]:
    """Numbers of a mask, uint8, uint16 or int32, as class ids 0..K-1 or `IGNORE`.

    Raises:
      UserError: there are numbers that `rule` does not declare.
    """
    if rule.threshold is not None:
        return (raw >= rule.threshold).astype(np.uint8)
    table = _table(rule.values)
    inside = raw if raw.dtype != np.int32 else np.where(raw >> 16, 0, raw)
    label = table[inside]
    bad = label < 0
    if raw.dtype == np.int32:
        bad |= (raw >> 16) != 0  # negative or above 65535
    if bad.any():
        raise UserError(_undeclared(raw, bad, rule, where))
    return label.astype(np.uint8)


def spans(numbers) -> str:
    """Numbers in few words: `0-10, 255`."""
    parts: list[list[int]] = []
    for n in sorted(set(numbers)):
        if parts and n == parts[-1][-1] + 1:
            parts[-1][1:] = [n]
        else:
            parts.append([n])
    return ", ".join("-".join(map(str, p)) for p in parts)


def advice(ids: set[int], rule: LabelMap) -> str:
    """What to do about a mask that holds the numbers `ids`, some of them undeclared."""
    num_classes = len({k for _, k in rule.values if k != IGNORE})
    undeclared = ids - {v for v, _ in rule.values}
    if rule.layout == "labelTrainIds" and undeclared <= set(range(19, 34)):
        return "These look like raw Cityscapes ids; set labels='labelIds'."
    if rule.layout == "labelIds" and undeclared == {IGNORE}:
        return "These look like Cityscapes train ids; set labels='labelTrainIds'."
    if rule.layout in ("labelIds", "labelTrainIds") and max(ids) >= 1000:
        return "These look like instance ids; the mask must be a *_labelIds.png."
    if rule.layout == "stuffthing" and max(undeclared) in (182, 183):
        return "These look like the stuff-only pixel maps; stuffthingmaps are read."
    if rule.layout == "folder":
        if ids <= {0, 255}:
            return (
                "The mask is black and white: set values=(0, 255), or threshold=128 "
                "if its edges are soft."
            )
        if {0, 255} <= ids and len(ids) > 16:
            return (
                f"The mask has {len(ids)} different values, as one with soft edges "
                "has: set threshold=128."
            )
        if min(ids) == 1 and max(ids) == num_classes:
            return (
                "The ids seem to count from 1: set "
                f"values=({', '.join(map(str, range(1, num_classes + 1)))})."
            )
    return "Check `classes` or run `segjax inspect`."


@functools.lru_cache(maxsize=32)
def _table(values: tuple[tuple[int, int], ...]) -> Int[np.ndarray, "65536"]:
    """Number -> class id or IGNORE; -1 where nothing is declared."""
    table = np.full(65536, -1, np.int16)
    for number, class_id in values:
        table[number] = class_id
    table.setflags(write=False)
    return table


def _undeclared(raw: np.ndarray, bad: np.ndarray, rule: LabelMap, where: str) -> str:
    ids, counts = np.unique(raw[bad], return_counts=True)
    shown = ", ".join(
        f"{i} ({n} px)" for i, n in zip(ids[:_SHOWN], counts[:_SHOWN], strict=True)
    )
    if len(ids) > _SHOWN:
        shown += f" and {len(ids) - _SHOWN} more ids"
    classes = spans(v for v, k in rule.values if k != IGNORE)
    ignored = spans(v for v, k in rule.values if k == IGNORE)
    return (
        f"{where}: mask has id {shown}; classes are {classes}"
        f"{' and ignore ' + ignored if ignored else ', and nothing is ignored'}. "
        f"{advice({int(i) for i in np.unique(raw)}, rule)}"
    )


def from_colours(
    picture: UInt8[np.ndarray, "H W 3"], rule: LabelMap, where: str
) -> UInt8[np.ndarray, "H W"]:
    """The colours of a mask as class ids or `IGNORE`; raises as `read`."""
    codes = picture.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    known = sorted(((r << 16) | (g << 8) | b, k) for (r, g, b), k in rule.colours)
    keys = np.array([code for code, _ in known], np.int32)
    place = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    bad = keys[place] != codes
    if bad.any():
        found, counts = np.unique(codes[bad], return_counts=True)
        shown = ", ".join(
            f"({c >> 16}, {c >> 8 & 255}, {c & 255}) ({n} px)"
            for c, n in zip(found[:_SHOWN], counts[:_SHOWN], strict=True)
        )
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        todo = "Check the colours of the classes."
        if rule.layout == "panoptic":
            todo = "The json lists other segments; unpack it and the masks again."
        elif rule.layout == "retina" and found.tolist() == [0x010101]:
            todo = (
                "The mask holds 0 and 1 as grey, which a viewer shows all black: write "
                "255 for 1, or save it with 1 bit a pixel."
            )
        raise UserError(
            f"{where}: mask has {len(found)} colours that no class has: {shown}{more}; "
            f"{len(known)} colours are declared. {todo}"
        )
    return np.array([k for _, k in known], np.uint8)[place]
