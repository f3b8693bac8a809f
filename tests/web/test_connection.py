"""Connections that make no progress, and requests that do not end."""

import contextlib
import os
import socket
import time

import pytest

from tests.web.program import serving

LIMITS = {
    "header_seconds": 1,
    "grace_seconds": 1,
    "idle_seconds": 1,
    "connections": 40,
    "body": 200_000,
}
CUT = 4
"""Seconds within which a slow connection is cut."""

HEAD = b"POST /api/predict HTTP/1.1\r\nhost: localhost\r\n"
START = b"--B\r\ncontent-disposition: form-data; name=picture; filename=f\r\n\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(START), START)
FORM = HEAD + b"content-type: multipart/form-data; boundary=B\r\n"


@pytest.fixture(scope="module")
def strict(models):
    """A server of little patience."""
    with serving(models / "tiny.segjax", limits=LIMITS) as running:
        yield running


@contextlib.contextmanager
def connected(server, **options):
    with socket.socket() as connection:
        for option, value in options.items():
            number = getattr(socket, option)
            connection.setsockopt(socket.SOL_SOCKET, number, value)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", server.port))
        yield connection


def ended(connection, drip=b"", every=0.1) -> float:
    """Seconds until the server closes, to which bytes drip in the meantime."""
    begin = time.monotonic()
    connection.settimeout(every)
    while time.monotonic() - begin < 10:
        try:
            if drip:
                connection.sendall(drip)
            if not connection.recv(65536):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begin


@pytest.mark.parametrize(
    ("sent", "drip"),
    [
        (b"", b""),
        (b"G", b""),
        (b"GET / HTTP/1.1\r\nx: ", b"a"),
        (FORM + b"content-length: 1000\r\n\r\n", b""),
        (FORM + b"content-length: 1000\r\n\r\n--B\r\n", b"a"),
        (FORM + b"transfer-encoding: chunked\r\n\r\n" + CHUNK, b"1\r\na\r\n"),
    ],
    ids=["silent", "one byte", "slow head", "no body", "slow body", "slow chunks"],
)
def test_the_slow_are_cut(strict, sent, drip):
    with connected(strict) as connection:
        connection.sendall(sent)
        assert 0.5 < ended(connection, drip) < CUT
    assert strict.client.get("/healthz").status_code == 200


def test_who_does_not_read_is_cut(strict):
    with connected(strict, SO_RCVBUF=4096) as connection:
        asked = b"GET /models/tiny/download HTTP/1.1\r\nhost: localhost\r\n\r\n"
        connection.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            connection.sendall(asked * 400)
        time.sleep(CUT)
        begin, size = time.monotonic(), 0
        connection.settimeout(2)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(2**20):
                size += len(piece)
        assert time.monotonic() - begin < 5
        whole = len(strict.client.get("/models/tiny/download").content)
        assert size < 400 * whole


def test_a_connection_between_requests_is_closed(strict):
    with connected(strict) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        heard(connection, b"alive")
        assert 0.5 < ended(connection) < CUT


def test_a_pause_between_requests_does_not_count_against_the_next(strict):
    with connected(strict) as connection:
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            heard(connection, b"alive")
            time.sleep(0.7)


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"content-length: 1000000000\r\n\r\n", b"", b"413"),
        (b"content-length: 1000000000\r\n\r\n", b"x" * 100_000, b"413"),
        (b"transfer-encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096, b"413"),
        (b"content-length: 100\r\ncontent-encoding: gzip\r\n\r\n", b"x" * 100, b"400"),
    ],
    ids=["long", "long and sent", "endless", "gzip"],
)
def test_what_is_too_long_is_refused_and_closed(strict, head, body, status):
    with connected(strict) as connection:
        connection.sendall(FORM + head)
        if head.startswith(b"transfer"):
            connection.sendall(CHUNK)
            with contextlib.suppress(OSError):
                for _ in range(200):  # four times what is allowed
                    connection.sendall(body + b"\r\n")
        else:
            connection.sendall(body)
        begin = time.monotonic()
        assert heard(connection, b'"code"').startswith(b"HTTP/1.1 " + status)
        assert ended(connection) < 2
        assert time.monotonic() - begin < 3


def test_one_address_has_half_of_the_connections(strict):
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(connected(strict)) for _ in range(30)]
        time.sleep(0.3)
        many = [c for c in many if not closed(c)]
        assert 15 <= len(many) <= 21
        other = stack.enter_context(socket.socket())
        other.bind(("127.0.0.2", 0))
        other.connect(("127.0.0.1", strict.port))
        other.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        heard(other, b"alive")


def heard(connection, word: bytes) -> bytes:
    """What the server says, up to a word."""
    answer = b""
    while word not in answer:
        piece = connection.recv(65536)
        assert piece, answer
        answer += piece
    return answer


def closed(connection) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_no_file_stays_open(strict):
    def count():
        return len(os.listdir(f"/proc/{strict.process.pid}/fd"))

    time.sleep(CUT)
    before = count()
    with contextlib.ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(connected(strict)).sendall(b"GET")
        time.sleep(0.3)
        assert count() >= before + 15
    strict.wait(lambda: count() <= before, CUT)
