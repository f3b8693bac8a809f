"""Errors with an exit code, in one shape.

A message reads *where: what is wrong with its value; what is allowed; what to do.*
The entry points print it in one line and exit with `exit_code`; `--debug` adds the
traceback.

=====  =====================================================  =========
code   meaning                                                retry?
=====  =====================================================  =========
0      done                                                   -
1      a bug in segjax                                        -
2      the user's config, command line or data                no
3      training diverged (non-finite loss or gradient)        no
75     the environment: disk, process or device trouble       yes
130    interrupted by SIGINT, state saved                     yes
143    stopped by SIGTERM, state saved                        yes
=====  =====================================================  =========
"""

import signal
from collections.abc import Iterable


class SegjaxError(Exception):
    """An error that segjax explains to its user instead of showing a traceback."""

    exit_code = 1


class UserError(SegjaxError):
    """The config, the command line or the data is wrong; retrying will not help."""

    exit_code = 2

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class DivergedError(SegjaxError):
    """Training produced non-finite numbers for too many steps in a row."""

    exit_code = 3


class EnvironmentFault(SegjaxError):
    """Disk, worker process or device trouble; the same command may work later."""

    exit_code = 75


class Stopped(SegjaxError):
    """A signal asked for the end of the run and its state was saved."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.exit_code = 128 + signum
        self.signal_name = signal.Signals(signum).name


def raise_problems(problems: list[str]) -> None:
    """Raise one `UserError` that holds every problem, or return if there is none."""
    if problems:
        raise UserError(problems)
