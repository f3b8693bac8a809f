"""Connections that must make progress; those that do not are cut."""

import asyncio
import json
import logging

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from segjax.web.gate import HEADERS
from segjax.web.limits import Limits
from segjax.web.refused import Refused

LINGER_SECONDS = 1
"""How long the answer to a request that was not read to its end may be fetched."""

log = logging.getLogger("segjax.web")


class Connection(H11Protocol):
    """uvicorn's connection, which also knows how far it has come.

    Attributes:
      began: when the head, the body or the answer that is on its way began, in seconds
        of the loop's clock.
      moved: bytes of it until now.
    """

    limits: Limits

    def connection_made(self, transport) -> None:
        """A client is there; it is turned away where there are too many."""
        super().connection_made(_Transport(transport, self))
        self.began, self.moved, self._doing = self.loop.time(), 0, "head"
        address = self.client[0] if self.client else ""
        same = sum(bool(c.client) and c.client[0] == address for c in self.connections)
        most = self.limits.connections
        if len(self.connections) > most or same > most // 2 + 1:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        self._now(self.doing)
        self.moved += len(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        """An answer is written; a request that was not read to its end is the last."""
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()
            return
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP."""
        del msg
        plain = Refused("bad_request", "This is no HTTP request.").plain()
        headers = {
            "content-type": "application/json",
            "connection": "close",
            **HEADERS,
        }
        events = (
            h11.Response(status_code=400, headers=list(headers.items())),
            h11.Data(data=json.dumps(plain).encode()),
            h11.EndOfMessage(),
        )
        try:
            for event in events:
                self.transport.write(self.conn.send(event))
        except h11.LocalProtocolError:  # an answer was on its way
            pass
        self.transport.close()

    @property
    def doing(self) -> str:
        """What is on its way: `head`, `body`, `answer`, or `nothing`."""
        if self.transport.get_write_buffer_size():
            return "answer"
        if self.cycle is None or self.cycle.response_complete:
            return "head"
        if self.cycle.more_body and not self.flow.read_paused:
            return "body"
        return "nothing"

    def too_slow(self) -> bool:
        """Whether it makes too little progress."""
        doing = self.doing
        self._now(doing)
        if self.timeout_keep_alive_task is not None:  # between two requests
            self.began = self.loop.time()
        took = self.loop.time() - self.began
        if doing == "nothing":
            return False
        if doing == "head":
            return took > self.limits.header_seconds
        moved = self.transport.sent if doing == "answer" else self.moved
        return took > self.limits.grace_seconds + moved / self.limits.rate

    def _now(self, doing: str) -> None:
        if doing != self._doing:
            self._doing, self.began, self.moved = doing, self.loop.time(), 0
            self.transport.count_anew()


async def watch(connections: set[Connection], limits: Limits) -> None:
    """Cut connections that are too slow, for ever; and the one that holds most, where
    clients leave too much of their answers unread."""
    while True:
        await asyncio.sleep(0.5)
        for connection in list(connections):
            if connection.too_slow():
                log.info("a connection was too slow")
                connection.transport.abort()
        held = {c: c.transport.get_write_buffer_size() for c in connections}
        while held and sum(held.values()) > limits.bodies:
            most = max(held, key=held.get)
            most.transport.abort()
            del held[most]


class _Transport:
    """A transport that counts what the client has taken of what was written, and that
    lingers where the client is still sending: to close at once would reset the
    connection, and the client would not see why it was refused."""

    def __init__(self, transport, connection: Connection):
        self._transport, self._connection = transport, connection
        self._written, self._lingers = 0, False

    def __getattr__(self, name):
        return getattr(self._transport, name)

    def write(self, data) -> None:
        self._written += len(data)
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if self._connection.conn.their_state not in (h11.SEND_BODY, h11.ERROR):
            self._transport.close()
            return
        self._lingers = True
        self._connection.flow.pause_reading()
        self._transport.write_eof()
        self._connection.loop.call_later(LINGER_SECONDS, self._transport.abort)

    @property
    def sent(self) -> int:
        return self._written - self._transport.get_write_buffer_size()

    def count_anew(self) -> None:
        self._written = self._transport.get_write_buffer_size()
