"""The decoders as the front sees them: some processes, each with one picture."""

import asyncio
import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from segjax.web.child import Child
from segjax.web.limits import Limits
from segjax.web.refused import Refused
from segjax.web.wire import Broken, Message

log = logging.getLogger("segjax.web")


class Decoders:
    """A pool of decoders.

    Args:
      number: of processes.
      limits: of what they decode.
    """

    def __init__(self, number: int, limits: Limits):
        self.limits, self._number = limits, number
        self._free: asyncio.Queue[Child] = asyncio.Queue()
        self._all: list[Child] = []
        self._starting: set[asyncio.Task] = set()
        self._waiting = 0

    async def start(self) -> None:
        """Start them."""
        for _ in range(self._number):
            await self._add()

    async def stop(self) -> None:
        """End them."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*(child.stop() for child in self._all))

    async def picture(
        self, content: bytes, pixels: Mapping[str, Any], most: int
    ) -> Message:
        """A picture as an array; see `pictures.picture`.

        Args:
          content: of the file.
          pixels: that the model takes.
          most: pixels that its network sees.

        Raises:
          Refused: it is none.
        """
        most = min(most, self.limits.network_pixels)
        limits = dataclasses.replace(self.limits, network_pixels=most)
        return await self._ask("picture", [content], limits, pixels=dict(pixels))

    async def plain(self, content: bytes, pixels: Mapping[str, Any]) -> Message:
        """A picture encoded anew; see `pictures.plain`.

        Raises:
          Refused: it is none.
        """
        return await self._ask("plain", [content], self.limits, pixels=dict(pixels))

    async def reference(self, content: bytes) -> Message:
        """A mask as an array; see `pictures.reference`.

        Raises:
          Refused: it is none.
        """
        return await self._ask("reference", [content], self.limits)

    async def difference(self, one: bytes, other: bytes) -> Message:
        """Where two maps of ids disagree; see `pictures.difference`.

        Raises:
          Refused: they are of two sizes.
        """
        return await self._ask("difference", [one, other], self.limits)

    async def _ask(
        self, kind: str, blobs: list[bytes], limits: Limits, **more
    ) -> Message:
        if self._waiting >= 4 * self.limits.queue:
            raise Refused("busy", "Too many pictures are waiting. Try again soon.")
        header = {"kind": kind, "limits": dataclasses.asdict(limits), **more}
        self._waiting += 1
        try:
            child = await self._free.get()
        finally:
            self._waiting -= 1
        exchange = asyncio.create_task(self._exchange(child, header, blobs))
        answer = await asyncio.shield(exchange)
        if "refused" in answer.header:
            raise Refused.of(answer.header["refused"])
        return answer

    async def _exchange(self, child: Child, header, blobs) -> Message:
        """Ask, and give the child back, or another one for it, whatever comes of it."""
        try:
            answer = await asyncio.wait_for(
                child.ask(header, blobs), 4 * self.limits.decode_seconds
            )
        except (Broken, TimeoutError):
            log.warning("a decoder ended; another one starts")
            self._all.remove(child)
            await child.kill()
            task = asyncio.create_task(self._add())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
            lost = Refused("too_costly", "The file could not be opened.")
            return Message({"refused": lost.plain()}, [])
        self._free.put_nowait(child)
        return answer

    async def _add(self) -> None:
        """Start another one, as soon as the system lets it."""
        while True:
            try:
                child = await Child.start("segjax.web.decoder", threads=1)
            except OSError as error:
                log.error("a decoder does not start: %s", error)
                await asyncio.sleep(1)
                continue
            self._all.append(child)
            self._free.put_nowait(child)
            return
