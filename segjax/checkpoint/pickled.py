"""Data of a pickle, without running any of it.

Python's own unpickler calls what the file names. Here the opcodes are interpreted by a
small stack machine that makes containers, numbers and text, and asks its caller about
everything else: nothing of the file's choosing is imported, called or changed.

Source: the opcodes' documentation in the standard library's `pickletools`.
"""

import pickletools
from collections.abc import Callable
from typing import Any


class Refused(Exception):
    """The pickle holds something that is not data."""


class Broken(Exception):
    """The bytes are no whole pickle."""


_VALUES = (
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "FLOAT"),
    *("SHORT_BINSTRING", "BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
"""Opcodes that push what stands behind them."""

_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = ("PROTO", "FRAME")
_MARK = object()


def read(
    data: bytes,
    *,
    call: Callable[[str, tuple], Any],
    persistent: Callable[[Any], Any],
) -> Any:
    """The object that a pickle describes.

    Args:
      data: the pickle.
      call: `(dotted name, arguments) -> object`, for each call that the pickle asks
        for; raises `Refused` for a name that it does not know.
      persistent: object for a persistent id.

    Raises:
      Refused: it names something that `call` does not know, or needs more than data.
      Broken: it is cut short or is no pickle.
    """
    machine = _Machine(call, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.take(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise Broken(str(error) or type(error).__name__) from None
    raise Broken("it has no end")


class _Name(str):
    """A class or function that the pickle names; only ever text here."""


class _Machine:
    """The stack and the memo of a pickle that is being read."""

    def __init__(self, call, persistent):
        self.call, self.persistent = call, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def take(self, name: str, argument: Any) -> None:
        """Interpret one opcode."""
        stack = self.stack
        if name in _NOTHING:
            return
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _TUPLES:
            items = tuple(stack[-_TUPLES[name] :])
            if len(items) < _TUPLES[name]:
                raise IndexError("the stack is empty")
            stack[-_TUPLES[name] :] = [items]
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("TUPLE", "LIST", "DICT", "FROZENSET"):
            items = self._since_mark()
            pairs = zip(items[::2], items[1::2], strict=True) if name == "DICT" else ()
            kinds = {"TUPLE": tuple, "LIST": list, "FROZENSET": frozenset}
            stack.append(dict(pairs) if name == "DICT" else kinds[name](items))
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            items = [stack.pop()] if name == "APPEND" else self._since_mark()
            self._extend(stack[-1], items)
        elif name in ("SETITEM", "SETITEMS"):
            value = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else None
            items = value or self._since_mark()
            if not isinstance(stack[-1], dict):
                raise TypeError("items for what is no dict")
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[int(argument)])
        elif name == "POP":
            stack.pop()
        elif name == "GLOBAL":
            stack.append(_Name(argument.replace(" ", ".")))
        elif name == "STACK_GLOBAL":
            word, module = stack.pop(), stack.pop()
            stack.append(_Name(f"{module}.{word}"))
        elif name == "BINPERSID":
            stack.append(self.persistent(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, _Name) or not isinstance(arguments, tuple):
                raise Refused("it calls what is no function")
            stack.append(self.call(str(function), arguments))
        elif name == "BUILD":
            # Attributes of a dict, as state dicts have: nothing that is needed.
            stack.pop()
            if not isinstance(stack[-1], dict):
                raise Refused("it sets attributes of an object")
        elif name in ("NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"):
            named = [x for x in [argument, *stack[-3:]] if isinstance(x, _Name)]
            words = str(argument or "").replace(" ", ".") or "".join(named[-1:])
            raise Refused(f"it makes an object of {words or 'a class'}")
        else:
            raise Refused(f"it needs the opcode {name}")

    def _since_mark(self) -> list[Any]:
        at = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def _extend(self, container: Any, items: list[Any]) -> None:
        if isinstance(container, list):
            container.extend(items)
        elif isinstance(container, set):
            container.update(items)
        else:
            raise TypeError("items for what is no list")
