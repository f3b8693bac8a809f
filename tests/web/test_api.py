"""What the API says, held to the models themselves and to its own description."""

import base64
import hashlib
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from segjax.serve.load import load
from segjax.web import answers, schema
from tests.web.program import encoded, png


def values(uri: str) -> np.ndarray:
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    picture = Image.open(io.BytesIO(content))
    assert picture.mode == "L"
    return np.array(picture)


@pytest.fixture(scope="module")
def model(models):
    """By name, as a user of the file has it; the server has checked it."""
    paths = models.glob("*.segjax")
    return {path.stem: load(path, checked=False) for path in paths}


def good(answer):
    assert answer.status_code == 200, answer.text
    found = answer.json()
    schema.Answer.model_validate(found, strict=True)
    return found


@pytest.mark.parametrize("size", [(40, 56), (1, 1), (9, 200), (100, 130)])
def test_the_ids_are_those_of_the_model(server, model, size):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    found = good(server.predict(image))
    (said,) = found["models"]
    expected = model["tiny"].answer(image).ids
    assert np.array_equal(values(said["maps"]["ids"]), expected)
    assert found["picture"] == {"height": size[0], "width": size[1]}
    assert said["name"] == "tiny" and not said["scaled"]
    shares = np.bincount(expected.ravel()) / expected.size
    assert [(s["id"], s["share"]) for s in said["shares"]] == [
        (k, share) for k, share in enumerate(shares) if share
    ]


def test_maps_are_those_of_the_probabilities(server, model, image):
    found = good(server.predict(image, maps="confidence, entropy", models="discs"))
    maps = found["models"][0]["maps"]
    expected = model["discs"].answer(image, probabilities=True).probabilities
    assert np.array_equal(values(maps["confidence"]), answers.confidence(expected))
    assert np.array_equal(values(maps["entropy"]), answers.entropy(expected))
    assert set(maps) == {"ids", "confidence", "entropy"}


def test_a_reference_is_scored(server, model, image):
    truth = np.random.default_rng(2).integers(0, 11, (40, 56), np.uint8)
    truth[:4] = 255
    found = good(server.predict(image, reference=truth, maps="errors"))
    (said,) = found["models"]
    ids = model["tiny"].answer(image).ids
    assert said["scores"] == answers.scored(ids, truth, model["tiny"].info)
    assert np.array_equal(values(said["maps"]["errors"]), answers.errors(ids, truth))


def test_models_of_the_same_classes_are_compared(server, model, image):
    found = good(server.predict(image, models="tiny,discs,other,tiny"))
    assert [m["name"] for m in found["models"]] == ["tiny", "discs", "other"]
    (difference,) = found["differences"]
    assert difference["models"] == ["tiny", "other"]
    a, b = (model[name].answer(image).ids for name in difference["models"])
    assert np.array_equal(values(difference["map"]), a != b)
    assert difference["agreement"] == pytest.approx((a == b).mean())


def test_a_reference_that_suits_one_of_two_models_scores_that_one(server, image):
    truth = np.random.default_rng(2).integers(0, 11, (40, 56), np.uint8)
    found = good(server.predict(image, reference=truth, models="discs,tiny"))
    assert found["models"][0]["code"] == "bad_reference"
    assert found["models"][1]["scores"]["classes"]


@pytest.mark.parametrize("as_form", [True, False])
def test_the_mask_has_the_palette_of_the_classes(client, model, image, as_form):
    content = encoded(image, "WEBP", lossless=True)
    body = {"files": {"picture": content}} if as_form else {"content": content}
    answer = client.post("/api/predict/other/mask.png", **body)
    assert answer.headers["content-type"] == "image/png"
    mask = Image.open(io.BytesIO(answer.content))
    assert mask.mode == "P"
    assert np.array_equal(np.array(mask), model["other"].answer(image).ids)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"models": "nobody"}, 404, "no_such_model"),
        ({"models": "a,b,c,d,e"}, 400, "bad_form"),
        ({"maps": "heat"}, 400, "bad_form"),
        ({"reference": np.zeros((3, 3), np.uint8)}, 422, "bad_reference"),
        ({"reference": np.full((40, 56), 11, np.uint8)}, 422, "bad_reference"),
    ],
)
def test_a_form_with_mistakes_is_refused(server, image, fields, status, code):
    answer = server.predict(image, **fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    schema.Error.model_validate(answer.json())


def test_a_form_without_a_picture_is_refused(client):
    for files in ({"other": b"x"}, {"picture": ("", b"")}):
        answer = client.post("/api/predict", files=files)
        assert (answer.status_code, answer.json()["code"]) == (400, "no_picture")


def test_an_empty_reference_is_none(client, image):
    files = {"picture": png(image), "reference": ("truth.png", b"")}
    answer = client.post("/api/predict", files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_reference")


def test_what_is_no_picture_is_refused(client):
    answer = client.post("/api/predict", files={"picture": b"<svg></svg>"})
    assert (answer.status_code, answer.json()["code"]) == (415, "other_format")


def test_the_models_describe_themselves(client, model):
    found = client.get("/api/models").json()
    schema.Models.model_validate(found)
    assert [m["name"] for m in found["models"]] == ["tiny", "other", "discs"]
    for said in found["models"]:
        own = model[said["name"]]
        assert said["state"] == "ready"
        assert said["sha256"] == own.sha256
        assert said["class_names"] == list(own.info.class_names)
        assert said["class_colours"] == [list(c) for c in own.info.class_colours]
        assert said["parameters"] == own.about.parameters
    assert found["flags"] == []


def test_the_file_of_a_model_can_be_had(client, models):
    content = (models / "tiny.segjax").read_bytes()
    answer = client.get("/models/tiny/download")
    digest = hashlib.sha256(content).hexdigest()
    assert answer.content == content
    assert answer.headers["x-sha256"] == digest
    assert answer.headers["etag"] == f'"{digest}"'
    assert 'filename="tiny.segjax"' in answer.headers["content-disposition"]
    assert zipfile.is_zipfile(io.BytesIO(answer.content))
    part = client.get("/models/tiny/download", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    same = client.get("/models/tiny/download", headers={"if-none-match": f'"{digest}"'})
    assert (same.status_code, same.content) == (304, b"")
    head = client.head("/models/tiny/download")
    assert int(head.headers["content-length"]) == len(content)


def test_the_card_of_a_model_can_be_had(client):
    answer = client.get("/models/tiny/card")
    assert answer.text == "# A card\n"
    assert answer.headers["content-type"].startswith("text/markdown")


def test_openapi_describes_all_of_it_and_the_page_shows_it(client):
    document = client.get("/api/openapi.json").json()
    paths = {p for p in document["paths"] if p.startswith("/api")}
    assert paths == {
        "/api/models",
        "/api/predict",
        "/api/predict/{name}/mask.png",
        "/api/drift",
        "/api/flag",
    }
    page = client.get("/api", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "<script" not in page.text and " style=" not in page.text
    for path in document["paths"]:
        assert path in page.text
    assert (
        client.get("/static/style.css").headers["content-type"].startswith("text/css")
    )
    for path in ("/docs", "/redoc", "/openapi.json", "/static/../app.py"):
        assert client.get(path).status_code == 404


def test_what_the_server_counts(server, image):
    def counted(name):
        lines = server.client.get("/metrics").text.splitlines()
        (line,) = (x for x in lines if x.startswith(name))
        return float(line.split()[-1])

    name = 'segjax_pictures_total{model="tiny"}'
    good(server.predict(image))
    before = counted(name)
    programs = counted('segjax_compiled_programs{model="tiny"}')
    good(server.predict(image))
    assert counted(name) == before + 1
    assert counted('segjax_compiled_programs{model="tiny"}') == programs > 0
    assert counted("segjax_ready ") == 1


def test_drift_needs_a_reference(client):
    found = client.get("/api/drift").json()
    schema.Drifts.model_validate(found)
    assert [m["drifted"] for m in found["models"]] == [False] * 3
    assert "says nothing" in found["models"][0]["verdict"]


def test_flags_are_off_unless_asked_for(client, image):
    answer = client.post("/api/flag", files={"picture": png(image)})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
