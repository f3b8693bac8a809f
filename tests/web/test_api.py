import base64
import io

import numpy as np
import pytest
from PIL import Image

from segjax.serve.load import load


def png(array) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def ids_of(uri: str) -> np.ndarray:
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.array(Image.open(io.BytesIO(content)))


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)


@pytest.fixture(scope="module")
def model(artefact):
    return load(artefact, checked=False)  # the server has checked it


def test_the_ids_are_those_of_the_model(client, image, model):
    answer = client.post("/api/predict", files={"picture": png(image)})
    assert answer.status_code == 200, answer.text
    (said,) = answer.json()["models"]
    ids = ids_of(said["maps"]["ids"])
    assert np.array_equal(ids, model.answer(image).ids)


def test_the_mask_has_the_palette_of_the_classes(client, image, model):
    answer = client.post(
        "/api/predict/tiny/mask.png",
        content=png(image),
        headers={"content-type": "image/png"},
    )
    mask = Image.open(io.BytesIO(answer.content))
    assert mask.mode == "P"
    assert np.array_equal(np.array(mask), model.answer(image).ids)
