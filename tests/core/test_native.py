"""C++ sources into a library: once, ahead, and what is said where that fails."""

import importlib.metadata
import pathlib
import subprocess
import threading
import time
import tomllib

import jax
import pytest

from segjax.core import native

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def build(monkeypatch, tmp_path):
    """`text -> native.compiled` of a source with it."""
    monkeypatch.setenv("SEGJAX_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "source.cc"

    def of(text: str, *words: str):
        source.write_text(text)
        return native.compiled("example", [source], words)

    return of


def test_it_is_built_once_and_again_for_another_source_or_command(build, tmp_path):
    first, other, again = map(build, ("int a;", "int b;", "int a;"))
    assert first == again != other
    assert build("int a;", "-O3") not in (first, other)
    assert len(list(tmp_path.rglob("*.so"))) == 3


def test_what_the_compiler_refuses_is_said_and_leaves_nothing(build, tmp_path):
    assert "fails: " in build("nonsense")
    assert not list(tmp_path.rglob("*.so"))


def test_no_compiler_is_said(build, monkeypatch):
    monkeypatch.setattr(native, "COMPILERS", ("no-such-compiler",))
    monkeypatch.delenv("CXX", raising=False)
    assert build("int a;") == "no C++ compiler: none of no-such-compiler"


def test_a_library_without_the_call_or_none_at_all_is_not_registered(build, tmp_path):
    with pytest.raises(AttributeError, match="absent_call"):
        native.register(build("int a;"), ["absent_call"])
    (tmp_path / "no.so").write_text("no library")
    assert "no.so" in native.register(tmp_path / "no.so", [])
    assert native.register("no compiler", ["adam"]) == "no compiler"


def test_a_file_of_another_user_is_not_loaded(build, monkeypatch):
    first = build("int a;")
    before = first.stat().st_mtime_ns
    monkeypatch.setattr("os.getuid", lambda: first.stat().st_uid + 1)
    assert build("int a;") == first
    assert first.stat().st_mtime_ns > before


def test_two_threads_build_it_once(build, monkeypatch):
    commands = []

    def run(command, **options):
        commands.append(command)
        time.sleep(0.2)
        pathlib.Path(command[-1]).write_text("as if compiled")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [])
    begun = threading.Event()
    native.ahead(lambda: (begun.set(), build("int a;")))
    assert begun.wait(10)
    time.sleep(0.05)
    assert build("int a;").read_text() == "as if compiled"
    assert len(commands) == 1


def test_nothing_is_built_ahead_for_another_device(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: ["cuda"])
    begun = threading.Event()
    native.ahead(begun.set)
    assert not begun.wait(0.2)


def test_many_devices_are_said():
    assert native.many_devices() == f"{jax.device_count()} cpu devices, not one CPU"


def test_all_sources_travel_with_the_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["segjax"]
    room = ROOT / "segjax"
    sources = [
        p.relative_to(room) for p in room.rglob("*") if p.suffix in (".cc", ".h")
    ]
    assert len(sources) > 3
    for path in sources:
        assert any(path.match(pattern) for pattern in patterns), path
