"""Processes that end, hang or compute nonsense, under a server that goes on."""

import io
import os
import resource
import signal
import threading
import time

import numpy as np
import pytest

from segjax.web import schema
from tests.web.program import encoded, serving

BACK = 15
"""Seconds until a worker is back; times ten where other programs have the cores."""


@pytest.fixture(scope="module")
def fragile(models, deep):
    paths = models / "tiny.segjax", models / "other.segjax", deep
    with serving(*paths, limits={"worker_seconds": 5}) as running:
        yield running


def worker(server, name):
    (pid,) = (p for p, args in server.children().items() if f"{name}.segjax" in args)
    return pid


def npy(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


DEEP = npy(np.random.default_rng(0).random((40, 56, 1)).astype(np.float32))


def test_a_killed_worker_is_replaced_and_others_go_on(fragile, image):
    before = fragile.predict(image).json()["models"][0]["maps"]
    os.kill(worker(fragile, "tiny"), signal.SIGKILL)
    begin = time.monotonic()
    fragile.wait(lambda: fragile.states()["tiny"] == "down", 5)
    answer = fragile.predict(image)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert int(answer.headers["retry-after"]) > 0
    assert fragile.client.get("/readyz").status_code == 503
    assert fragile.client.get("/healthz").status_code == 200
    assert fragile.predict(DEEP, models="deep").status_code == 200
    fragile.wait_until_ready()
    assert time.monotonic() - begin < 10 * BACK
    after = fragile.predict(image).json()["models"][0]["maps"]
    assert after == before
    assert 'worker_restarts{model="tiny"} 1.0' in fragile.client.get("/metrics").text


@pytest.mark.slow
def test_the_request_that_a_worker_ends_with_is_told(fragile, image):
    pid = worker(fragile, "tiny")
    os.kill(pid, signal.SIGSTOP)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(fragile.predict(image)))
    thread.start()
    time.sleep(0.5)
    os.kill(pid, signal.SIGKILL)
    thread.join(20)
    assert answers[0].status_code == 503
    assert answers[0].json()["code"] == "no_answer"
    fragile.wait_until_ready()


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(fragile, image):
    pid = worker(fragile, "tiny")
    os.kill(pid, signal.SIGSTOP)
    answer = fragile.predict(image)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_answer")
    fragile.wait_until_ready()
    assert worker(fragile, "tiny") != pid
    assert fragile.predict(image).status_code == 200


def test_numbers_that_are_none_are_refused_and_the_worker_stays(fragile, image):
    pid = worker(fragile, "deep")
    huge = npy(np.full((40, 56, 1), 3e38, np.float32))
    answer = fragile.predict(huge, models="deep")
    assert (answer.status_code, answer.json()["code"]) == (503, "no_answer")
    assert "finite" in answer.json()["error"]
    assert fragile.predict(DEEP, models="deep").status_code == 200
    assert worker(fragile, "deep") == pid


@pytest.mark.slow
def test_a_worker_without_memory_is_replaced(fragile, image):
    pid = worker(fragile, "tiny")
    with open(f"/proc/{pid}/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (taken, taken))
    answer = fragile.predict(np.zeros((2000, 2000, 3), np.uint8))
    assert (answer.status_code, answer.json()["code"]) == (503, "no_answer")
    fragile.wait_until_ready()
    assert worker(fragile, "tiny") != pid
    assert fragile.predict(image).status_code == 200


def test_killed_decoders_are_replaced(fragile, image):
    decoders = [p for p, args in fragile.children().items() if "decoder" in args]
    assert len(decoders) == 2
    for pid in decoders:
        os.kill(pid, signal.SIGKILL)
    codes = [fragile.predict(image).status_code for _ in range(3)]
    assert codes[-1] == 200
    assert set(codes) <= {200, 422}
    assert not set(decoders) & set(fragile.children())


@pytest.mark.slow
def test_of_several_models_one_that_fails_says_so_in_its_place(fragile, image):
    os.kill(worker(fragile, "tiny"), signal.SIGSTOP)
    found = fragile.predict(image, models="tiny,other").json()
    schema.Answer.model_validate(found, strict=True)
    assert found["models"][0]["code"] == "no_answer"
    assert found["models"][1]["maps"]["ids"]
    fragile.wait_until_ready()


def test_a_picture_of_other_pixels_is_refused(fragile, image):
    answer = fragile.predict(image, models="deep")
    assert (answer.status_code, answer.json()["code"]) == (422, "other_pixels")
    answer = fragile.predict(encoded(image, "TIFF"))
    assert (answer.status_code, answer.json()["code"]) == (415, "other_format")
    schema.Error.model_validate(answer.json())
