"""A model as the front sees it: a process that is started, asked, and replaced."""

import asyncio
import collections
import contextlib
import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segjax.web.child import Child, heard
from segjax.web.limits import Limits
from segjax.web.refused import Refused
from segjax.web.wire import Broken, Message

STARTING, READY, DOWN, FAILED = "starting", "ready", "down", "failed"
"""States: it has never answered; it answers; its process ended and another one starts;
its file is no good, and nothing is started until the file changes."""

PAUSES = (0, 1, 2, 5, 10, 30)
"""Seconds before the next start, after so many ends in a row before an answer."""

MOST_FAILURES = 3
"""Ends in a row of a process that has never answered, until its file has failed."""

START_SECONDS = 300
"""For loading and compiling; a process that takes longer is killed."""

RETIRE_SECONDS = 5
"""For requests that are on their way to a model that another one has replaced."""

RECENT = 500
"""Pictures whose features are kept."""

VERDICT_SECONDS = 10
"""How long what was said of them holds."""

log = logging.getLogger("segjax.web")


@dataclasses.dataclass(frozen=True)
class Stamp:
    """By what a file is known to be the same."""

    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """Of a file.

        Raises:
          OSError: it is not there.
        """
        found = path.stat()
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


class Served:
    """A model that is served.

    Attributes:
      name: in addresses.
      path: its file.
      stamp: of the file when it was read.
      state: `starting`, `ready`, `down` or `failed`.
      reason: why it has failed.
      about: what its worker says of it; empty until it has answered once.
      recent: features of the pictures that it answered last.
      settled: set once it has answered or failed.
      restarts: processes that ended.
      waiting: requests that wait for it or are with it.
      compiled: programs that its worker has compiled.
    """

    def __init__(self, name: str, path: Path, limits: Limits):
        self.name, self.path, self.limits = name, path, limits
        self.stamp = Stamp.of(path)
        self.state, self.reason = STARTING, ""
        self.about: dict[str, Any] = {}
        self.restarts = self.waiting = self.compiled = 0
        self.settled = asyncio.Event()
        self.recent: collections.deque[dict] = collections.deque(maxlen=RECENT)
        self._verdict: tuple[float, dict] | None = None
        self._child: Child | None = None
        self._answered = False
        self._turn, self._judging = asyncio.Lock(), asyncio.Lock()
        self._life: asyncio.Task | None = None

    def start(self, gate: asyncio.Semaphore) -> None:
        """Keep a worker running from now on; `gate` lets few start at once."""
        self._life = asyncio.create_task(self._live(gate))

    async def stop(self) -> None:
        """End the worker and start no other."""
        if self._life is not None:
            self._life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._life
        if self._child is not None:
            await self._child.stop()

    async def retire(self) -> None:
        """Stop once nobody asks it any more; whoever found it just now still may."""
        await asyncio.sleep(RETIRE_SECONDS)
        while self.waiting:
            await asyncio.sleep(0.1)
        await self.stop()

    async def ask(
        self, header: Mapping[str, Any], blobs: Sequence[bytes]
    ) -> tuple[Message, float]:
        """The worker's answer, and the seconds that it was waited for.

        Raises:
          Refused: there is no place in the queue, no worker, or no answer.
        """
        self.refuse_unless_free()
        self.waiting += 1
        begin = time.perf_counter()
        try:
            await self._turn.acquire()
        except asyncio.CancelledError:  # the client has gone
            self.waiting -= 1
            raise
        waited = time.perf_counter() - begin
        # What has begun keeps its place until it is done, whether or not the client
        # waits; else clients that leave at once would pile up work.
        exchange = asyncio.create_task(self._exchange(header, blobs))
        exchange.add_done_callback(heard)
        return await asyncio.shield(exchange), waited

    async def likeness(self) -> dict[str, Any]:
        """Whether the pictures of late are like those that it learnt from.

        Raises:
          Refused: as `ask`.
        """
        async with self._judging:  # one question for all who ask at once
            now = time.monotonic()
            if self._verdict is None or now - self._verdict[0] > VERDICT_SECONDS:
                answer, _ = await self.ask({"recent": list(self.recent)}, [])
                self._verdict = now, answer.header
            return self._verdict[1]

    def refuse_unless_free(self) -> None:
        """Raises:
        Refused: there is no place in the queue, or no worker.
        """
        self._refuse_unless_ready()
        if self.waiting >= self.limits.queue:
            raise Refused("busy", "Too many pictures are waiting. Try again soon.")

    async def _exchange(self, header, blobs) -> Message:
        try:
            self._refuse_unless_ready()
            child = self._child
            exchange = asyncio.create_task(child.ask(header, blobs))
            limit = self.limits.worker_seconds
            if not (await asyncio.wait([exchange], timeout=limit))[0]:
                log.warning("%s: no answer in time; its worker is replaced", self.name)
                await self._lose(child)
            answer = await exchange
            if answer.header.get("ends"):
                await self._lose(child)
        except Broken:
            await self._lose(child)
            raise Refused(
                "no_answer", "The model's process ended. Another one starts; try again."
            ) from None
        finally:
            self._turn.release()
            self.waiting -= 1
        self.compiled = answer.header.get("compiled", self.compiled)
        if "refused" in answer.header:
            raise Refused.of(answer.header["refused"])
        return answer

    async def _lose(self, child: Child) -> None:
        """Do without a worker that has ended, or that should."""
        if child is self._child and self.state == READY:
            self.state = DOWN
        await child.kill()

    def _refuse_unless_ready(self) -> None:
        if self.state == FAILED:
            raise Refused("not_ready", "The file of this model cannot be used.")
        if self.state != READY:
            raise Refused("not_ready", "The model is being started. Try again soon.")

    async def _live(self, gate: asyncio.Semaphore) -> None:
        """Start a worker whenever there is none, until the file is no good."""
        failures = 0
        while self.state != FAILED:
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            self._answered = False
            try:
                async with gate:
                    await self._begin()
            except OSError as error:  # of the system, which may recover
                log.error("%s: its worker does not start: %s", self.name, error)
                failures += 1
                continue
            if self.state == FAILED:
                return
            code = await self._child.ended()
            failures = 0 if self._answered else failures + 1
            self.restarts += 1
            self.state = DOWN if self.about else STARTING
            log.warning("%s: its worker ended (%d)", self.name, code)
            if failures == MOST_FAILURES and not self.about:
                self._fail(f"its process ended {failures} times as it was loaded")

    async def _begin(self) -> None:
        """Start a worker and hear what it says first."""
        self._child = await Child.start("segjax.web.worker", str(self.path))
        try:
            heard = await asyncio.wait_for(self._child.hear(), START_SECONDS)
        except (Broken, TimeoutError):
            await self._child.kill()
            return
        if "ready" in heard.header:
            self.about, self.state = heard.header["ready"], READY
            self._answered = True
            self.settled.set()
            self.compiled = heard.header["compiled"]
            log.info("%s: ready", self.name)
        else:
            self._fail(heard.header["failed"])
            await self._child.stop()

    def _fail(self, reason: str) -> None:
        self.state = FAILED
        self.reason = reason.replace(str(self.path), self.path.name)  # for strangers
        self.settled.set()
        log.error("%s: %s", self.name, reason)
