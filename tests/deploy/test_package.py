"""What an installed segjax holds: all that the repository's does."""

import glob
import pathlib
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "segjax"
FILES = [
    path.relative_to(PACKAGE)
    for path in PACKAGE.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]


@pytest.fixture(scope="module")
def setuptools():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_files_that_are_no_modules_are_package_data(setuptools):
    patterns = setuptools["package-data"]["segjax"]
    taken = {p: set(glob.glob(p, root_dir=PACKAGE, recursive=True)) for p in patterns}
    assert all(taken.values()), "a pattern finds nothing"
    others = {str(path) for path in FILES if path.suffix != ".py"}
    assert len(others) > 40
    assert not others - set().union(*taken.values())


def test_modules_lie_in_packages(setuptools):
    """`find` passes over a folder without `__init__.py`, and all that is under it."""
    assert setuptools["packages"] == {"find": {"include": ["segjax*"]}}
    folders = {path.parent for path in FILES if path.suffix == ".py"}
    assert not [f for f in folders if not (PACKAGE / f / "__init__.py").exists()]
