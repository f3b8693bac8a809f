"""The page says what the files say, whatever is missing, and nothing executes."""

import html.parser
import json
import math
import re

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.report import files, page, panel, record
from segjax.report.metrics_log import MetricsLog

NAME = "<script>alert(1)</script> & co"
INFO = DatasetInfo(
    "toy",
    ("sky", NAME, "never"),
    ((100, 150, 200), (90, 60, 90), (0, 0, 0)),
    note="Two annotators agree by 0.9.",
)
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Strict(html.parser.HTMLParser):
    """Collects text, tags and sources; raises where tags do not nest."""

    def __init__(self):
        super().__init__()
        self.stack, self.tags, self.text, self.attributes = [], [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack and self.stack.pop() == tag, f"</{tag}> does not nest"

    def handle_data(self, data):
        self.text += data + " "


def _parse(path):
    text = path.read_text()
    assert text.startswith("<!DOCTYPE html>")
    parsed = Strict()
    parsed.feed(text)
    parsed.close()
    assert parsed.stack == []
    sources = [v for k, v in parsed.attributes if k in ("src", "href")]
    return parsed, sources


def _start(workdir):
    dataset = record.dataset_entry(INFO, {})
    config = {"model": {"name": "unet", "widths": (8, 16)}, "train": {"num_steps": 4}}
    record.write(
        workdir,
        config=config,
        argv=["launch.py", NAME],
        devices=["cpu"],
        seeds={"train": 0},
        dataset=dataset,
        facts={"parameters": 1234567},
    )


def _train(workdir):
    with MetricsLog(workdir / "metrics.jsonl") as log:
        for step, miou in enumerate((0.1, 0.321, math.nan, 0.2), start=1):
            log.write(step, "train", loss=1 / step, learning_rate=0.1)
            log.write(step, "val", loss=2 / step, miou=miou)
    with MetricsLog(workdir / "timing.jsonl") as log:
        log.write(4, "train", images_per_s=12.34)


def _evaluate(workdir):
    scores = {"dice": 0.7, "precision": 0.612, "recall": 0.613}
    absent = dict.fromkeys(("iou", *scores), math.nan)
    evaluation = {
        "split": "val",
        "step": 2,
        "num_images": 12,
        "convention": "union",
        "convention_sentence": "Mean over classes that occur.",
        "summary": {"miou": 0.4567, "pixel_accuracy": 0.8123, "odd_score": 0.3},
        "classes": [
            {"name": "sky", "share": 0.75, "iou": 0.5551} | scores,
            {"name": NAME, "share": 0.25, "iou": 0.0} | scores,
            {"name": "never", "share": 0.0} | absent,
        ],
        "counts": np.diag([75, 25, 0]),
    }
    files.write_json(workdir / "evaluation" / "val.json", evaluation)
    rows = [
        {"name": f"image {i}", "index": i, "miou": i / 20, "pixel_accuracy": 0.9}
        for i in range(12)
    ]
    rows.append({"name": "empty", "index": 12, "miou": "nan", "pixel_accuracy": None})
    text = "".join(json.dumps(r) + "\n" for r in rows)
    (workdir / "evaluation" / "val_images.jsonl").write_text(text)


def _picture(workdir):
    image = np.zeros((8, 8, 3), np.uint8)
    row = panel.Row("x", image, image[..., 0], image[..., 0], 1.0)
    panel.panel([row], INFO, workdir / "pictures" / "panel.png")


PARTS = {"start": _start, "train": _train, "evaluate": _evaluate, "picture": _picture}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    for make in PARTS.values():
        make(workdir)
    record.finish(workdir, 0, "all steps done", 75.0, 1500.0)
    page.write(workdir)
    return workdir


def test_the_page_holds_the_numbers(run):
    parsed, _ = _parse(run / "index.html")
    text = re.sub(r"\s+", " ", parsed.text)
    for words in (
        "toy · unet",
        "0.457",
        "mean IoU, val split, 12 images, step 2, by whole()",
        "Mean over classes that occur.",
        "Two annotators agree by 0.9.",
        "0.812",
        "odd score",
        "0.555",
        "75.0 %",
        "absent",
        "0.000",
        "1,234,567",
        "4 of 4",
        "1:15",
        "12.3",
        "1,500 MB",
        "ended at step 4: all steps done (exit code 0)",
        "model.widths",
    ):
        assert words in text, words


def test_worst_and_best_are_apart_and_in_order(run):
    parsed, _ = _parse(run / "index.html")
    numbers = [int(n) for n in re.findall(r"image (\d+)", parsed.text)]
    assert numbers == [0, 1, 2, 3, 4, 11, 10, 9, 8, 7]
    assert "empty" not in parsed.text


def test_every_source_is_a_file_of_the_folder(run):
    _, sources = _parse(run / "index.html")
    assert {"pictures/panel.png", "pictures/curves.png"} <= set(sources)
    for source in sources:
        assert (run / source).is_file(), source
    assert (run / "pictures" / "classes.png").is_file()


def test_missing_pictures_are_named(run):
    parsed, _ = _parse(run / "index.html")
    assert "pictures/augmented.png" in parsed.text
    assert "pictures/panel.png" not in parsed.text


def test_names_are_escaped(run):
    parsed, _ = _parse(run / "index.html")
    assert "script" not in parsed.tags
    assert NAME in parsed.text


def test_embedded_pages_stand_alone(run, tmp_path):
    target = page.write(run, embed=True)
    try:
        _, sources = _parse(target)
        assert sources and all(s.startswith("data:image/png;base64,") for s in sources)
    finally:
        page.write(run)


def test_a_plot_is_drawn_again_only_when_its_numbers_are_newer(run):
    curves = run / "pictures" / "curves.png"
    before = curves.stat().st_mtime_ns
    page.write(run)
    assert curves.stat().st_mtime_ns == before
    with MetricsLog(run / "metrics.jsonl", 4):
        pass
    (run / "metrics.jsonl").touch()
    page.write(run)
    assert curves.stat().st_mtime_ns > before


@pytest.mark.parametrize("absent", [*PARTS, "all"])
def test_parts_may_be_missing(tmp_path, absent):
    for name, make in PARTS.items():
        if absent not in (name, "all"):
            make(tmp_path)
    page.write(tmp_path)
    parsed, sources = _parse(tmp_path / "index.html")
    assert all((tmp_path / s).is_file() for s in sources)
    if absent == "evaluate":
        assert "best so far, step 2" in parsed.text and "0.321" in parsed.text
    if absent == "all":
        assert "No evaluation yet" in parsed.text


def test_while_it_runs(tmp_path):
    _start(tmp_path)
    with MetricsLog(tmp_path / "metrics.jsonl") as log:
        log.write(1, "train", loss=1.0)
        with open(log.path, "ab") as torn:
            torn.write(b'{"step": 2, "ki')
        page.write(tmp_path)
    parsed, _ = _parse(tmp_path / "index.html")
    assert "running" in parsed.text and "at step 1" in parsed.text


@pytest.mark.parametrize(
    "name", ["record.json", "config.json", "evaluation/val.json", "metrics.jsonl"]
)
@pytest.mark.parametrize("text", ["{\n{\n", "[]\n[]\n"])
def test_a_damaged_file_is_said_not_raised(tmp_path, name, text):
    for make in (_start, _evaluate):
        make(tmp_path)
    (tmp_path / name).write_text(text)
    page.write(tmp_path)
    parsed, _ = _parse(tmp_path / "index.html")
    assert name in parsed.text.replace("evaluation/val.json is missing", "")


def test_an_evaluation_of_other_classes_gets_other_colours(tmp_path):
    _start(tmp_path)
    _evaluate(tmp_path)
    path = tmp_path / "evaluation" / "val.json"
    data = files.read_json(path)
    data["classes"][0]["name"] = "renamed"
    files.write_json(path, data)
    page.write(tmp_path)
    assert "rgb(100, 150, 200)" not in (tmp_path / "index.html").read_text()


def test_no_folder(tmp_path):
    with pytest.raises(UserError, match="no such run folder"):
        page.write(tmp_path / "nowhere")
