"""J3, J4: bodies that are too long, lie, or do not come."""

import contextlib
import selectors
import socket
import threading
import time

from benchmarks.siege.found import Found
from benchmarks.siege.target import Peak, percentile

HEAD = b"POST /api/predict HTTP/1.1\r\nhost: localhost\r\n"
FORM = HEAD + b"content-type: multipart/form-data; boundary=B\r\n"
FILE = b"--B\r\ncontent-disposition: form-data; name=picture; filename=f\r\n\r\n"
FIELD = b"--B\r\ncontent-disposition: form-data; name=models\r\n\r\n"
MB = 2**20


def chunked(content):
    """A piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def too_long():
    """Name -> (head, a piece of the body, pieces, statuses that are right)."""
    whole = b"content-length: %d\r\n\r\n"
    endless = b"transfer-encoding: chunked\r\n\r\n"
    gzip = (
        b"content-encoding: gzip\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n"
    )
    part = FIELD + b"x\r\n"
    return {
        "says 1 GB": (FORM + whole % 10**9, b"", 0, b"413"),
        "sends 1 GB": (FORM + whole % 10**9 + FILE, bytes(MB), 1000, b"413"),
        "chunks for ever": (
            FORM + endless + chunked(FILE),
            chunked(bytes(MB)),
            1000,
            b"413",
        ),
        "is longer than it says": (FORM + whole % 10, bytes(1000), 1, b"400"),
        "gzip": (FORM + gzip, bytes(1000), 1, b"400"),
        "100000 parts": (FORM + endless, chunked(part * 100), 1000, b"413"),
        "a boundary of 1 MB": (
            HEAD + b"content-type: multipart/form-data; boundary=" + b"b" * MB,
            b"",
            0,
            b"400",
        ),
        "a field of 50 MB": (
            FORM + endless + chunked(FIELD),
            chunked(b"x" * MB),
            50,
            b"413",
        ),
    }


def oversize(target, share):
    """J3: bodies that are longer than is allowed, or than they say."""
    del share
    found = Found(
        "J3",
        "too long and lying bodies",
        "400 or 413, closed within 2 s, memory rises by 30 MiB at most",
    )
    limit, sent_most, slowest, rises = 10 * MB, 0, 0.0, []
    for name, (head, piece, pieces, status) in too_long().items():
        with Peak(target) as peak, _connected(target) as connection:
            begin, sent, answer = time.perf_counter(), 0, b""
            with contextlib.suppress(OSError):
                connection.sendall(head)
                for _ in range(pieces):
                    connection.sendall(piece)
                    sent += len(piece)
                    if time.perf_counter() - begin > 20:
                        break
            stopped = time.perf_counter()
            with contextlib.suppress(OSError):
                while more := connection.recv(65536):
                    answer += more
            closed = time.perf_counter() - stopped
            time.sleep(0.1)
        rises.append(peak.rise)
        slowest, sent_most = max(slowest, closed), max(sent_most, sent)
        right = answer.startswith(b"HTTP/1.1 " + status) and b'"code"' in answer
        found.hold(right, f"{name}: {answer[:60]}")
        found.hold(closed <= 2, f"{name}: open for {closed:.1f} s")
        # The kernel takes some MB more than the server reads.
        found.hold(sent <= limit + 8 * MB, f"{name}: took {sent} bytes")
        found.hold(peak.rise <= 30, f"{name}: {peak.rise:.0f} MiB")
    found.figures = {
        "cases": len(rises),
        "closed within s": slowest,
        "sent at most MB": sent_most / MB,
        "largest rise MiB": max(rises),
    }
    return found


def slow(target, share):
    """J4: clients that send or read next to nothing, beside a good one."""
    seconds = max(20, round(60 * share))
    found = Found(
        "J4",
        f"slow clients for {seconds} s",
        "a good client has no failure and p95 of twice the idle one at most; the slow "
        "are cut within 30 s; no file stays open",
    )
    files = target.files()
    idle = [_timed(target) for _ in range(30)]
    attack = _Slow(target)
    end, busy, failed = time.monotonic() + seconds, [], 0
    while time.monotonic() < end:
        took = _timed(target)
        failed += took is None
        busy += [took] * (took is not None)
        time.sleep(0.1)
    attack.stop()
    before, during = percentile(idle, 0.95), percentile(busy, 0.95)
    found.hold(not failed, f"{failed} failures of a good client")
    found.hold(during <= 2 * before, f"p95 {before:.3f} -> {during:.3f} s")
    found.hold(attack.longest <= 30, f"one was open for {attack.longest:.0f} s")
    back = target.wait(lambda: target.files() <= files + 2, 30)
    found.hold(back, f"{files} files open before, {target.files()} after")
    found.figures = {
        "slow heads, bodies, readers": "200, 200, 20",
        "opened in all": attack.opened,
        "longest open s": attack.longest,
        "p95 idle s": before,
        "p95 s": during,
        "good requests": len(busy),
        "files before, after": f"{files}, {target.files()}",
    }
    return found


class _Slow:
    """Connections that are opened anew as they are cut."""

    def __init__(self, target):
        self._port, self.opened, self.longest = target.port, 0, 0.0
        large = b"GET /models/%s/download HTTP/1.1\r\nhost: localhost\r\n\r\n"
        reader = large % target.name.encode() * 20
        body = FORM + b"content-length: 1000000\r\n\r\n" + FILE
        kinds = [(b"GET / HTTP/1.1\r\nx: ", b"a")] * 200 + [(body, b"a")] * 200
        self._kinds = [*kinds, *[(reader, b"")] * 20]
        self._going = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._going = False
        self._thread.join()

    def _run(self):
        open_now = {}
        with selectors.DefaultSelector() as selector:
            for kind in self._kinds:
                self._open(selector, open_now, kind)
            while self._going:
                self._cut(selector, open_now)
                for connection, (kind, began) in list(open_now.items()):
                    try:
                        connection.send(kind[1] or b"")
                    except BlockingIOError:
                        pass
                    except OSError:
                        self._close(selector, open_now, connection, began)
                        self._open(selector, open_now, kind)
                time.sleep(1)
            for connection in open_now:
                connection.close()

    def _cut(self, selector, open_now):
        """Notice those that the server has closed."""
        for key, _ in selector.select(0):
            kind, began = open_now[key.fileobj]
            if kind[1]:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    if key.fileobj.recv(65536):
                        continue
                self._close(selector, open_now, key.fileobj, began)
                self._open(selector, open_now, kind)

    def _open(self, selector, open_now, kind):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self._port))
        connection.sendall(kind[0])
        connection.setblocking(False)
        open_now[connection] = kind, time.monotonic()
        if kind[1]:
            selector.register(connection, selectors.EVENT_READ)
        self.opened += 1

    def _close(self, selector, open_now, connection, began):
        self.longest = max(self.longest, time.monotonic() - began)
        with contextlib.suppress(KeyError):
            selector.unregister(connection)
        del open_now[connection]
        connection.close()


def _timed(target):
    """Seconds of a good request; None if it failed."""
    begin = time.perf_counter()
    try:
        good = target.mask().status_code == 200
    except OSError:
        return None
    return time.perf_counter() - begin if good else None


@contextlib.contextmanager
def _connected(target):
    with socket.create_connection(("127.0.0.1", target.port), 10) as connection:
        yield connection
