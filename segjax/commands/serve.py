"""Serve exported models: a page, and an API that answers pictures with masks.

It listens to this machine alone unless --host says otherwise.

examples:
  segjax serve roads.segjax
  segjax serve roads.segjax floods.segjax --watch models/ --port 8080
"""

import argparse
import logging
import sys
from pathlib import Path

from segjax.core.errors import UserError, raise_problems


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax serve`."""
    parser.add_argument(
        "models", metavar="MODEL", type=Path, nargs="*", help="exported models"
    )
    parser.add_argument(
        "--watch",
        metavar="DIR",
        type=Path,
        help="serve the exported models in this folder, too, as they come and go",
    )
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1")
    parser.add_argument("--port", metavar="N", type=int, default=8000)
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name that the server goes by; repeated for several",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal; returns the exit code."""
    _refuse(args)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s"
    )
    from segjax.web import server

    settings = server.Settings(
        paths=args.models,
        folder=args.watch,
        host=args.host,
        port=args.port,
        hosts=tuple(args.allow_host),
    )
    return server.run(settings)


def _refuse(args: argparse.Namespace) -> None:
    if not args.models and args.watch is None:
        raise UserError("segjax serve: no model; name exported models, or --watch DIR.")
    problems = [
        f"{path}: no such file; name an exported model."
        for path in args.models
        if not path.is_file()
    ]
    if args.watch is not None and not args.watch.is_dir():
        problems.append(f"--watch={args.watch}: no such folder; make it first.")
    raise_problems(problems)
