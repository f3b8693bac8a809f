"""Places in the queue, pictures that are too large, and what a proxy tells."""

import contextlib
import io
import os
import signal
import threading
import time

import httpx
import numpy as np
import pytest
from PIL import Image

from segjax.web import schema
from tests.web.program import png, serving


@pytest.fixture(scope="module")
def narrow(models):
    """A server of few places, behind a proxy, whose network sees 2000 pixels."""
    limits = {"queue": 4, "network_pixels": 2000, "request_seconds": 20}
    with serving(
        models / "tiny.segjax", limits=limits, proxy="127.0.0.1", log_addresses=True
    ) as running:
        yield running


@contextlib.contextmanager
def held(server):
    """The worker does nothing while the block runs."""
    (pid,) = (p for p, args in server.children().items() if "worker" in args)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Asked(threading.Thread):
    """A request on its way."""

    def __init__(self, server, content, address):
        super().__init__()
        self.server, self.content, self.address = server, content, address
        self.start()

    def run(self):
        self.answer = httpx.post(
            f"{self.server.url}/api/predict",
            files={"picture": self.content},
            headers={"x-forwarded-for": self.address},
            timeout=60,
        )


def waiting(server):
    text = server.client.get("/metrics").text
    return int(float(text.partition('segjax_queue{model="tiny"} ')[2].split()[0]))


def test_one_address_leaves_room_for_others_and_a_full_queue_says_so(narrow, image):
    content, threads = png(image), []
    with held(narrow):
        for number in range(3):  # as many as one address may have
            threads.append(Asked(narrow, content, "10.0.0.1"))
            narrow.wait(lambda n=number: waiting(narrow) == n + 1)
        more = Asked(narrow, content, "10.0.0.1")
        more.join(20)
        assert more.answer.status_code == 429
        assert more.answer.json()["code"] == "too_many_requests"
        assert int(more.answer.headers["retry-after"]) > 0
        threads.append(Asked(narrow, content, "10.0.0.2"))
        narrow.wait(lambda: waiting(narrow) == 4)
        full = Asked(narrow, content, "10.0.0.3")
        full.join(20)
        assert (full.answer.status_code, full.answer.json()["code"]) == (503, "busy")
    for thread in threads:
        thread.join(60)
    assert [t.answer.status_code for t in threads] == [200] * 4
    narrow.wait(lambda: waiting(narrow) == 0)
    assert any("10.0.0.2 POST /api/predict 200" in line for line in narrow.log)


def test_who_leaves_gives_the_place_back(narrow, image):
    with held(narrow):
        first = Asked(narrow, png(image), "10.0.0.1")
        narrow.wait(lambda: waiting(narrow) == 1)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{narrow.url}/api/predict", files={"picture": png(image)}, timeout=1
            )
        narrow.wait(lambda: waiting(narrow) == 1)
    first.join(60)
    assert first.answer.status_code == 200


@pytest.mark.slow
def test_an_answer_that_does_not_come_in_time_is_late(models, image):
    limits = {"request_seconds": 1}
    with serving(models / "tiny.segjax", limits=limits) as server:
        with held(server):
            begin = time.monotonic()
            answer = server.predict(image)
            assert time.monotonic() - begin < 10
        assert (answer.status_code, answer.json()["code"]) == (503, "late")
        server.wait(lambda: server.predict(image).status_code == 200)


def test_a_large_picture_is_scaled_down_for_the_network_and_its_answer_back(narrow):
    found = narrow.predict(np.zeros((120, 90, 3), np.uint8), maps="confidence").json()
    schema.Answer.model_validate(found, strict=True)
    (said,) = found["models"]
    height, width = said["network_size"]
    assert said["scaled"]
    assert height * width <= 2000
    assert height / width == pytest.approx(120 / 90, rel=0.05)
    mask = narrow.client.post(
        "/api/predict/tiny/mask.png", content=png(np.zeros((120, 90, 3), np.uint8))
    )
    assert Image.open(io.BytesIO(mask.content)).size == (90, 120)
    small = narrow.predict(np.zeros((40, 50, 3), np.uint8)).json()["models"][0]
    assert not small["scaled"] and small["network_size"] == [40, 50]
