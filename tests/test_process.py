"""What a process is set to, and what is left alone."""

import os
import pathlib
import subprocess
import sys

import cv2
import jax
import jaxlib
import pytest

from segjax import process

OURS = f"--{process.FLAG}={process.ORDER}"


@pytest.mark.parametrize(
    ("cores", "version", "flags", "expected"),
    [
        (2, "tested", None, OURS),
        (2, "tested", "--xla_a=1", f"--xla_a=1 {OURS}"),
        (2, "tested", f"--{process.FLAG}=X", f"--{process.FLAG}=X"),
        (8, "tested", "", OURS),
        (9, "tested", "", ""),
        (2, "99.0", "", ""),
    ],
)
def test_operations_go_one_by_one_on_few_cores(
    monkeypatch, cores, version, flags, expected
):
    known = process.TESTED[0] if version == "tested" else version
    monkeypatch.setattr(jaxlib, "__version__", known)
    monkeypatch.setattr(process, "cores", lambda: cores)
    monkeypatch.setattr(process.heap, "keep_freed", lambda: True)
    if flags is None:
        monkeypatch.delenv("XLA_FLAGS", raising=False)
    else:
        monkeypatch.setenv("XLA_FLAGS", flags)
    for _ in range(2):  # a second call adds nothing
        process.prepare()
        assert os.environ["XLA_FLAGS"] == expected


def test_images_are_worked_on_by_the_threads_that_ask(monkeypatch):
    monkeypatch.setattr(process.heap, "keep_freed", lambda: True)
    monkeypatch.setenv("XLA_FLAGS", OURS)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        process.prepare()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


def test_the_pinned_version_is_one_of_the_tested():
    assert jaxlib.__version__ in process.TESTED


def test_jaxlib_knows_the_flag():
    """It ends a process whose XLA_FLAGS it does not know."""
    code = "import jax; print(jax.devices())"
    for flag, good in ((OURS, True), (f"{OURS}x".replace("=", "_no="), False)):
        environment = {**os.environ, "XLA_FLAGS": flag}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True
        )
        assert (done.returncode == 0) == good, flag


@pytest.fixture
def no_folder():
    names = ("jax_compilation_cache_dir", "jax_enable_compilation_cache")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_of_an_accelerator_are_kept(monkeypatch, no_folder, tmp_path):
    monkeypatch.setenv("SEGJAX_CACHE", str(tmp_path))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert process.keep_compiled() == str(tmp_path / "v1" / "xla")
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "v1" / "xla")


def test_programs_of_a_cpu_are_kept_for_its_kind(monkeypatch, no_folder, tmp_path):
    """Another kind, and another number of cores, has another folder."""
    monkeypatch.setenv("SEGJAX_CACHE", str(tmp_path))
    monkeypatch.setattr(process, "CPUINFO", tmp_path / "cpuinfo")
    found = []
    for cores, flags in ((2, "avx2"), (2, "avx512f"), (4, "avx2"), (2, "avx2")):
        monkeypatch.setattr(process, "cores", lambda cores=cores: cores)
        process.CPUINFO.write_text(f"cpu MHz : {len(found)}\nflags : {flags}\n")
        jax.config.update("jax_compilation_cache_dir", None)
        found.append(process.keep_compiled())
    assert found[0] == found[3] and len(set(found)) == 3
    assert {pathlib.Path(f).parent for f in found} == {tmp_path / "v1" / "xla"}


def test_what_the_user_has_set_is_left(monkeypatch, no_folder, tmp_path):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    assert process.keep_compiled() == str(tmp_path)
    jax.config.update("jax_enable_compilation_cache", False)
    assert process.keep_compiled() == ""
    jax.config.update("jax_compilation_cache_dir", None)
    assert process.keep_compiled() == ""
    assert jax.config.jax_compilation_cache_dir is None
