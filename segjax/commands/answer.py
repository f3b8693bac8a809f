"""What a command says: words for a person, or one JSON document for a program."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from segjax.core.errors import UserError


def give(args: argparse.Namespace, words: str, document: Mapping[str, Any]) -> None:
    """Print `words`; with `--json` they go to stderr and `document` to stdout."""
    print(words, file=sys.stderr if args.json else sys.stdout, flush=True)
    if args.json:
        from segjax.report.files import plain

        print(json.dumps(plain(document), indent=1, allow_nan=False), flush=True)


def positive(text: str) -> int:
    """An argument that counts something: an integer from 1 up."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 1 up")
    return number


def raise_unless_folder(flag: str, path: Any) -> None:
    """Refuse an output folder whose place a file has taken.

    Raises:
      UserError: naming `flag`.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{flag}={path}: is a file; name a folder.")
