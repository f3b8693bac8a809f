"""The pages without a browser: what they say, their status, and what they escape."""

import asyncio
import re

import httpx
import numpy as np
import pytest

from segjax.data.datasets import streets
from segjax.web import answers, app, served, service, static
from segjax.web.counters import Counters
from segjax.web.limits import Limits
from segjax.web.measured import measured
from segjax.web.pages import cards, samples, upload, words
from segjax.web.refused import Refused
from segjax.web.registry import Registry
from tests.web.program import png

ABOUT = {
    "title": "Roads <b>& more",
    "task": "multiclass",
    "architecture": "unet",
    "parameters": 1_946_076,
    "licence": "",
    "dataset": "streets",
    "note": "Two annotators agree at 0.90.",
    "scores": {
        "dataset": "streets",
        "split": "val",
        "images": 32,
        "protocol": "whole()",
        "postprocess": "",
        "convention": "mean over classes (as mmsegmentation, Keras)",
        "miou": 0.497,
        "mean_dice": 0.592,
        "pixel_accuracy": 0.874,
    },
    "class_names": ["sky", "<i>road"],
    "class_colours": [[70, 130, 180], [128, 64, 128]],
    "pixels": {"channels": 3, "depth": "uint8"},
    "sizes": [[32, 48]],
    "protocol": "whole()",
    "postprocess": "",
    "sha256": "ab" * 32,
    "bytes": 8_126_665,
    "card": "# Roads\n\n<script>alert(1)</script>\n\n![x](http://other/x.png)\n\n"
    "[click](javascript:alert(1))\n\n| a | b |\n| - | - |\n| 1 | 2 |\n",
    "network_pixels": 1000,
}
FEATURE = {
    "name": "luminance",
    "drifted": True,
    "p": 0.001,
    "effect": 0.8,
    "training": [0.2, 0.3, 0.4, 0.5, 0.6],
    "recent": [0.0, 0.0, 0.05, 0.1, 0.1],
    "verdict": "luminance: lower than it was.",
}
HTML = {"accept": "text/html"}


class Model(served.Served):
    """A model without a worker."""

    def __init__(self, name, state, about, reason=""):
        self.name, self.state, self.about, self.reason = name, state, about, reason

    async def likeness(self):
        if not self.about:
            raise Refused("not_ready", "The model is being started.")
        return {
            "pictures": 40,
            "drifted": True,
            "verdict": "Pictures are darker than those of the training.",
            "quantiles": [0.05, 0.25, 0.5, 0.75, 0.95],
            "features": [FEATURE],
        }


class Service(service.Service):
    """Answers all pictures alike."""

    def __init__(self):
        pass

    async def ask(self, content, models, maps, address, mask=None):
        if content == b"damaged":
            raise Refused("damaged", "The file is damaged.")
        ids = np.array([[0, 1, 1, 1]], np.uint8)
        scores = {
            "classes": [
                {"id": 1, "name": "<i>road", "iou": 0.75, "dice": 0.857, "true": True}
            ],
            "miou": 0.75,
            "mean_dice": 0.857,
            "pixel_accuracy": 0.75,
            "convention": "mean over true classes",
        }
        said = {
            "seconds": dict.fromkeys(
                ("queue", "network", "postprocess", "pictures"), 0.0
            ),
            "network_size": [1, 4],
            "scaled": False,
            "shares": [
                {"id": 0, "name": "sky", "share": 0.25},
                {"id": 1, "name": "<i>road", "share": 0.75},
            ],
            "scores": scores if mask else None,
        }
        pictures = {name: answers.grey(ids) for name in maps}
        return {
            "picture": {"height": 1, "width": 4},
            "models": [{"name": m.name, **said, "maps": {**pictures}} for m in models],
            "seconds": {"decode": 0.0, "total": 0.1},
        }


class Pages:
    """A client of an application in this process."""

    def __init__(self, application):
        self._transport = httpx.ASGITransport(application)

    def get(self, address, **given):
        return asyncio.run(self._ask("GET", address, **given))

    def post(self, address, **given):
        return asyncio.run(self._ask("POST", address, **given))

    async def _ask(self, method, address, **given):
        base = {"base_url": "http://localhost", "headers": HTML}
        async with httpx.AsyncClient(transport=self._transport, **base) as client:
            return await client.request(method, address, **given)


@pytest.fixture(scope="module")
def pages():
    limits = Limits()
    registry = Registry([], None, limits)
    registry._models = {
        "roads": Model("roads", "ready", ABOUT),
        "new": Model("new", "starting", {}),
        "bad": Model("bad", "failed", {}, "no model <at all>"),
    }
    state = app.State(registry, Service(), limits, Counters())
    return Pages(app.make(state))


def files(*named):
    return [("picture", each) for each in named]


@pytest.fixture(scope="module")
def picture():
    return png(np.zeros((1, 4, 3), np.uint8))


@pytest.mark.parametrize("address", ["/", "/predict"])
def test_the_page_has_a_form_that_works_without_a_script(pages, address):
    text = pages.get(address).text
    assert '<form id="form" class="start" method="post" action="/predict"' in text
    assert 'name="model:roads" value="on" checked' in text
    assert "Two annotators agree at 0.90." in text
    assert "no model &lt;at all&gt;" in text
    assert "ab" * 32 in text and "49.7 %" in text and "Keras" in text


def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(pages):
    for address in ("/", "/drift", "/api", "/card/roads", "/nowhere"):
        text = pages.get(address).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
        fetched = r'(?:src|action)="([^"]*)"|<link[^>]*href="([^"]*)"'
        found = [one or other for one, other in re.findall(fetched, text)]
        assert all(re.match("/(?!/)|data:image/", where) for where in found)


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"files": {"other": ("a.png", b"x")}}, 400, "No file part"),
        ({"files": {"picture": ("", b"")}}, 400, "No selected file"),
        ({"files": {"picture": ("a.exe", b"x")}}, 415, "File extension not allowed"),
        ({"files": {"picture": ("png", b"x")}}, 415, "File extension not allowed"),
        ({"files": {"picture": ("a.png", b"damaged")}}, 422, "The file is damaged."),
    ],
)
def test_what_is_wrong_with_a_form_is_said_on_the_page(pages, sent, status, message):
    if sent["files"].get("picture", ("x",))[0] == "":
        body = (
            b'--b\r\nContent-Disposition: form-data; name="picture"; filename=""\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n"
        )
        kind = {"content-type": "multipart/form-data; boundary=b"}
        answer = pages.post("/predict", content=body, headers={**HTML, **kind})
    else:
        answer = pages.post("/predict", **sent)
    assert answer.status_code == status
    assert re.search(r'role="alert">(.*)</p>', answer.text)[1] == message
    assert answer.headers["content-type"].startswith("text/html")


def test_programs_get_the_same_words_as_json(pages):
    kind = {"accept": "*/*"}
    answer = pages.post("/predict", files={"other": ("a.png", b"x")}, headers=kind)
    assert answer.json() == {"error": "No file part", "code": "no_picture"}


def test_several_pictures_stand_one_under_the_other(pages, picture):
    answer = pages.post(
        "/predict",
        files=files(("one.png", picture), ("<b>.png", picture), ("3.png", b"damaged")),
    )
    assert answer.status_code == 200
    titles = re.findall(r'<h2 id="result-\d">(.*)</h2>', answer.text)
    assert titles == ["one.png", "&lt;b&gt;.png", "3.png"]
    assert answer.text.count("The file is damaged.") == 1
    assert 'download="one_roads_mask.png"' in answer.text
    assert "&lt;i&gt;road" in answer.text and "IoU" not in answer.text


def test_a_reference_gives_scores(pages, picture):
    sent = [*files(("one.png", picture)), ("reference", ("m.png", picture))]
    text = pages.post("/predict", files=sent).text
    assert "75.0 %" in text and "85.7 %" in text and "mean over true classes" in text
    two = pages.post("/predict", files=[*sent, *files(("two.png", picture))])
    assert two.status_code == 400 and "one picture alone" in two.text


def test_a_model_is_chosen_by_its_box(pages, picture):
    for name, status in (("roads", 200), ("none", 404)):
        answer = pages.post(
            "/predict", files=files(("a.png", picture)), data={f"model:{name}": "on"}
        )
        assert answer.status_code == status


def test_cards_do_no_harm(pages):
    text = pages.get("/card/roads").text
    assert "&lt;script&gt;" in text and "<td>1</td>" in text
    assert "javascript:" not in re.sub(r">[^<]*<", "><", text) and "<img" not in text
    assert pages.get("/card/new").status_code == 503
    assert pages.get("/card/none").status_code == 404
    assert "<h1>" in cards.html("# A title")


def test_drift_is_told_in_words_and_strips(pages):
    text = pages.get("/drift").text
    assert "Pictures are darker than those of the training." in text
    assert "The model is being started." in text and "40 pictures of late" in text
    boxes = re.findall(r'class="box" x="([\d.]+)" y="1" width="([\d.]+)"', text)
    assert boxes == [("50.0", "33.33"), ("0.0", "16.67")]


def test_pages_let_browsers_say_where_a_form_comes_from(pages):
    assert pages.get("/").headers["referrer-policy"] == "same-origin"


def test_files_of_the_page_are_asked_for_again_and_kept(pages):
    first = pages.get("/static/js/main.js")
    assert first.headers["content-type"].startswith("text/javascript")
    tag = {"if-none-match": first.headers["etag"]}
    assert pages.get("/static/js/main.js", headers=tag).status_code == 304
    assert pages.get("/static/../app.py").status_code == 404


def test_scripts_import_what_is_there_and_are_all_used():
    names = {n for n in static.FILES if n.endswith(".js")}
    used = {"js/main.js"}
    for name in names:
        text = static.FILES[name].read_text()
        assert text.startswith("// ") and len(text.splitlines()) <= 250, name
        used |= {f"js/{n}" for n in re.findall(r'from "\./([\w.]+)"', text)}
    assert used == names


def test_samples_are_small_and_of_the_classes_that_they_say():
    assert streets.INFO.class_names == samples.CLASSES
    for sample in samples.SAMPLES:
        for name in (sample.picture, sample.truth):
            assert f"samples/{name}" in static.FILES
            assert (samples.FOLDER / name).stat().st_size < 60_000


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a b.png", "a-b"),
        ("../../etc/passwd.png", "passwd"),
        ("C:\\x\\y.jpg", "y"),
        ("<i>.png", "i"),
        ("ä\u202e.png", "picture"),
        ("", "picture"),
    ],
)
def test_names_of_downloads_are_plain(name, stem):
    assert words.stem(name) == stem


def test_scores_that_are_none_are_left_out():
    assert measured({}) is None
    assert measured({"scores": {"summary": {"miou": "much"}}}) is None


def test_messages_are_those_of_the_document():
    found = upload.NO_PART, upload.NOT_SELECTED, upload.NOT_ALLOWED
    assert found == ("No file part", "No selected file", "File extension not allowed")
