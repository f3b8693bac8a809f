"""How the C library takes memory from the system, and keeps what is freed."""

import ctypes
import os
import pathlib
import platform
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
_LARGEST = 2**31 - 1

TUNABLE = "glibc.malloc.hugetlb"
_SYSTEM = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")


def keep_freed() -> bool:
    """Let this process keep the memory that it frees; returns whether it will.

    glibc gives large arrays back to the system as soon as they are freed. A train step
    on a CPU then takes hundreds of megabytes anew, each time, and every page of them
    costs a fault. Kept, they are used again: steps took 1.2 to 1.6 times as long
    without, on a virtual machine whose faults are slow (and 1.06 times with
    `large_pages`). It costs memory, for what is kept is in pieces. SEGJAX_KEEP_FREED=0
    leaves glibc as it is. All threads share one arena, for those of other threads hold
    no large arrays.
    """
    if left_alone():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_ARENA_MAX, 1)
    return all([mallopt(name, value) for name, value in settings])


def give_back() -> None:
    """Give the memory that is free now to the system, kept or not.

    Compiling leaves some 300 MB behind in pieces. Takes some hundredths of a second,
    and as long again where the memory is needed after all.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def large_pages() -> None:
    """Begin this program anew with memory in pages of 2 MiB, where that can be had.

    A page of 4 KiB costs a fault when it is first touched, and a train step on a CPU
    touches hundreds of megabytes. glibc (2.35 or newer) asks for large pages if a
    variable says so when a process begins; so the variable is set and the process
    replaced by one with the same arguments and number. To be called first of all, by
    programs alone; a second call does nothing. Left alone where the user has set the
    variable, where SEGJAX_KEEP_FREED=0, and where the system gives large pages to all
    or to none.
    """
    known = os.environ.get("GLIBC_TUNABLES", "")
    if left_alone() or TUNABLE in known or not _on_request():
        return
    os.environ["GLIBC_TUNABLES"] = f"{known}:{TUNABLE}=1".lstrip(":")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def left_alone() -> bool:
    """Whether glibc is not there, or is to be left as it is."""
    switched_off = os.environ.get("SEGJAX_KEEP_FREED", "1") == "0"
    return switched_off or platform.libc_ver()[0] != "glibc"


def _on_request() -> bool:
    """Whether the system gives large pages to who asks for them."""
    try:
        return "[madvise]" in _SYSTEM.read_text()
    except OSError:
        return False
