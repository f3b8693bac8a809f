"""Freed memory is kept where the C library can, and not where the user says so."""

import platform

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
