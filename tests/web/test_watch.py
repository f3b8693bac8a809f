"""Files of models that come, change and go under a running server."""

import hashlib
import os
import shutil

import pytest

from tests.web.program import Server

SLOW = ("flipped", "text", "empty")


@pytest.fixture(scope="module")
def watched(models, tmp_path_factory):
    """A server of a folder, which is empty at first but for a model."""
    folder = tmp_path_factory.mktemp("watched")
    put(models / "tiny.segjax", folder / "first.segjax")
    server = Server(folder=folder)
    server.folder = folder
    yield server.wait_until_ready()
    server.stop()


def put(source, path):
    """Copy a file in one go, as `mv` does."""
    shutil.copy(source, path.with_name(f".{path.name}.tmp"))
    os.replace(path.with_name(f".{path.name}.tmp"), path)


def listed(server):
    found = server.client.get("/api/models").json()["models"]
    return {model["name"]: model for model in found}


def state(server, name):
    return listed(server).get(name, {}).get("state", "none")


def test_models_come_change_and_go(watched, models, image):
    folder = watched.folder
    assert list(listed(watched)) == ["first"]

    put(models / "other.segjax", folder / "Nächstes Modell!.segjax")
    watched.wait(lambda: state(watched, "N-chstes-Modell") == "ready")
    answer = watched.predict(image, models="N-chstes-Modell,first")
    assert answer.json()["differences"][0]["agreement"] < 1

    before = watched.predict(image, models="first").json()["models"][0]["maps"]
    put(models / "other.segjax", folder / "first.segjax")
    digest = listed(watched)["N-chstes-Modell"]["sha256"]
    watched.wait(lambda: listed(watched)["first"]["sha256"] == digest)
    after = watched.predict(image, models="first").json()["models"][0]["maps"]
    assert before != after

    (folder / "first.segjax").unlink()
    watched.wait(lambda: state(watched, "first") == "none")
    answer = watched.predict(image, models="first")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_model")
    assert watched.predict(image).status_code == 200
    watched.wait(lambda: sum("worker" in a for a in watched.children().values()) == 1)


@pytest.mark.slow
def test_a_model_is_served_while_its_next_version_is_loaded(watched, models, image):
    put(models / "tiny.segjax", watched.folder / "kept.segjax")
    watched.wait(lambda: state(watched, "kept") == "ready")
    first = listed(watched)["kept"]["sha256"]
    put(models / "other.segjax", watched.folder / "kept.segjax")
    codes = set()

    def replaced():
        codes.add(watched.predict(image, models="kept").status_code)
        return listed(watched)["kept"]["sha256"] != first

    watched.wait(replaced)
    assert codes == {200}


@pytest.mark.parametrize(
    "harm",
    [
        "cut",
        *(
            pytest.param(h, marks=pytest.mark.slow)
            for h in ("flipped", "text", "empty")
        ),
    ],
)
def test_a_damaged_file_has_failed_and_a_good_one_mends_it(
    watched, models, image, harm
):
    good = (models / "tiny.segjax").read_bytes()
    place = good.index(b"parameters/")
    content = {
        "cut": good[:-100],
        "flipped": good[: place + 40] + b"\xff" + good[place + 41 :],
        "text": b"no model",
        "empty": b"",
    }[harm]
    path, name = watched.folder / f"{harm}.segjax", harm
    path.write_bytes(content)
    watched.wait(lambda: state(watched, name) == "failed")
    reason = listed(watched)[name]["reason"]
    assert f"{harm}.segjax: is " in reason and str(watched.folder) not in reason
    answer = watched.predict(image, models=name)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert watched.client.get("/readyz").status_code == 200
    answer = watched.client.get(f"/models/{name}/download")
    assert answer.status_code == 503
    if harm == "cut":
        put(models / "tiny.segjax", path)
        watched.wait(lambda: state(watched, name) == "ready")
        assert watched.predict(image, models=name).status_code == 200


def test_what_is_no_file_or_hidden_is_not_seen(watched, models):
    folder = watched.folder
    os.mkfifo(folder / "pipe.segjax")
    (folder / "folder.segjax").mkdir()
    (folder / "dangling.segjax").symlink_to("nowhere")
    shutil.copy(models / "tiny.segjax", folder / ".hidden.segjax")
    shutil.copy(models / "tiny.segjax", folder / "notes.txt")
    put(models / "other.segjax", folder / "seen.segjax")
    watched.wait(lambda: state(watched, "seen") == "ready")
    assert not {"pipe", "folder", "dangling", "hidden", "notes"} & set(listed(watched))


def test_names_are_unique_and_safe(watched, models):
    for name in ("a b.segjax", "a-b.segjax", "%%.segjax", "%2e%2e.segjax"):
        (watched.folder / name).write_bytes(b"")
    expected = {"a-b", "a-b-2", "model", "2e-2e"}
    watched.wait(lambda: expected <= set(listed(watched)))


@pytest.mark.slow
def test_a_replaced_file_is_not_given_under_the_old_digest(watched, models):
    path = watched.folder / "given.segjax"
    put(models / "tiny.segjax", path)
    watched.wait(lambda: state(watched, "given") == "ready")
    put(models / "other.segjax", path)
    answer = watched.client.get("/models/given/download")
    if answer.status_code == 200:  # the new one was quick
        digest = hashlib.sha256(answer.content).hexdigest()
        assert answer.headers["x-sha256"] == digest
    else:
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
