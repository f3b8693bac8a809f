"""How the C library keeps freed memory."""

import ctypes
import os
import platform

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
_LARGEST = 2**31 - 1


def keep_freed() -> bool:
    """Let this process keep the memory that it frees; returns whether it will.

    glibc gives large arrays back to the system as soon as they are freed. A train step
    on a CPU then takes hundreds of megabytes anew, each time, and every page of them
    costs a fault. Kept, they are used again: steps took 1.2 to 1.6 times as long
    without, on a virtual machine whose faults are slow. It costs memory, for what is
    kept is in pieces: a peak of 2.0 GiB in place of 1.4 for a U-Net of width 32, four
    images of 192x192. SEGJAX_KEEP_FREED=0 leaves glibc as it is. All threads share one
    arena, for those of other threads hold no large arrays.
    """
    if os.environ.get("SEGJAX_KEEP_FREED", "1") == "0":
        return False
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_ARENA_MAX, 1)
    return all([mallopt(name, value) for name, value in settings])
