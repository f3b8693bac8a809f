"""What the data of a run stop at its start, print there, and what is remembered."""

import shutil

import numpy as np
import pytest
from PIL import Image

from segjax import config, guards, run
from segjax.core.errors import UserError
from segjax.data import audit
from segjax.report import record

TRAIN, VAL = "0", "7"


@pytest.fixture
def root(drawn, tmp_path):
    """A copy of the drawn images: `TRAIN` is to train on and `VAL` to validate."""
    root = shutil.copytree(drawn(3), tmp_path / "data")
    (root / "splits").mkdir()
    (root / "splits/train.txt").write_text("\n".join("012345"))
    (root / "splits/val.txt").write_text(f"6\n{VAL}")
    return root


@pytest.fixture
def start(root, tmp_path, settings, monkeypatch, capsys):
    """`start(run="name", **changes)`: the lines that the start of a run prints."""
    monkeypatch.setenv("SEGJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run._Run, "_program", lambda self: None)  # it is not trained

    def begin(run_name="run", **changes):
        checked = config.resolve(settings(data__root=str(root), **changes))
        capsys.readouterr()
        run._Run(checked, tmp_path / run_name, writer=True, begin=0.0)
        return capsys.readouterr().out.splitlines()

    return begin


def bad_id(root):
    mask = np.array(Image.open(root / f"masks/{VAL}.png"))
    Image.fromarray(mask + np.uint8(40)).save(root / f"masks/{VAL}.png")


def leak(root):
    shutil.copy(root / f"images/{TRAIN}.png", root / f"images/{VAL}.png")


def disguise(root):
    Image.open(root / f"images/{TRAIN}.png").save(root / f"images/{TRAIN}.png", "WEBP")


def with_alpha(root):
    path = root / f"images/{TRAIN}.png"
    Image.open(path).convert("RGBA").save(path)


@pytest.mark.parametrize(
    ("spoil", "words"), [(bad_id, "mask has id"), (leak, r"\(val\): equal content")]
)
def test_a_refusal_comes_before_the_record(
    spoil, words, root, tmp_path, settings, monkeypatch
):
    monkeypatch.setenv("SEGJAX_CACHE", str(tmp_path / "cache"))
    spoil(root)
    with pytest.raises(UserError, match=words):
        run.train(
            settings(data__root=str(root)),
            workdir=tmp_path / "run",
            cluster=(None, None, None),
            argv=[],
        )
    assert not record.read(tmp_path / "run")


@pytest.mark.parametrize(
    ("spoil", "line"),
    [(disguise, "warn: 1 wrong_suffix ("), (with_alpha, "fix: 1 image_mode (")],
)
def test_what_is_no_refusal_is_printed(spoil, line, root, start):
    assert not any("wrong_suffix" in k or "image_mode" in k for k in start())
    spoil(root)
    said = start()
    assert sum(k.startswith(line) for k in said) == 1
    assert said[-1] == "`segjax inspect data --config=...` shows all."


def test_the_next_run_on_the_same_files_looks_at_none(
    root, tmp_path, start, monkeypatch
):
    seen, look = [], audit.pairs.look
    monkeypatch.setattr(audit.pairs, "look", lambda *a: seen.append(1) or look(*a))
    first = start("one")
    assert len(seen) == 8
    assert start("one") == start("two") == first  # the same folder, and another
    shutil.rmtree(tmp_path / "cache")
    assert start("two") == first  # which knows by itself
    assert len(seen) == 8
    disguise(root)
    assert start("two") != first
    assert len(seen) == 16


def test_off_and_leaks_are_fields_of_the_config(root, start):
    leak(root)
    assert start(audit=dict(depth="off")) == []
    said = start(audit=dict(leaks="warn"))
    assert said[0].startswith("warn: 1 duplicate_across (")


def test_another_audit_is_the_same_experiment(tmp_path, settings):
    record.write_config(tmp_path, config.resolve(settings()).plain)
    other = config.resolve(settings(audit=dict(depth="masks")))
    guards.refuse_other_config(tmp_path, other)
    defaults = dict(depth="full", leaks="refuse")
    assert "audit" not in config.resolve(settings(audit=defaults)).plain
