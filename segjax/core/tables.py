"""Tables of named parts, checked against the signatures of what they name.

A table maps a name to a function or class. A config section is the keyword arguments
of the entry that it names, so the signature is the schema: `Table.problems` finds
unknown names, unknown, missing and ill-typed arguments without calling anything.
"""

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from segjax.core.errors import UserError

_HIDDEN = ("parent", "name")  # fields that flax adds to every module


class Table(Mapping[str, Callable]):
    """An immutable, named mapping from names to callables.

    Args:
      kind: what the entries are, in the singular, for messages: "model".
      entries: name -> function or class.
      given: argument names that the caller supplies, hence not the config's.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, Callable],
        given: tuple[str, ...] = (),
    ):
        self.kind = kind
        self.given = given
        self._entries = dict(sorted(entries.items()))

    def __getitem__(self, name: str) -> Callable:
        if name not in self._entries:
            raise UserError(unknown(self.kind, name, self._entries))
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # Mapping's own asks __getitem__ for a KeyError

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def problems(self, where: str, name: Any, kwargs: Mapping[str, Any]) -> list[str]:
        """All that is wrong with calling entry `name` with `kwargs`, as messages."""
        if name not in self._entries:
            return [unknown(self.kind, name, self._entries, f"{where}.name={name!r}")]
        entry = self._entries[name]
        return signature_problems(where, entry, kwargs, given=self.given)


def unknown(kind: str, name: Any, known: Any, where: str = "") -> str:
    """The message for a name that is in no table, with the nearest known name."""
    names = sorted(str(k) for k in known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{where or repr(name)}: no such {kind}. Known: {', '.join(names)}.{hint}"


def parameters(entry: Callable, given: tuple[str, ...] = ()) -> dict[str, Any]:
    """The `inspect.Parameter`s that a config may set, by name, in order.

    `entry` may be a function, a dataclass or a flax module; `given` are left out.
    """
    hidden = set(given)
    if inspect.isclass(entry):
        hidden |= set(_HIDDEN)
    return {
        name: p
        for name, p in inspect.signature(entry).parameters.items()
        if name not in hidden
        and p.kind
        not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    }


def signature_problems(
    where: str,
    entry: Callable,
    kwargs: Mapping[str, Any],
    given: tuple[str, ...] = (),
) -> list[str]:
    """All that is wrong with `entry(**kwargs, **given)`; `where` prefixes the names."""
    known = parameters(entry, given)
    hints = _type_hints(entry)
    found = []
    for key, value in kwargs.items():
        if key not in known:
            found.append(unknown("option", key, known, f"{where}.{key}"))
        elif key in hints and not _matches(value, hints[key]):
            found.append(
                f"{where}.{key}={value!r}: is a {type(value).__name__}; "
                f"{type_name(hints[key])} is allowed."
            )
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in kwargs:
            found.append(f"{where}.{key}: is missing; it has no default. Set it.")
    return found


def type_name(hint: Any) -> str:
    """A type hint as a person would write it."""
    if hint is type(None):
        return "None"
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__name__
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(a) for a in args if not _is_array(a))
    if origin is typing.Literal:
        return " or ".join(repr(a) for a in args)
    return str(hint).replace("typing.", "")


def _type_hints(entry: Callable) -> dict[str, Any]:
    try:
        target = (
            entry
            if inspect.isclass(entry) or inspect.isfunction(entry)
            else entry.__call__
        )
        return typing.get_type_hints(target)
    except (NameError, TypeError):  # a hint that needs names of another module
        return {}


def _matches(value: Any, hint: Any) -> bool:
    """Whether `value` may stand where `hint` is declared; unknown hints accept all."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_matches(value, a) for a in args)
    if origin is typing.Literal:
        return value in args and type(value) in {type(a) for a in args}
    if hint is type(None):
        return value is None
    if origin is tuple:
        if not isinstance(value, (tuple, list)):
            return False
        if len(args) == 2 and args[1] is Ellipsis:
            return all(_matches(v, args[0]) for v in value)
        return len(value) == len(args) and all(map(_matches, value, args))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str):
        return isinstance(value, hint)
    return not _is_array(hint)


def _is_array(hint: Any) -> bool:
    """Whether it is an array's, which code may give and a config cannot."""
    return getattr(hint, "__module__", "") == "jaxtyping"
