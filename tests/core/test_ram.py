"""What a process has taken and may still take, as the system and its groups say it."""

import os

import pytest

from segjax.core import ram

GIB = 2**30


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Writes the groups of this process, and the files of their limits."""
    monkeypatch.setattr(ram, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(ram, "_LIMITS", tmp_path / "fs")

    def write(groups: str, **limits: str) -> None:
        (tmp_path / "cgroup").write_text(groups)
        for folder, limit in limits.items():
            path = tmp_path / "fs" / folder.replace("_", "/")
            path.mkdir(parents=True, exist_ok=True)
            for name in ("memory.max", "memory.limit_in_bytes"):
                (path / name).write_text(limit)

    return write


def test_what_is_taken_is_what_was_touched():
    before = ram.taken()
    array = bytearray(2**26)
    array[:: 2**10] = b"x" * 2**16
    assert ram.taken() - before >= 2**25


@pytest.mark.parametrize(
    ("groups", "limits", "wanted"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"": "max\n"}, None),
        ("0::/\n", {"": f"{GIB}\n"}, GIB),
        ("0::/job\n", {"": "max\n", "job": f"{2 * GIB}\n"}, 2 * GIB),
        ("0::/job/step\n", {"job": f"{GIB}\n", "job_step": "max\n"}, GIB),
        ("0::/job/step\n", {"job": f"{GIB}\n", "job_step": f"{GIB // 2}\n"}, GIB // 2),
        ("9:cpu,cpuacct:/\n4:memory:/far\n0::/\n", {"memory": f"{GIB}\n"}, GIB),
        ("9:cpu:/job\n0::/\n", {"memory_job": f"{GIB}\n"}, None),
    ],
)
def test_the_least_limit_counts(group, groups, limits, wanted):
    group(groups, **limits)
    assert ram.limit() == wanted


def test_what_is_left_is_the_less_of_machine_and_limit(group):
    group("0::/\n")
    free = ram.left()
    assert 0 < free <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group("0::/\n", **{"": str(ram.taken() + 2**27)})
    assert 0 < ram.left() <= 2**28 < free
    group("0::/\n", **{"": "4096"})
    assert ram.left() == 0


def test_elsewhere_there_are_no_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(ram, "_GROUPS", tmp_path / "none")
    assert ram.limit() is None
