"""What every request passes first, and every answer last.

On the way in: is it meant for this server, does it come from a page of another one. On
the way out: headers that keep browsers from what they need not do, a line in the log,
and a count.
"""

import logging
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from segjax.web.answer import refusal
from segjax.web.counters import Counters
from segjax.web.forms import Gone
from segjax.web.refused import Refused

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy: nothing inline, nothing from elsewhere, no frames."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

NEVER_KEPT = {"cache-control": "no-store"}
"""For what does not say itself how long it may be kept."""

MOST_HEAD = 32 * 1024
"""Bytes of a request's headers; h11 has a bound for heads that come in pieces alone."""

SAFE = ("GET", "HEAD", "OPTIONS")

PROBES = ("/healthz", "/readyz")
"""What is answered under any name: those who probe a server ask it by its address."""

log = logging.getLogger("segjax.web.requests")
trouble = logging.getLogger("segjax.web")


class Gate:
    """An ASGI application around another one.

    Args:
      app: the other one.
      counters: of requests.
      hosts: names that the server answers to; all if empty.
      addresses: whether the log has those of clients.
    """

    def __init__(
        self,
        app,
        counters: Counters,
        hosts: Collection[str] = (),
        addresses: bool = False,
    ):
        self._app, self._counters = app, counters
        self._hosts, self._addresses = frozenset(hosts), addresses

    async def __call__(self, scope, receive, send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def answered(message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _guarded(message["headers"])}
            await send(message)

        try:
            self._refuse(scope)
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            await self._app({**scope, "method": method}, receive, answered)
        except Gone:
            pass
        except Refused as refused:
            self._counters.refused.labels(refused.code).inc()
            await refusal(scope, refused)(scope, receive, answered)
        except Exception:
            trouble.exception("a request ended in an error")
            if not status:
                wrong = Refused("internal", "Something went wrong here.")
                await refusal(scope, wrong)(scope, receive, answered)
        finally:
            seconds = time.perf_counter() - begin
            self._counters.request(scope, status, seconds)
            self._tell(scope, status, seconds)

    def _refuse(self, scope) -> None:
        """Raises:
        Refused: the request is for another server, sent by a page of another, or has
          too long a head.
        """
        if sum(len(k) + len(v) for k, v in scope["headers"]) > MOST_HEAD:
            raise Refused("bad_request", "The head of the request is too long.")
        headers = {
            k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]
        }
        hosts = [v for k, v in scope["headers"] if k == b"host"]
        known = not self._hosts or _name(headers) in self._hosts
        if len(hosts) > 1 or not (known or scope["path"] in PROBES):
            raise Refused("bad_host", "This server does not go by that name.")
        if scope["method"] in SAFE:
            return
        origin = headers.get("origin")
        other = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if other or (origin and urlsplit(origin).netloc != headers.get("host")):
            raise Refused("other_origin", "Pages of other sites may not send this.")

    def _tell(self, scope, status: int, seconds: float) -> None:
        """One line: no file name stands in it, and no address unless asked for."""
        path = scope.get("raw_path", b"").decode("ascii", "replace")[:200]
        client = f"{scope['client'][0]} " if self._addresses and scope["client"] else ""
        milliseconds, method = 1000 * seconds, scope["method"][:16]
        log.info("%s%s %s %d %.0f ms", client, method, path, status, milliseconds)


def _name(headers: dict[str, str]) -> str:
    """The host that a request is for, without its port."""
    host = headers.get("host", "")
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _guarded(headers) -> list[tuple[bytes, bytes]]:
    """Headers of an answer with those that all have."""
    there = {name.lower() for name, _ in headers}
    more = {**HEADERS, **NEVER_KEPT}
    return [
        *headers,
        *((k.encode(), v.encode()) for k, v in more.items() if k.encode() not in there),
    ]
