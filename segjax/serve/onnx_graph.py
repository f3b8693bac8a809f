"""A graph of ONNX while it is put together, and what stands in it.

Broadcasts are put off: an operand may have sides of 1 where its traced shape has more,
which ONNX, like numpy, widens by itself where operations are of single elements.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from segjax.core.errors import UserError

BATCH = "B"
"""What a graph calls the number of images."""

Shape = tuple[int | None, ...]
"""Of an array; `None` stands for the number of images."""


@dataclasses.dataclass(frozen=True)
class Operand:
    """A tensor of the graph, or a constant that is in none yet.

    Attributes:
      shape: as traced.
      sides: its own, with 1 where it is to be widened to `shape`.
      name: of the tensor; empty for a constant.
      value: of the constant.
    """

    shape: Shape
    sides: Shape
    name: str = ""
    value: np.ndarray | None = None

    @property
    def empty(self) -> bool:
        """Whether it has no elements, as the frames before the first one."""
        return 0 in self.shape


class Graph:
    """Nodes and constants as they come.

    Args:
      images: the tensor whose first side is the number of images.
    """

    def __init__(self, images: str):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._names = map("t{}".format, itertools.count())
        self._batch = self.add("Shape", images, start=0, end=1)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node; returns the name of what it gives."""
        name = next(self._names)
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def add_constant(self, value: Any, dtype: Any = None) -> str:
        """A constant; returns its name."""
        name = next(self._names)
        array = np.ascontiguousarray(np.asarray(value, dtype))
        self.constants.append(numpy_helper.from_array(known(array), name))
        return name

    def name(self, operand: Operand, whole: bool = False) -> str:
        """The tensor of an operand, widened to its traced shape if `whole`."""
        name = operand.name or self.add_constant(operand.value)
        if not whole or operand.sides == operand.shape:
            return name
        if None not in operand.shape:
            return self.add("Expand", name, self.add_constant(operand.shape, np.int64))
        parts = [
            self._batch if n is None else self.add_constant([n], np.int64)
            for n in operand.shape
        ]
        return self.add("Expand", name, self.add("Concat", *parts, axis=0))

    def name_output(self, operand: Operand, name: str) -> None:
        """Give an operand the name of an output."""
        tensor = self.name(operand, whole=True)
        self.nodes.append(helper.make_node("Identity", [tensor], [name]))


def constant(value: Any) -> Operand:
    """An operand that depends on no image."""
    array = np.asarray(value)
    return Operand(array.shape, array.shape, value=array)


def shape_of(aval: Any) -> Shape:
    """A traced shape.

    Raises:
      UserError: a side is some other number that depends on that of the images.
    """
    found = []
    for side in aval.shape:
        if isinstance(side, int | np.integer):
            found.append(int(side))
        elif str(side).isidentifier():
            found.append(None)
        else:
            raise UserError(
                f"--onnx: the network makes a tensor with a side of {side}, which has "
                "no form in ONNX here, so it is not converted."
            )
    return tuple(found)


def sides_of(shape: Sequence[int | None]) -> list[int | str]:
    """A shape as a graph declares it."""
    return [BATCH if n is None else n for n in shape]


def known(array: np.ndarray) -> np.ndarray:
    """Small integers as int32, for which onnxruntime has every operation."""
    small = array.dtype.kind in "iu" and array.dtype.itemsize < 4
    return array.astype(np.int32) if small else array
