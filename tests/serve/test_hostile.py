"""No file does harm when it is read: it is refused, at once, in one clear line."""

import json
import resource
import time

import pytest

from segjax.core.errors import UserError
from segjax.serve import bundle
from segjax.serve.load import load
from tests.serve.hostile import FILES

SECONDS = 1.0
MEGABYTES = 100


@pytest.fixture(scope="module")
def good(plain):
    """Read once, so that what is measured is the reading of a bad one."""
    load(plain)
    return plain


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused(good, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a canary would be
    path = tmp_path / "bad.segjax"
    FILES[name](good, path)
    before, begin = peak(), time.process_time()
    with pytest.raises(UserError) as error:
        load(path)
    assert time.process_time() - begin < SECONDS
    assert peak() - before < MEGABYTES
    message = str(error.value)
    assert "bad.segjax" in message and len(message) < 1000
    assert [p.name for p in tmp_path.iterdir()] == ["bad.segjax"]


def test_there_are_many_kinds():
    assert len(FILES) >= 40


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.segjax"):
        with pytest.raises(UserError, match="no such file"):
            load(path)


def test_the_good_file_is_good_after_all(good):
    with bundle.Bundle(good) as opened:
        assert opened.verify() == len(json.loads(json.dumps(opened.manifest["files"])))


def test_code_in_a_file_is_not_run(good, tmp_path, monkeypatch):
    from tests.serve.hostile import members

    monkeypatch.chdir(tmp_path)
    manifest, found = members(good)
    del manifest["files"]
    evil = b"open('canary', 'w')\n"
    names = ("__main__.py", "segjax/__init__.py", "flatbuffers/__init__.py", "jax.py")
    found |= dict.fromkeys(names, evil)
    bundle.write(tmp_path / "evil.segjax", manifest, found)
    load(tmp_path / "evil.segjax")
    assert not (tmp_path / "canary").exists()


def test_the_canary_sings(tmp_path, monkeypatch):
    """Or the tests above would prove nothing."""
    import pickle

    from tests.serve.hostile import Canary

    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Canary())).close()
    assert (tmp_path / "canary").exists()
