"""Serve exported models: a page, and an API that answers pictures with masks.

MODEL is an exported model, or the folder of a run, which is exported first unless it
holds a file that is newer than its checkpoints. The server listens to this machine
alone unless --host says otherwise, keeps nothing of what it is sent, and ends with
SIGTERM or Ctrl-C, when running requests are finished. docs/serve.md has the API, the
limits and the metrics.

examples:
  segjax serve roads.segjax
  segjax serve roads.segjax floods.segjax --watch models/ --port 8080
  segjax serve runs/camvid_unet --host 0.0.0.0 --allow-host seg.example.org
"""

import argparse
import logging
import subprocess
import sys
from pathlib import Path

from segjax.commands import answer
from segjax.core.errors import UserError, raise_problems

SUFFIX = ".segjax"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segjax serve`."""
    parser.add_argument(
        "models", metavar="MODEL", type=Path, nargs="*", help="exported models, or runs"
    )
    parser.add_argument(
        "--watch",
        metavar="DIR",
        type=Path,
        help="serve the exported models in this folder, too, as they come and go",
    )
    where = parser.add_argument_group("where")
    where.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="default: 127.0.0.1"
    )
    where.add_argument(
        "--port", metavar="N", type=_port, default=8000, help="0 for any; default: 8000"
    )
    where.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name that the server goes by; may be repeated; default: those of this "
        "machine, or any with --host",
    )
    where.add_argument(
        "--proxy",
        metavar="ADDRESS",
        default="",
        help="of a proxy before it, which tells the addresses of clients",
    )
    limits = parser.add_argument_group("limits")
    for flag, words in LIMITS.items():
        limits.add_argument(
            flag, metavar="N", type=answer.positive, default=None, help=words
        )
    parser.add_argument(
        "--keep-flagged",
        metavar="DIR",
        type=Path,
        help="keep the pictures that people flag in this folder",
    )
    parser.add_argument(
        "--log-addresses",
        action="store_true",
        help="have the addresses of clients in the log",
    )


LIMITS = {
    "--max-megabytes": "of a request; default: 10",
    "--max-megapixels": "of a picture; default: 25",
    "--max-pixels": "that a network sees, to which larger pictures are scaled down; "
    "default: 4000000",
    "--queue": "pictures that may wait for a model; default: 8",
    "--timeout": "seconds until a request is answered; default: 30",
    "--decoders": "pictures that are opened at once; default: 2",
}


def run(args: argparse.Namespace) -> int:
    """Serve until a signal; returns the exit code."""
    _refuse(args)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s"
    )
    from segjax.web import server

    settings = server.Settings(
        paths=[_exported(path) if path.is_dir() else path for path in args.models],
        folder=args.watch,
        host=args.host,
        port=args.port,
        hosts=tuple(args.allow_host),
        decoders=args.decoders or 2,
        flagged=args.keep_flagged,
        proxy=args.proxy,
        log_addresses=args.log_addresses,
        limits=_limits(args),
    )
    return server.run(settings)


def _limits(args: argparse.Namespace):
    from segjax.web.limits import MB, Limits

    given = {
        "body": args.max_megabytes and args.max_megabytes * MB,
        "pixels": args.max_megapixels and args.max_megapixels * 1_000_000,
        "network_pixels": args.max_pixels,
        "queue": args.queue,
        "request_seconds": args.timeout,
    }
    return Limits(**{name: value for name, value in given.items() if value})


def _refuse(args: argparse.Namespace) -> None:
    """Raises:
    UserError: with all that is wrong with the arguments.
    """
    if not args.models and args.watch is None:
        raise UserError("segjax serve: no model; name exported models, or --watch DIR.")
    problems = [
        f"{path}: no such file or folder; name an exported model or a run."
        for path in args.models
        if not path.exists()
    ]
    problems += [
        f"{path}: is no folder of a run (it has no config.json); name an exported "
        "model or a run, or a folder of exported models as --watch."
        for path in args.models
        if path.is_dir() and not (path / "config.json").exists()
    ]
    if args.watch is not None and not args.watch.is_dir():
        problems.append(f"--watch={args.watch}: no such folder; make it first.")
    if args.keep_flagged is not None and args.keep_flagged.is_file():
        problems.append(
            f"--keep-flagged={args.keep_flagged}: is a file; name a folder."
        )
    raise_problems(problems)


def _exported(run: Path) -> Path:
    """The exported model of a run, made anew if its checkpoints are newer.

    Raises:
      UserError: it cannot be exported.
    """
    path = run / f"{run.resolve().name}{SUFFIX}"
    newest = max(
        (p.stat().st_mtime for p in (run / "checkpoints").iterdir()), default=0
    )
    if path.exists() and path.stat().st_mtime >= newest:
        return path
    print(f"{run}: is exported to {path}", file=sys.stderr)
    command = [sys.executable, "-m", "segjax", "export", str(run), "--out", str(path)]
    if subprocess.run(command, stdout=2).returncode:
        raise UserError(
            f"{run}: cannot be exported; see above. Run `segjax export {run}` with "
            "what it asks for, then serve the file."
        )
    return path


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, 0 to 65535")
    return int(text)
