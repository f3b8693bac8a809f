"""Every file of a checkpoint, damaged in every way: always seen, never used."""

import random
import shutil

import pytest

from segjax.checkpoint import Checkpoints, digest, manifest, read_weights
from segjax.core.errors import UserError


def flip(path, rng):
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


DAMAGE = {
    "flip": flip,
    "delete": lambda path, rng: path.unlink(),
    "empty": lambda path, rng: path.write_bytes(b""),
    "half": lambda path, rng: path.write_bytes(
        path.read_bytes()[: path.stat().st_size // 2]
    ),
    "less one": lambda path, rng: path.write_bytes(path.read_bytes()[:-1]),
    "more one": lambda path, rng: path.write_bytes(path.read_bytes() + b" "),
    "zeros": lambda path, rng: path.write_bytes(b"\0" * path.stat().st_size),
}


@pytest.fixture
def saved(tmp_path, make, meta):
    """A folder with the checkpoints of steps 1 and 2, the first of them the best."""
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {"miou": 0.5}, meta)
        checkpoints.save(2, make(2), {"miou": 0.4}, meta)
    return tmp_path


def contents(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("kind", DAMAGE)
def test_every_damage_of_every_file_is_seen(saved, kind):
    path = saved / "latest/00000002"
    rng = random.Random(kind)
    assert manifest.verify(path).step == 2
    files = contents(path)
    assert len(files) > 8
    for file in files:
        before = file.read_bytes()
        for _ in range(8 if kind == "flip" else 1):
            DAMAGE[kind](file, rng)
            with pytest.raises(manifest.Damaged, match=file.name):
                manifest.verify(path)
            file.write_bytes(before)
    manifest.verify(path)


def test_the_message_has_what_was_expected_and_found(saved):
    path = saved / "latest/00000002"
    file = path / "arrays/manifest.ocdbt"
    size = file.stat().st_size
    DAMAGE["flip"](file, random.Random(0))
    words = (
        r"arrays/manifest.ocdbt: sha256 [0-9a-f]{12}... expected, found [0-9a-f]{12}"
    )
    with pytest.raises(manifest.Damaged, match=words):
        manifest.verify(path)
    DAMAGE["less one"](file, random.Random(0))
    words = f"arrays/manifest.ocdbt: {size} bytes expected, found {size - 1}"
    with pytest.raises(manifest.Damaged, match=words):
        manifest.verify(path)
    DAMAGE["delete"](file, random.Random(0))
    with pytest.raises(manifest.Damaged, match=r"arrays/manifest.ocdbt: is missing"):
        manifest.verify(path)


def test_every_bit_of_the_manifest_counts(saved):
    path = saved / "latest/00000002"
    file = path / manifest.MANIFEST
    before = file.read_bytes()
    for place in range(0, len(before), 43):
        for bit in range(8):
            data = bytearray(before)
            data[place] ^= 1 << bit
            file.write_bytes(data)
            with pytest.raises(manifest.Damaged, match=manifest.MANIFEST):
                manifest.read(path)


@pytest.mark.parametrize("name", ["manifest.json", "arrays/manifest.ocdbt", "largest"])
@pytest.mark.parametrize("kind", ["flip", "delete", "half"])
def test_the_good_one_before_is_used(saved, make, meta, caplog, name, kind):
    path = saved / "latest/00000002"
    victim = (
        max(contents(path / "arrays"), key=lambda p: p.stat().st_size)
        if name == "largest"
        else path / name
    )
    DAMAGE[kind](victim, random.Random(0))
    with Checkpoints(saved) as checkpoints:
        found, _, step = checkpoints.restore(None, make(0), meta=meta)
        assert (step, digest(found)) == (1, digest(make(1)))
        [record] = caplog.records
        assert record.levelname == "WARNING"
        assert "\n" not in record.getMessage()
        assert victim.name in record.getMessage()
        assert (saved / "quarantine/latest-00000002").is_dir()
        assert checkpoints.latest() == 1
        checkpoints.save(2, make(2), {}, meta)
        checkpoints.wait()
        assert checkpoints.restore(None, make(0))[2] == 2


def test_an_array_that_was_stored_wrong_is_seen(saved, make, caplog):
    """The files are whole, but not what was in memory: the digest of the array says."""
    path = saved / "latest/00000002"
    facts = manifest.read(path)
    shutil.rmtree(path / "arrays")
    shutil.copytree(saved / "latest/00000001/arrays", path / "arrays")
    manifest.write(path, facts)
    manifest.verify(path)
    with Checkpoints(saved) as checkpoints:
        assert checkpoints.restore(None, make(0))[2] == 1
    assert "array " in caplog.text


def test_a_damaged_step_that_was_asked_for_is_refused(saved, make):
    DAMAGE["flip"](saved / "latest/00000002/arrays/manifest.ocdbt", random.Random(0))
    words = "no whole checkpoint of step 2"
    with Checkpoints(saved) as checkpoints, pytest.raises(UserError, match=words):
        checkpoints.restore(2, make(0))


def test_all_damaged_is_never_a_new_run(saved, make, meta):
    for step in (1, 2):
        DAMAGE["flip"](
            saved / f"latest/0000000{step}/arrays/manifest.ocdbt", random.Random(0)
        )
    with Checkpoints(saved) as checkpoints:
        with pytest.raises(UserError, match="every checkpoint is damaged") as caught:
            checkpoints.restore(None, make(0), meta=meta)
        assert caught.value.exit_code == 2
        assert checkpoints.restore(None, make(0), which="best")[2] == 1
    with Checkpoints(saved) as again:  # nor at the second try, with all moved aside
        with pytest.raises(UserError, match="every checkpoint is damaged"):
            again.latest()
        with pytest.raises(UserError, match="every checkpoint is damaged"):
            again.restore(None, make(0), meta=meta)


def test_a_reader_moves_nothing(saved, make, caplog):
    DAMAGE["half"](saved / "latest/00000002/arrays/manifest.ocdbt", random.Random(0))
    before = sorted(saved.rglob("*"))
    with Checkpoints(saved, read_only=True) as checkpoints:
        assert checkpoints.restore(None, make(0))[2] == 1
    assert read_weights(saved, which="latest").step == 1
    assert sorted(saved.rglob("*")) == before
    assert caplog.text.count("damaged, not used: arrays/manifest.ocdbt") == 2


def test_quarantine_keeps_all_of_one_step(saved, make, meta):
    for _ in range(2):
        DAMAGE["delete"](saved / "latest/00000002/manifest.json", random.Random(0))
        with Checkpoints(saved) as checkpoints:
            assert checkpoints.restore(None, make(0))[2] == 1
            checkpoints.save(2, make(2), {}, meta)
    names = sorted(p.name for p in (saved / "quarantine").iterdir())
    assert names == ["latest-00000002", "latest-00000002-1"]
