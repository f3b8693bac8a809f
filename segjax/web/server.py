"""The server as a whole: it starts, serves, and stops in order."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import logging
import resource
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from segjax.core.errors import EnvironmentFault
from segjax.web import app
from segjax.web.connection import Connection, watch
from segjax.web.counters import Counters
from segjax.web.decoders import Decoders
from segjax.web.flagged import Flagged
from segjax.web.gate import Gate
from segjax.web.limits import Limits
from segjax.web.registry import Registry
from segjax.web.service import Service

NOTICE_SECONDS = 1
"""Between the moment that the server says it is not ready and the last new request."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")

log = logging.getLogger("segjax.web")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to serve.

    Attributes:
      paths: exported models.
      folder: whose exported models are served, too, as they come and go.
      host: address to listen at.
      port: to listen at; 0 for any that is free.
      hosts: names that the server goes by; those of this machine alone, if it listens
        to it alone; any, if empty.
      decoders: pictures that are opened at once.
      flagged: folder in which flagged pictures are kept; None for none.
      proxy: address of a proxy whose word is taken for the client's address.
      log_addresses: whether the log has the addresses of clients.
      limits: of requests.
    """

    paths: Sequence[Path]
    folder: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    hosts: tuple[str, ...] = ()
    decoders: int = 2
    flagged: Path | None = None
    proxy: str = ""
    log_addresses: bool = False
    limits: Limits = dataclasses.field(default_factory=Limits)

    @property
    def alone(self) -> bool:
        """Whether it listens to this machine alone."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def run(settings: Settings) -> int:
    """Serve until a signal; the exit code.

    Raises:
      EnvironmentFault: the port cannot be had.
    """
    for name in ("uvicorn", "uvicorn.error"):  # which tells of each bad request
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if not settings.alone and not settings.hosts:
        log.warning(
            "listening to more than this machine, under any name: name those that the "
            "server goes by with --allow-host"
        )
    _allow_files(4 * settings.limits.connections)
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    limits = settings.limits
    registry = Registry(settings.paths, settings.folder, limits)
    decoders = Decoders(settings.decoders, limits)
    flagged = settings.flagged and Flagged(settings.flagged)
    counters = Counters()
    service = Service(registry, decoders, limits, counters)
    state = app.State(registry, service, limits, counters, flagged)
    hosts = {*settings.hosts, *(LOOPBACK if settings.alone else ())}
    gate = Gate(app.make(state), counters, hosts, settings.log_addresses)
    kind = type("Connection", (Connection,), {"limits": limits})
    config = uvicorn.Config(
        gate,
        http=kind,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxy),
        forwarded_allow_ips=settings.proxy or None,
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=int(limits.drain_seconds),
        h11_max_incomplete_event_size=32 * 1024,
    )
    server = _Server(config, state)
    with server.listening_to_signals(), _listening(settings) as listener:
        await decoders.start()
        await registry.start()
        try:
            await server.serve([listener])
        finally:
            await asyncio.gather(registry.stop(), decoders.stop())
    return 128 + server.signal if server.signal else 0


class _Server(uvicorn.Server):
    """uvicorn's, which says first that it is not ready, and stops after."""

    def __init__(self, config: uvicorn.Config, state: app.State):
        super().__init__(config)
        self.state, self.signal = state, 0

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        connections = self.server_state.connections
        self._watch = asyncio.create_task(watch(connections, self.state.limits))

    def capture_signals(self):
        """Nothing here: signals may come before uvicorn serves."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def listening_to_signals(self):
        """Take the first signal as the wish to end in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._told, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _told(self, number: int) -> None:
        """A signal: the first one ends the server in order, the next one at once."""
        if self.signal:
            self.should_exit = self.force_exit = True
            return
        self.signal, self.state.stopping = number, True
        log.info("told to stop: running requests are finished")

        def stop():
            self.should_exit = True

        asyncio.get_running_loop().call_later(NOTICE_SECONDS, stop)


def _listening(settings: Settings) -> socket.socket:
    """A socket that listens.

    Raises:
      EnvironmentFault: the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise EnvironmentFault(
            f"{settings.host}:{settings.port}: cannot be listened at "
            f"({error.strerror}). Give another --port or --host."
        ) from None
    log.info("listening at http://%s:%d", settings.host, listener.getsockname()[1])
    return listener


def _allow_files(number: int) -> None:
    """Let this process have so many files open, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
