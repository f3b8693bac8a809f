import asyncio
import contextlib

import pytest

from segjax.web.forms import Bodies, Gone
from segjax.web.limits import Limits
from segjax.web.refused import Refused

SMALL = Limits(body=2000, bodies=5000, field=20, parts=3)


def part(name, content=b"x", file=None):
    named = f'; filename="{file}"' if file is not None else ""
    head = f'--B\r\ncontent-disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def body(*parts):
    return b"".join(parts) + b"--B--\r\n"


def read(content, bodies=None, pieces=7, headers=None, cut=False):
    """The form of a body that comes in pieces of so many bytes."""
    bodies = bodies or Bodies(SMALL)
    waiting = [content[i : i + pieces] for i in range(0, len(content), pieces)]

    async def receive():
        if not waiting:
            return {"type": "http.disconnect"}
        piece = waiting.pop(0)
        more = bool(waiting) or cut
        return {"type": "http.request", "body": piece, "more_body": more}

    async def run():
        given = {"content-type": "multipart/form-data; boundary=B", **(headers or {})}
        async with bodies.form(given, receive) as form:
            assert bodies.held == len(content)
            return form

    try:
        return asyncio.run(run())
    finally:
        assert bodies.held == 0


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
def test_fields_and_files_are_read_in_pieces_of_any_size(pieces):
    content = body(
        part("models", b"a,b"), part("picture", b"\x00\r\n--\xff", "p.png"), part("z")
    )
    form = read(content, pieces=pieces)
    assert form.fields == {"models": "a,b", "z": "x"}
    assert form.files == {"picture": [("p.png", b"\x00\r\n--\xff")]}
    assert form.file("picture") == b"\x00\r\n--\xff"
    assert form.file("reference") is None


def test_the_empty_file_of_a_browser_is_none():
    assert read(body(part("picture", b"", ""))).file("picture") is None


def code(*args, **kwargs):
    with pytest.raises(Refused) as error:
        read(*args, **kwargs)
    return error.value.code


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (body(part("a", b"x" * 21)), "too_large"),
        (body(*(part(str(i)) for i in range(4))), "too_large"),
        (body(part("a", b"x" * 2000, "f")), "too_large"),
        (b"no form at all, but long enough", "bad_form"),
        (part("a"), "bad_form"),
        (b"--B\r\n\r\nx\r\n--B--\r\n", "bad_form"),
        (b"--B\r\ncontent-disposition: attachment\r\n\r\nx\r\n--B--\r\n", "bad_form"),
        (b"--B\r\n" + b"a: b\r\n" * 99 + b"\r\nx\r\n--B--\r\n", "bad_form"),
        (b"--B\r\na: " + b"b" * 1900, "bad_form"),
    ],
)
def test_a_form_that_is_none_or_too_large_is_refused(content, why):
    assert code(content) == why


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"content-type": "application/json"}, "bad_form"),
        ({"content-type": "multipart/form-data"}, "bad_form"),
        ({"content-type": "multipart/form-data; boundary=" + "b" * 71}, "bad_form"),
        ({"content-length": "2001"}, "too_large"),
        ({"content-length": "-1"}, "too_large"),
        ({"content-encoding": "gzip"}, "bad_request"),
    ],
)
def test_the_head_of_a_request_is_enough_to_refuse_it(headers, why):
    assert code(body(part("a")), headers=headers) == why


def test_two_files_of_one_name_are_refused():
    form = read(body(part("picture", file="a"), part("picture", file="b")))
    with pytest.raises(Refused):
        form.file("picture")


def test_a_client_that_leaves_is_noticed():
    with pytest.raises(Gone):
        read(part("a"), cut=True)


def test_what_all_requests_hold_is_bounded():
    bodies = Bodies(Limits(body=2000, bodies=3000))
    bodies.held = 2500
    with pytest.raises(Refused) as error:
        asyncio.run(_held(bodies))
    assert error.value.code == "busy"
    assert bodies.held == 2500


async def _held(bodies):
    async def receive():
        return {"type": "http.request", "body": b"x" * 600}

    async with bodies.raw({}, receive):
        pass


def test_one_address_holds_half_of_it():
    bodies = Bodies(Limits(body=2000, bodies=2000))

    async def both(*addresses):
        async def receive():
            return {"type": "http.request", "body": b"x" * 600}

        async with contextlib.AsyncExitStack() as stack:
            for address in addresses:
                await stack.enter_async_context(bodies.raw({}, receive, address))

    asyncio.run(both("a", "b", "c"))
    with pytest.raises(Refused) as error:
        asyncio.run(both("a", "a"))
    assert error.value.code == "too_many_requests"
    assert bodies.held == 0 and not bodies._of
