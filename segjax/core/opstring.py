"""Op strings: `"scale(0.5, 2.0) | crop(256, 256) | flip_lr()"` -> dataclass instances.

ml_collections sorts the keys of a config, so an ordered list of augmentations is
written as one string. Each op is a call with literal arguments; positional arguments
take the dataclass's field order. Parsing is by `ast`, so nothing is executed. A preset
stands for the ops of the string that it returns. A dataclass of one field, a tuple,
that sets `any_number` takes the tuple's values one by one: `scales(0.5, 1.0)`.
"""

import ast
from collections.abc import Mapping
from typing import Any

from segjax.core.errors import UserError
from segjax.core.tables import Table, parameters, signature_problems, unknown

SHOWN = 200
"""Letters of a text that is no op string, in a message."""


def parse(
    text: str, ops: Table, where: str = "ops", presets: Table | None = None
) -> tuple[Any, ...]:
    """The op instances that `text` names, in order.

    Args:
      text: calls joined by `|`; empty for none.
      ops: the table of frozen dataclasses.
      where: dotted path of the string in the config, for messages.
      presets: the table of functions that return an op string.

    Raises:
      UserError: with every problem in the string, each naming its op.
    """
    if not text.strip():
        return ()
    try:
        nodes = _split(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        raise _no_ops(text, where, f"{error.msg} at character {error.offset}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _no_ops(text, where, str(error) or "it is too deep") from None
    made, problems = [], []
    for node in nodes:
        try:
            made += _make(node, ops, where, presets or {})
        except UserError as error:
            problems += error.problems
        except RecursionError:
            problems += _no_ops(text, where, "it is too deep").problems
    if problems:
        raise UserError(problems)
    return tuple(made)


def _no_ops(text: str, where: str, why: str) -> UserError:
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return UserError(
        f"{where}={shown!r}: is not an op string ({why}); write calls joined by '|': "
        "'flip_lr() | crop(64, 64)'."
    )


def _split(node: ast.expr) -> list[ast.expr]:
    """The operands of a chain `a | b | c`, left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_split(node.left), node.right]
    return [node]


def _make(
    node: ast.expr, ops: Table, where: str, presets: Mapping[str, Any]
) -> tuple[Any, ...]:
    text = ast.unparse(node)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise UserError(
            f"{where}: {text!r} is not a call; write a name and arguments: 'flip_lr()'."
        )
    name, at = node.func.id, f"{where}: {text}"
    if name not in ops and name not in presets:
        raise UserError(unknown(ops.kind, name, [*ops, *presets], at))
    entry = presets[name] if name in presets else ops[name]
    fields = list(parameters(entry))
    many = getattr(entry, "any_number", False)
    if len(node.args) > len(fields) and not many:
        raise UserError(
            f"{at}: takes at most {len(fields)} arguments ({', '.join(fields)}), "
            f"got {len(node.args)}."
        )
    try:
        positional = [ast.literal_eval(a) for a in node.args]
        if many and not node.keywords:
            positional = [tuple(positional)]
        named = {k.arg: ast.literal_eval(k.value) for k in node.keywords}
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise UserError(
            f"{at}: an argument is not a literal; numbers, strings and tuples are."
        ) from None
    kwargs = dict(zip(fields, positional, strict=False))
    if twice := sorted(set(kwargs) & set(named)):
        raise UserError(f"{at}: argument {twice[0]!r} is given twice.")
    kwargs |= named
    if found := signature_problems(at, entry, kwargs):
        raise UserError(found)
    if name in presets:
        return parse(entry(**kwargs), ops, at)
    try:
        return (entry(**kwargs),)
    except UserError as error:  # the op's own range checks, without a place
        raise UserError([f"{at}: {p}" for p in error.problems]) from None
