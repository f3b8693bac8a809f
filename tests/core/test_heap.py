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
