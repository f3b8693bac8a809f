"""Memory of this process, and what the machine or its container has left for it."""

import pathlib

_GROUPS = pathlib.Path("/proc/self/cgroup")
_LIMITS = pathlib.Path("/sys/fs/cgroup")


def taken() -> int:
    """Bytes of this process that are in memory."""
    import psutil  # takes 10 to 30 ms, and many a start has no use for it

    return psutil.Process().memory_info().rss


def left() -> int:
    """Bytes that this process can still take before others must give way.

    Of a container's limit, what other processes in it have taken is not seen.
    """
    import psutil

    available, most = psutil.virtual_memory().available, limit()
    return available if most is None else min(available, max(0, most - taken()))


def limit() -> int | None:
    """Bytes that the container or the job of a cluster may use; None without a limit.

    The least of those of the control group of this process and the groups around it,
    of both versions of Linux's control groups.
    """
    found = []
    for group in _groups():
        _, kinds, path = group.split(":", 2)
        if not kinds:
            top, name = _LIMITS, "memory.max"
        elif "memory" in kinds.split(","):
            top, name = _LIMITS / "memory", "memory.limit_in_bytes"
        else:
            continue
        inner = top / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(top):
                found += _number(folder / name)
    return min(found, default=None)


def _groups() -> list[str]:
    try:
        return _GROUPS.read_text().splitlines()
    except OSError:  # not Linux
        return []


def _number(path: pathlib.Path) -> list[int]:
    """The number in the file; nothing where there is no file, or it says "max"."""
    try:
        return [int(path.read_text())]
    except (OSError, ValueError):
        return []
