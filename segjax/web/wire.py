"""Messages between the processes of the server: a JSON header and raw bytes.

    length of the header  4 bytes, big-endian
    header                JSON object; `blobs` has the length of each of those
    blobs                 bytes, one after another

Nothing is pickled, and lengths are checked before memory is taken.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MOST_HEADER = 4 * 2**20
MOST_BLOBS = 2**30
"""Bytes of a message, at most; what is longer was not sent by this house."""

_LENGTH = struct.Struct(">I")


class Message(NamedTuple):
    """What is said: plain data, and the bytes that go with it."""

    header: dict[str, Any]
    blobs: list[bytes]


class Broken(Exception):
    """The other end is gone, or does not speak as it should."""


def pack(header: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> list[bytes]:
    """The pieces of a message, to be sent one after another."""
    plain = {**header, "blobs": [len(blob) for blob in blobs]}
    text = json.dumps(plain, allow_nan=False).encode()
    return [_LENGTH.pack(len(text)) + text, *blobs]


def send(
    connection: socket.socket, header: Mapping[str, Any], blobs: Sequence[bytes] = ()
) -> None:
    """Send a message and wait until it is on its way."""
    for piece in pack(header, blobs):
        connection.sendall(piece)


def receive(connection: socket.socket) -> Message | None:
    """The next message; None where the other end has closed.

    Raises:
      Broken: it closed in the middle of one, or sent none.
    """
    first = connection.recv(1)
    if not first:
        return None
    head = first + _exactly(connection, _LENGTH.size - 1)
    header, lengths = _header(_exactly(connection, _header_length(head)))
    return Message(header, [_exactly(connection, n) for n in lengths])


async def send_async(
    writer: asyncio.StreamWriter,
    header: Mapping[str, Any],
    blobs: Sequence[bytes] = (),
) -> None:
    """As `send`."""
    for piece in pack(header, blobs):
        writer.write(piece)
        await writer.drain()


async def receive_async(reader: asyncio.StreamReader) -> Message:
    """As `receive`.

    Raises:
      Broken: the other end has closed, or sent no message.
    """
    try:
        head = await reader.readexactly(_LENGTH.size)
        text = await reader.readexactly(_header_length(head))
        header, lengths = _header(text)
        return Message(header, [await reader.readexactly(n) for n in lengths])
    except (asyncio.IncompleteReadError, OSError) as error:
        raise Broken(str(error)) from None


def unpack(content: bytes) -> Message:
    """The message in some bytes.

    Raises:
      Broken: they are none.
    """
    length = _header_length(content[: _LENGTH.size])
    start = _LENGTH.size + length
    header, lengths = _header(content[_LENGTH.size : start])
    blobs = []
    for size in lengths:
        blobs.append(content[start : start + size])
        start += size
    if start != len(content):
        raise Broken("a message of another length")
    return Message(header, blobs)


def _header_length(head: bytes) -> int:
    if len(head) != _LENGTH.size:
        raise Broken("no message")
    (length,) = _LENGTH.unpack(head)
    if length > MOST_HEADER:
        raise Broken(f"a header of {length} bytes")
    return length


def _header(text: bytes) -> tuple[dict[str, Any], list[int]]:
    try:
        header = json.loads(text)
        lengths = header.pop("blobs")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise Broken("a header that is none") from None
    good = isinstance(lengths, list) and all(type(n) is int for n in lengths)
    if not good or min(lengths, default=0) < 0 or sum(lengths) > MOST_BLOBS:
        raise Broken("blobs that cannot be")
    return header, lengths


def _exactly(connection: socket.socket, number: int) -> bytes:
    content = bytearray(number)
    view, have = memoryview(content), 0
    while have < number:
        got = connection.recv_into(view[have:])
        if not got:
            raise Broken(f"{have} of {number} bytes")
        have += got
    return bytes(content)
