"""The file runs where there is Python and jax alone, and gives the same classes."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from segjax.serve import runtime, standalone
from segjax.serve.bundle import Bundle

ALLOWED = {"jax", "numpy", "scipy"}
WHERE_THERE = {"jaxtyping": "segjax.core.shapes", "PIL": "segjax.data.rgb"}
"""Packages that are used where they are installed, and where alone."""

BARE = """
import sys
from importlib.metadata import packages_distributions

KNOWN = {"jax", "jaxlib", "numpy", "scipy", "ml_dtypes", "opt_einsum"}
OTHERS = set(packages_distributions()) - KNOWN - {"segjax", "flatbuffers"}

class OnlyJax:
    def find_spec(name, path=None, target=None):
        if (top := name.partition(".")[0]) in OTHERS:
            raise ModuleNotFoundError(f"No module named {top!r}", name=top)

sys.meta_path.insert(0, OnlyJax)
"""


def test_the_closure_needs_jax_alone():
    modules = runtime.closure(runtime.START)
    assert {"segjax.serve.load", "segjax.postprocess", "segjax"} <= set(modules)
    for name, path in modules.items():
        tops = {i.partition(".")[0] for i in runtime.imports(path)}
        others = tops - ALLOWED - {"segjax"} - set(sys.stdlib_module_names)
        others -= {"flatbuffers"} if name == "segjax.serve.runtime" else set()
        assert all(WHERE_THERE.get(top) == name for top in others), (name, others)
    assert "segjax.serve.runtime" not in modules
    assert "segjax.parts" not in modules


def test_the_file_holds_its_closure(exported):
    with Bundle(exported) as bundle:
        names = set(bundle.names())
        for member, content in runtime.members().items():
            assert bundle.read(member) == content
    assert {"__main__.py", "licences/flatbuffers.txt", "licences/segjax.txt"} <= names
    assert "flatbuffers/builder.py" in names


def bare(script: str, *words: str, cwd) -> subprocess.CompletedProcess:
    """A process with jax alone."""
    return subprocess.run(
        [sys.executable, "-I", "-c", BARE + script, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )


USE = """
sys.path.insert(0, sys.argv[1])
import flatbuffers, numpy as np, segjax
assert flatbuffers.__file__.startswith(sys.argv[1]), flatbuffers.__file__
assert segjax.__file__.startswith(sys.argv[1])
from segjax.serve.load import load
model = load(sys.argv[1])
answer = model.answer(np.load("a.npy"), probabilities=True)
np.savez("answer.npz", ids=answer.ids, probabilities=answer.probabilities)

from segjax.serve.standalone import main
sys.argv = [sys.argv[1]]
assert main(["a.npy", "b.npy", "--out", "out"]) == 0
assert main(["--check"]) == 0
assert main(["photo.png", "missing.npy", "a.npy", "--out", "some"]) == 2
assert main(["--card"]) == 0
assert main(["a.npy", "--stream", "--out", "some"]) == 2
assert main(["a.npy"]) == 2
"""


def test_it_runs_with_jax_alone_and_gives_the_same(exported, model, tmp_path):
    rng = np.random.default_rng(0)
    for name, size in (("a", (40, 56)), ("b", (30, 30))):
        image = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
        np.save(tmp_path / f"{name}.npy", image)
    (tmp_path / "photo.png").write_bytes(b"")
    done = bare(USE, exported, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "answer.npz")
    expected = model.answer(np.load(tmp_path / "a.npy"), probabilities=True)
    np.testing.assert_array_equal(found["ids"], expected.ids)
    np.testing.assert_allclose(found["probabilities"], expected.probabilities, 1e-5)
    for name in "ab":
        ids = np.asarray(Image.open(tmp_path / f"out/{name}_ids.png"))
        answer = model.answer(np.load(tmp_path / f"{name}.npy"))
        np.testing.assert_array_equal(ids, answer.ids)
        colours = np.asarray(Image.open(tmp_path / f"out/{name}_colour.png"))
        np.testing.assert_array_equal(colours, model.info.palette()[ids])
    assert (tmp_path / "some/a_ids.png").exists()
    for text in (
        "need Pillow: pip install pillow",
        "missing.npy: cannot be read",
        "has no memory",
        "--out: is missing",
    ):
        assert text in done.stderr
    for text in ("equal to the bit", "a.npy  40x56", "# images"):
        assert text in done.stdout


def test_it_is_a_program_of_its_own(exported, tmp_path):
    done = subprocess.run(
        [sys.executable, str(exported), "--info"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for text in ("unet, ", "sky, building", "CC0-1.0", "mIoU on 8 images"):
        assert text in done.stdout


@pytest.mark.parametrize("size", [(1, 1), (7, 13)])
def test_pngs_are_read_by_others(size, tmp_path, model):
    rng = np.random.default_rng(0)
    palette = model.info.palette()
    ids = rng.integers(0, 11, size).astype(np.uint8)
    standalone.write_png(tmp_path / "ids.png", ids, palette)
    read = Image.open(tmp_path / "ids.png")
    np.testing.assert_array_equal(np.asarray(read), ids)
    np.testing.assert_array_equal(np.asarray(read.convert("RGB")), palette[ids])
    standalone.write_png(tmp_path / "rgb.png", palette[ids], palette)
    np.testing.assert_array_equal(Image.open(tmp_path / "rgb.png"), palette[ids])


def test_names_of_results_tell_pictures_apart(tmp_path):
    from segjax.core.errors import UserError

    names = standalone._names
    assert names([tmp_path / "a.png", tmp_path / "b.png"]) == ["a", "b"]
    assert names([tmp_path / "a.png", tmp_path / "a.jpg"]) == ["a.png", "a.jpg"]
    with pytest.raises(UserError, match="one name"):
        names([tmp_path / "x/a.png", tmp_path / "y/a.png"])
