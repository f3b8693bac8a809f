"""What the server needs: little, and in the front no jax at all."""

import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from tests.web.program import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]

BLOCK = """
import importlib.abc, json, os, sys

class Missing(importlib.abc.MetaPathFinder):
    names = frozenset(json.loads(os.environ["NOT_INSTALLED"]))

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""A `sitecustomize` that hides packages, from children, too."""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(path: pathlib.Path) -> set[str]:
    """The distributions that a file of requirements brings, by plain names."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    waiting = [Requirement(line) for line in lines if line]
    found = set()
    while waiting:
        requirement = waiting.pop()
        name = plain(requirement.name)
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            more = Requirement(text)
            if more.marker is None or more.marker.evaluate({"extra": ""}):
                waiting.append(more)
    return found


@pytest.fixture(scope="module")
def hidden():
    """The modules of all that is installed and that a server does not need."""
    needed = closure(ROOT / "requirements-serve.txt") | {"segjax"}
    installed = importlib.metadata.packages_distributions()
    names = {n for n, dists in installed.items() if not needed & set(map(plain, dists))}
    assert {"flax", "orbax", "grain", "optax", "absl", "matplotlib", "sklearn"} <= names
    return sorted(n for n in names if not n.startswith("_"))


def test_a_server_needs_no_more_than_its_requirements(models, hidden, image, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    path = f"{tmp_path}:{ROOT}"
    environ = {"PYTHONPATH": path, "NOT_INSTALLED": json.dumps(hidden)}
    found = subprocess.run(
        [sys.executable, "-c", "import flax"],
        env=environ,
        capture_output=True,
        text=True,
    )
    assert "ModuleNotFoundError" in found.stderr  # they are hidden indeed
    words = ["-m", "segjax", "serve", models / "tiny.segjax", "--port", "0"]
    server = Server(command=[sys.executable, *words], environ=environ)
    try:
        server.wait_until_ready()
        truth = (image[..., 0] % 11).astype("uint8")
        assert server.predict(image, reference=truth).status_code == 200
    finally:
        assert server.stop() == 143


@pytest.mark.parametrize("program", ["server", "decoder"])
def test_the_front_and_the_decoders_do_without_jax(program):
    code = f"import sys, segjax.web.{program}\n"
    code += "print(*{'jax', 'flax', 'scipy', 'matplotlib'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert not run.stdout.split()
