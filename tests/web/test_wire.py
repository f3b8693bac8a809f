import asyncio
import json
import os
import socket
import struct

import pytest

from segjax.web import wire


def pair():
    return socket.socketpair()


@pytest.mark.parametrize(
    "blobs", [[], [b""], [b"a", b"", b"c" * 100_000]], ids=["none", "empty", "three"]
)
def test_a_message_comes_through(blobs):
    message = {"a": [1, 2.5, None], "b": {"c": "ü"}}
    packed = b"".join(wire.pack(message, blobs))
    assert wire.unpack(packed) == wire.Message(message, blobs)
    ours, theirs = pair()
    with ours, theirs:
        if not os.fork():  # as the kernel's buffer does not hold all of it
            wire.send(ours, message, blobs)
            os._exit(0)
        assert wire.receive(theirs) == wire.Message(message, blobs)
        os.wait()


def test_the_end_between_two_messages_is_none_and_within_one_is_broken():
    packed = b"".join(wire.pack({"a": 1}, [b"blob"]))
    for length in range(len(packed)):
        ours, theirs = pair()
        with theirs:
            ours.sendall(packed[:length])
            ours.close()
            if length == 0:
                assert wire.receive(theirs) is None
            else:
                with pytest.raises(wire.Broken):
                    wire.receive(theirs)
        with pytest.raises(wire.Broken):
            wire.unpack(packed[:length])


def framed(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        struct.pack(">I", wire.MOST_HEADER + 1),
        framed(b"{"),
        framed(b"[]"),
        framed(b"3"),
        framed(b"{}"),
        framed(b'{"blobs": 3}'),
        framed(b'{"blobs": [-1]}'),
        framed(b'{"blobs": [true]}'),
        framed(b'{"blobs": [1.5]}'),
        framed(json.dumps({"blobs": [wire.MOST_BLOBS, 1]}).encode()),
        framed(b"[" * 100_000),
        framed(b"\xff"),
    ],
)
def test_what_is_no_message_is_broken_before_memory_is_taken(content):
    with pytest.raises(wire.Broken):
        wire.unpack(content)

    async def read():
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        await wire.receive_async(reader)

    with pytest.raises(wire.Broken):
        asyncio.run(read())
