"""The studies that are shipped: every point is right, and the first one runs."""

import pathlib

import jax
import pytest

from segjax import config, parallel, run
from segjax.study import folder, job, points

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "configs" / "ablations").glob("*.py"))
SWEEPS = [(path, "") for path in STUDIES]
SWEEPS += [(ROOT / "configs/ablations/width_depth.py", n) for n in ("width", "depth")]


def made(path, variant="", sweep=""):
    base = job.module(str(path)).get_config(variant).to_dict()
    return base, points.make(job.load(str(path), sweep, variant), base)


@pytest.mark.parametrize("variant", ["", "quick"])
@pytest.mark.parametrize(
    ("path", "sweep"), SWEEPS, ids=[f"{p.stem}_{s}".strip("_") for p, s in SWEEPS]
)
def test_every_point_is_right(path, sweep, variant):
    base, found = made(path, variant, sweep)
    assert len(found) == len({p.arm for p in found}) * 3  # seeds
    assert [p.seed for p in found] == sorted(p.seed for p in found)
    text = path.read_text()
    assert all(f"{word}:" in text for word in ("Source", "Command", "Answer"))
    for point in found:
        assert config.resolve(points.settings(base, point)).seed == point.seed


@pytest.mark.slow
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_arm_takes_two_steps(path, tmp_path, monkeypatch):
    make = parallel.make_mesh
    one = jax.devices()[:1]
    monkeypatch.setattr(parallel, "make_mesh", lambda devices=None: make(one))
    base, found = made(path, "quick")
    for point in (p for p in found if p.seed == 0):
        place = tmp_path / point.arm
        settings = points.settings(base, point)
        run.train(settings, workdir=place, cluster=(None, None, None), argv=[])
        assert folder.ended(place) == "finished"
