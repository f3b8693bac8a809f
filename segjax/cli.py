"""The command `segjax`: `COMMANDS` says what it does.

Exit codes: 0 done; 1 the numbers of a replay are others; 2 a mistake in the command
line or the data; 75 trouble of the machine, try again; 130 and 143 stopped by SIGINT or
SIGTERM; 141 the reader of the output went away.
"""

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from segjax import __version__
from segjax.core.errors import EnvironmentFault, SegjaxError, UserError
from segjax.core.tables import unknown

COMMANDS = {
    "baselines": "score cheap methods and a second annotator beside the networks",
    "compare": "runs against each other: intervals, paired differences, a report",
    "doctor": "check this machine: packages, devices, memory, disk, cluster",
    "doctor run": "check a config: will it learn, how fast, does the loader keep up",
    "evaluate": "score a trained run on a split: per-class table, files, pictures",
    "export": "one file of a trained run that works without segjax",
    "inspect": "look at a data set before training: counts, problems, samples",
    "inspect data": "audit a data set's files, pairs and splits; a page of the worst",
    "models": "list the models: parameters, operations, memory, source",
    "plan": "what a config needs before it runs: memory, FLOPs, time, what fits",
    "predict": "segment pictures with a trained run",
    "prepare": "store a data set as shards: decoded once, resized once",
    "replay": "run a run again from its record: the same numbers? what differs?",
    "serve": "a page and an API for exported models",
}
"""Name -> what it does; the code is `segjax.commands.NAME`, its blanks as `_`."""

EPILOG = """\
Training is `python launch.py --config=configs/streets_unet.py`.
`segjax COMMAND --help` has the arguments and examples of a command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    with _terminable():
        try:
            code = _run(words)
            sys.stdout.flush()
            return code
        except SegjaxError as error:
            if "--debug" in words:
                raise
            return _report(error, words)
        except KeyboardInterrupt:
            if "--debug" in words:
                raise
            print("interrupted", file=sys.stderr)
            return 128 + signal.SIGINT
        except BrokenPipeError:
            # Python flushes stdout once more at its end, into what is no longer there
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE


def _run(words: list[str]) -> int:
    parser, command = _parser(words)
    try:
        args, rest = parser.parse_known_args(words)
    except SystemExit as done:  # --help or --version was printed
        return done.code or 0
    if command is None:
        parser.print_help()
        return 0
    if rest and not (getattr(command, "OVERRIDES", None) and _overrides(rest)):
        parser.error(f"{rest[0]}: no such argument")
    args.overrides = rest
    with contextlib.suppress(ModuleNotFoundError):  # not where models are served alone
        from absl import logging

        logging.set_verbosity(logging.WARNING)  # orbax tells every file at INFO
    try:
        return command.run(args)
    except Exception as error:
        if (fault := _device_fault(error)) is not None:
            raise fault from error
        raise


class _Parser(argparse.ArgumentParser):
    """Its complaints are `UserError`s, so that there is one way to end."""

    def parse_known_args(self, args=None, namespace=None):
        return super().parse_known_args(_joined(args or ()), namespace)

    def error(self, message: str):
        name = self.prog
        raise UserError(f"{name}: {message.rstrip('.')}. See `{name} --help`.")


def _parser(words: list[str]) -> tuple[_Parser, ModuleType | None]:
    """The parser, and the module of the command that `words` name, if they do."""
    chosen = next((w for w in _joined(words) if not w.startswith("-")), None)
    if chosen is not None and chosen not in COMMANDS:
        at = f"segjax {chosen}"
        raise UserError(unknown("command", chosen, COMMANDS, at))
    parser = _Parser(
        prog="segjax",
        description="Semantic segmentation with JAX and Flax.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"segjax {__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND")
    module = None
    for name, words_about in COMMANDS.items():
        if name != chosen:
            group.add_parser(name, help=words_about)
            continue
        file = name.replace(" ", "_")
        module = importlib.import_module(f"segjax.commands.{file}")
        sub = group.add_parser(
            name,
            help=words_about,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(sub)
        sub.add_argument(
            "--json",
            action="store_true",
            help="one JSON document on stdout; words go to stderr",
        )
        sub.add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
    return parser, module


def _joined(words: Sequence[str]) -> list[str]:
    """The same with a command of two words, such as `inspect data`, as one."""
    command = " ".join(words[:2])
    return [command, *words[2:]] if command in COMMANDS else list(words)


def _overrides(rest: list[str]) -> bool:
    """Whether the words that are left over are `--config.a.b=v` or `--config.a.b v`."""
    values = 0
    for word in rest:
        if word.startswith("--config."):
            values = "=" not in word
        elif not values:
            return False
        else:
            values = 0
    return True


def _report(error: SegjaxError, words: list[str]) -> int:
    """Every problem on a line of stderr, and as JSON where that was asked for."""
    problems = getattr(error, "problems", None) or [str(error)]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if "--json" in words:
        with contextlib.suppress(BrokenPipeError):
            document = {"errors": problems, "exit_code": error.exit_code}
            print(json.dumps(document, indent=1), flush=True)
    return error.exit_code


def _device_fault(error: Exception) -> EnvironmentFault | None:
    """The error of a device as the user's trouble, not ours; None for any other."""
    jax = sys.modules.get("jax")
    if jax is None or not isinstance(error, jax.errors.JaxRuntimeError):
        return None
    first = str(error).strip().splitlines()[0]
    advice = "Run `segjax doctor`"
    if "RESOURCE_EXHAUSTED" in first:
        advice = "Its memory is full: use --batch-size 1 or smaller pictures"
    return EnvironmentFault(f"device: {first}; {advice}.")


@contextlib.contextmanager
def _terminable():
    """SIGTERM ends the command as Ctrl-C does: temporary files go, and code 143."""

    def leave(signum, frame):
        raise SystemExit(128 + signum)

    try:
        before = signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
