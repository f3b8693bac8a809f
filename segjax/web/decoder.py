"""The program that opens pictures: each in a process of its own, which it forks.

Such a process has little memory and time, may not open a file or a socket, and ends
with its picture. What it says comes through a pipe; when it is killed, that is the
answer. So a picture that harms the decoder harms itself.

    python -m segjax.web.decoder FD
"""

import contextlib
import os
import resource
import signal
import socket
import sys
from typing import NoReturn

from segjax.core.pixels import Pixels
from segjax.web import pictures, wire
from segjax.web.limits import Limits
from segjax.web.refused import Refused

PAGE = resource.getpagesize()
NICE = 5
"""The front answers first, where cores are few."""

_COSTLY = Refused(
    "too_costly", "The file takes too much time or memory to open, or is damaged."
)


def main(number: int) -> None:
    """Answer on the socket of this number until it is closed."""
    pictures.prepare()
    connection = socket.socket(fileno=number)
    while (message := wire.receive(connection)) is not None:
        connection.sendall(_in_a_process(message))


def answer(message: wire.Message) -> tuple[dict, list[bytes]]:
    """What is asked of a picture.

    Raises:
      Refused: it is no picture, or too large.
    """
    limits = Limits(**message.header["limits"])
    kind = message.header["kind"]
    if kind == "difference":
        return pictures.difference(*message.blobs)
    if kind == "reference":
        return pictures.reference(*message.blobs, limits)
    pixels = Pixels(**message.header["pixels"])
    opened = pictures.plain if kind == "plain" else pictures.picture
    return opened(*message.blobs, pixels, limits)


def _in_a_process(message: wire.Message) -> bytes:
    """What a process of its own makes of a message, as bytes of a message."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        _work(message, write)
    os.close(write)
    with open(read, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) == 0:
        return content
    return b"".join(wire.pack({"refused": _COSTLY.plain()}))


def _work(message: wire.Message, write: int) -> NoReturn:
    """Answer into a pipe, under limits, and end."""
    try:
        _confine(Limits(**message.header["limits"]))
        try:
            header, blobs = answer(message)
        except Refused as refused:
            header, blobs = {"refused": refused.plain()}, []
        except MemoryError:
            header, blobs = {"refused": _COSTLY.plain()}, []
        for piece in wire.pack(header, blobs):
            view = memoryview(piece)
            while view:
                view = view[os.write(write, view) :]
        os._exit(0)
    except Exception as error:
        print(f"decoder: {type(error).__name__}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)


def _confine(limits: Limits) -> None:
    """Little memory and time, no file to be opened or written, no core left behind."""
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * PAGE
    seconds = int(limits.decode_seconds)
    most = {
        resource.RLIMIT_AS: taken + limits.decode_bytes,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    for kind, value in most.items():
        resource.setrlimit(kind, (value, value))
    signal.setitimer(signal.ITIMER_REAL, 2 * seconds)  # SIGALRM ends the process


if __name__ == "__main__":
    os.nice(NICE)
    with contextlib.suppress(BrokenPipeError, wire.Broken):  # the front has ended
        main(int(sys.argv[1]))
