"""Freed memory is kept where the C library can, and not where the user says so."""

import os
import platform
import subprocess
import sys

import pytest

from segjax.core import heap


def test_it_is_kept_by_glibc_unless_switched_off(monkeypatch):
    assert not heap.keep_freed()  # off in this suite
    monkeypatch.delenv("SEGJAX_KEEP_FREED")
    asked = []

    class Library:
        def mallopt(self, name, value):
            asked.append(name)
            return 1

    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: Library())
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    assert heap.keep_freed() and len(asked) == 3
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not heap.keep_freed() and len(asked) == 3


@pytest.fixture
def on_request(monkeypatch, tmp_path):
    """A system that gives large pages to who asks; what the process is replaced by."""
    replaced = []
    monkeypatch.setattr(heap.os, "execv", lambda *arguments: replaced.append(arguments))
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(heap, "_SYSTEM", tmp_path / "enabled")
    (tmp_path / "enabled").write_text("always [madvise] never\n")
    monkeypatch.delenv("SEGJAX_KEEP_FREED")
    monkeypatch.setenv("GLIBC_TUNABLES", "")
    return replaced


@pytest.mark.parametrize("before", ["", "glibc.malloc.check=0"])
def test_a_program_begins_anew_with_large_pages_once(monkeypatch, on_request, before):
    monkeypatch.setenv("GLIBC_TUNABLES", before)
    heap.large_pages()
    heap.large_pages()
    assert on_request == [(sys.executable, [sys.executable, *sys.orig_argv[1:]])]
    names = os.environ["GLIBC_TUNABLES"].split(":")
    assert names == [*filter(None, [before]), "glibc.malloc.hugetlb=1"]


@pytest.mark.parametrize(
    "what", ["switched off", "set", "no glibc", "always", "never", "unknown"]
)
def test_else_it_goes_on(monkeypatch, on_request, what):
    if what == "switched off":
        monkeypatch.setenv("SEGJAX_KEEP_FREED", "0")
    elif what == "set":
        monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=2")
    elif what == "no glibc":
        monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    elif what == "unknown":
        heap._SYSTEM.unlink()
    else:
        text = "always madvise never".replace(what, f"[{what}]")
        heap._SYSTEM.write_text(text)
    heap.large_pages()
    assert not on_request


def test_arguments_and_input_survive(tmp_path):
    code = (
        "import os, sys; from segjax.core import heap; heap.large_pages();"
        "print(sys.argv[1:], sys.stdin.read(), os.environ.get('GLIBC_TUNABLES', ''))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "SEGJAX_KEEP_FREED"}
    words = [sys.executable, "-c", code, "a b", "--c=1"]
    done = subprocess.run(
        words, env=environment, input="in", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['a b', '--c=1'] in")
    if heap._on_request() and platform.libc_ver()[0] == "glibc":
        assert "glibc.malloc.hugetlb=1" in done.stdout


def test_memory_is_given_back_where_a_process_has_grown(monkeypatch):
    def step(size):
        return -size

    assert heap.watched(step) is step  # nothing is kept in this suite
    monkeypatch.delenv("SEGJAX_KEEP_FREED")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    given, sizes = [], []
    monkeypatch.setattr(heap, "give_back", lambda: given.append(len(sizes)))
    monkeypatch.setattr(heap, "_resident", lambda: sizes[-1] << 20)
    watched = heap.watched(step)
    # Steps as they are; a second piece; as they are; a cache that is full from now on.
    for size in (100, 100, 300, 400, 100, 100, 700, 700, 700, 700):
        sizes.append(size)
        assert watched(size) == -size
    assert given == [4, 7]


@pytest.mark.skipif(not heap._RESIDENT.exists(), reason="the system has no /proc")
def test_what_is_resident_is_what_was_touched():
    before = heap._resident()
    array = bytearray(2**26)
    array[:: 2**10] = b"x" * 2**16
    assert heap._resident() - before >= 2**25
