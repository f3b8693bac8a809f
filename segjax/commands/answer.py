"""What a command is told and what it says: words, or one JSON document."""

import argparse
import ast
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from segjax.core.errors import UserError, raise_problems


def give(args: argparse.Namespace, words: str, document: Mapping[str, Any]) -> None:
    """Print `words`; with `--json` they go to stderr and `document` to stdout."""
    print(words, file=sys.stderr if args.json else sys.stdout, flush=True)
    if args.json:
        from segjax.report.files import plain

        print(json.dumps(plain(document), indent=1, allow_nan=False), flush=True)


def add_config(parser: Any, what: str, required: bool = True) -> None:
    """The argument `--config`, whose fields the words behind it may change.

    Args:
      parser: of the command, or a group of it.
      what: is taken of the config, in a few words.
      required: whether it must be given.
    """
    parser.add_argument(
        "--config",
        metavar="FILE[:ARG]",
        help=f"{what}; fields are changed by --config.a.b=v behind it",
        **({"required": True} if required else {}),
    )


PROTOCOL = (
    "how an image is shown to the network: whole(), slide(height, width) or "
    "tile(height, width, margin), then | flip() | scales(0.5, 1.0); default: the "
    "config's"
)
"""What `--protocol` is, for the help of the commands that have it."""


POSTPROCESS = (
    "what is done to a prediction before it is scored or written, such as "
    "'median(3) | components(64)'; '' for nothing; default: the config's"
)
"""The same for `--postprocess`."""


def raise_unless_ops(args: argparse.Namespace) -> None:
    """Refuse a `--protocol` or `--postprocess` that is none, before anything is read.

    Raises:
      UserError: with all that is wrong with them.
    """
    from segjax import postprocess
    from segjax.predict import protocol

    problems = []
    for name, parse in (
        ("protocol", protocol.parse),
        ("postprocess", postprocess.parse),
    ):
        if (text := getattr(args, name, None)) is not None:
            try:
                parse(text, f"--{name}")
            except UserError as error:
                problems += error.problems
    raise_problems(problems)


def positive(text: str) -> int:
    """An argument that counts something: an integer from 1 up."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 1 up")
    return number


def above_zero(text: str) -> float:
    """An argument that measures something: a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def options(words: Sequence[str]) -> dict[str, Any]:
    """The values of a repeated `--option KEY=VALUE`.

    A value is a Python literal; anything else is a string, so that quotes may be left
    out.

    Raises:
      UserError: a word has no '='.
    """
    found = {}
    for text in words:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--option {text}: has no '='; write KEY=VALUE.")
        found[key.strip()] = _literal(value)
    return found


def _literal(text: str) -> Any:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text
    return tuple(value) if isinstance(value, list) else value


def raise_unless_folder(flag: str, path: Any) -> None:
    """Refuse an output folder whose place a file has taken.

    Raises:
      UserError: naming `flag`.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{flag}={path}: is a file; name a folder.")
