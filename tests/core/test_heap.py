"""Freed memory is kept where the C library can, and not where the user says so."""

import platform

from segjax.core import heap


def test_it_is_kept_by_glibc_unless_switched_off(monkeypatch):
    assert heap.keep_freed() == (platform.libc_ver()[0] == "glibc")
    monkeypatch.setenv("SEGJAX_KEEP_FREED", "0")
    assert not heap.keep_freed()
