"""A program of the server's own at the other end of a socket."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import segjax
from segjax.web import wire

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
_ROOT = str(Path(segjax.__file__).parents[1])


class Child:
    """A process that answers one message after another.

    Attributes:
      pid: of the process.
    """

    def __init__(self, process, reader, writer):
        self._process = process
        self._reader, self._writer = reader, writer
        self._turn = asyncio.Lock()
        self.pid: int = process.pid

    @classmethod
    async def start(
        cls, module: str, *words: str, threads: int | None = None
    ) -> "Child":
        """Start `python -m MODULE FD WORDS...`.

        Args:
          module: the program.
          words: its arguments.
          threads: of its linear algebra, one for a program that forks; None for any.

        Raises:
          OSError: the system does not let it.
        """
        ours, theirs = socket.socketpair()
        paths = [_ROOT, os.environ.get("PYTHONPATH", "")]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        if threads is not None:
            environ |= dict.fromkeys(_THREADS, str(threads))
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, str(theirs.fileno()), *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2,
                pass_fds=[theirs.fileno()],
                env=environ,
                start_new_session=True,  # so that Ctrl-C is the front's alone
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=2**20)
        return cls(process, reader, writer)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def ask(
        self, header: Mapping[str, Any], blobs: Sequence[bytes] = ()
    ) -> wire.Message:
        """Send a message and wait for the answer, behind those who asked before.

        Who stops waiting does not disturb the next one.

        Raises:
          Broken: it has ended.
        """
        exchange = asyncio.create_task(self._ask(header, blobs))
        exchange.add_done_callback(heard)
        return await asyncio.shield(exchange)

    async def hear(self) -> wire.Message:
        """What it says unasked.

        Raises:
          Broken: it has ended.
        """
        async with self._turn:
            return await wire.receive_async(self._reader)

    async def stop(self, seconds: float = 2) -> None:
        """End it: it ends by itself when its socket closes; what does not is killed."""
        self._writer.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)
        await self.kill()

    async def kill(self) -> None:
        """End it at once."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        await self._process.wait()
        self._writer.close()

    async def ended(self) -> int:
        """Wait until it ends; the code, negative for a signal."""
        return await self._process.wait()

    async def _ask(self, header, blobs) -> wire.Message:
        async with self._turn:
            try:
                await wire.send_async(self._writer, header, blobs)
            except OSError as error:
                raise wire.Broken(str(error)) from None
            return await wire.receive_async(self._reader)


def heard(task: asyncio.Task) -> None:
    """Take the error of a task for which nobody may wait any more."""
    if not task.cancelled():
        task.exception()
