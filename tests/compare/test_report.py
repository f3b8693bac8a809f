"""The report says what the numbers say, in every format, and its links lead there."""

import csv
import html.parser
import json
import re
import shutil
import subprocess
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from segjax import cli
from segjax.compare import (
    arms,
    formats,
    numbers,
    page,
    pictures,
    runs,
    tables,
    verdict,
)
from segjax.compare.numbers import Pair
from segjax.compare.statistics import Difference
from segjax.core.errors import UserError
from segjax.metrics import scores
from segjax.report.files import write_json
from tests.compare import made_up

VOID = {"meta", "img", "br", "hr", "link", "input", "source"}
NAME = "<b>&_wide"


class Strict(html.parser.HTMLParser):
    """Collects text and links; raises where tags do not nest."""

    def __init__(self):
        super().__init__()
        self.stack, self.text, self.links, self.ids = [], "", [], []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.links += [named[k] for k in ("href", "src", "srcset") if k in named]
        self.ids += [named["id"]] if "id" in named else []
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack and self.stack.pop() == tag, f"</{tag}> does not nest"

    def handle_data(self, data):
        self.text += " ".join(data.split()) + " "


def parse(path):
    parsed = Strict()
    parsed.feed(path.read_text())
    parsed.close()
    assert parsed.stack == []
    return parsed


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A study of three arms with a baseline and a missing run, and its report."""
    root = tmp_path_factory.mktemp("report")
    made = {NAME: (80, {}), "wide": (79, {"width": 8}), "poor": (60, {"width": 2})}
    folder = made_up.study(root / "study", made)
    (folder / "points/008_poor_seed2/record.json").unlink()
    made_up.baseline(root / "otsu")
    picture = folder / "points/000_<b>&_wide_seed0/pictures/worst.png"
    picture.parent.mkdir()
    Image.new("RGB", (8, 8)).save(picture)
    material = arms.gather([folder, root / "otsu"], "val")
    found = numbers.compute(material)
    out = folder / "report"
    return material, found, out, page.write(material, found, out)


def test_the_numbers_by_hand(report):
    _, found, _, whole = report
    for s in found.standings:
        each = [scores.miou(r.counts.sum(0)) for r in s.arm.runs]
        assert s.value == pytest.approx(np.mean(each))
        assert s.score.low <= s.value <= s.score.high
    by_name = {s.arm.name: s for s in found.standings}
    assert [s.arm.name for s in found.standings] == [NAME, "wide", "poor", "otsu"]
    assert len(found.pairs) == 3 and [p.b for p in found.beside] == ["otsu"]
    for p in found.pairs:
        gap = by_name[p.a].value - by_name[p.b].value
        assert p.difference.value == pytest.approx(gap)
        assert p.p >= p.difference.p
    sky = scores.iou(sum(r.counts.sum(0) for r in by_name["otsu"].arm.runs))[0]
    assert by_name["otsu"].classes[0].value == pytest.approx(sky)
    assert by_name["otsu"].classes[2] is None  # never true, never predicted
    assert whole["arms"][0]["facts"]["parameters"] == 4000
    assert whole["arms"][0]["facts"]["seconds"] == 61.0
    assert whole["arms"][3]["facts"]["seconds"] == 1.5


def test_the_verdict_says_who_is_above_whom_and_what_is_not_resolved(report):
    whole = report[3]
    assert "its lead on wide is not resolved" in whole["verdict"][0]
    words = " ".join(whole["verdict"])
    assert f"{NAME} and wide: not resolved" in words
    assert re.search(r"beats poor by 2\d\.\d points mean IoU \(95 % CI ", words)
    assert "after Holm over 3 comparisons" in words
    assert "is above the best baseline, otsu" in words
    basis = " ".join(whole["basis"])
    assert "8 images of val of toy, resampled as 8 images, each for itself" in basis
    assert "ffffffffffffffff" in basis and "model.width" in basis
    assert "2 to 3 seeds" in basis and "Predicted by: whole()" in basis


@pytest.mark.parametrize(
    "value, low, high, p, resolved, words",
    [
        (0.023, 0.011, 0.034, 0.003, True, "a beats b by 2.3 points mean IoU "
         "(95 % CI 1.1 to 3.4, p = 0.003 after Holm over 3 comparisons)."),
        (0.004, -0.009, 0.017, 0.4, False, "a and b: not resolved (difference 0.4, "
         "95 % CI \N{MINUS SIGN}0.9 to 1.7, p = 0.400 after Holm over 3 comparisons)."),
    ],
)  # fmt: skip
def test_a_sentence_of_a_pair(report, value, low, high, p, resolved, words):
    difference = Difference(value, low, high, p, 0.1, 0.1, 1.0)
    pair = Pair("a", "b", difference, p, 0.5, resolved)
    assert verdict.of_pair(pair, report[1]) == words


def test_one_seed_is_said_with_the_difference(tmp_path):
    for seed in (0, 1):
        made_up.run(tmp_path / f"a{seed}", 80, seed=seed)
    made_up.run(tmp_path / "b", 60, model={"width": 9})
    material = arms.gather([tmp_path], "val")
    found = numbers.compute(material)
    assert " over images alone, p" in verdict.sentences(found)[0]
    assert "says nothing of their recipes" in verdict.sentences(found)[0]
    assert "beats" not in verdict.sentences(found)[0]
    assert "nothing of the recipes" in verdict.headline(found)
    assert tables.differences(found).rows[0][-1] == "yes, one seed"


def test_the_page_nests_escapes_and_links(report):
    material, _, out, _ = report
    parsed = parse(out / "index.html")
    assert NAME in parsed.text
    for target in parsed.links:
        assert not urllib.parse.urlparse(target).scheme
        if target.startswith("#"):
            assert target[1:] in parsed.ids
        else:
            assert (out / urllib.parse.unquote(target)).exists(), target
    for words in (
        "Missing, 1",
        "not started",
        "not known",  # the parameters of a baseline
        "Energy is not known: not recorded.",
        "absent",
        "otsu (baseline)",
        "Two people agree by 0.9.",
        "not resolved",
        "../points/001",
    ):
        assert words in parsed.text, words
    for run in (r for a in material.arms for r in a.runs):
        assert run.place.id in parsed.text


def test_every_number_of_the_document_names_its_runs(report):
    _, _, out, whole = report
    read = json.loads((out / "comparison.json").read_text())
    assert read["format"] == "segjax comparison 1" and read["best"] == NAME
    ids = {r["run"] for r in read["runs"]}
    assert len(ids) == 9 and read["missing"][0]["why"] == "not started"
    for part in (*read["arms"], *read["differences"]):
        assert part["runs"] and set(part["runs"]) <= ids
    assert len(read["differences"][0]["runs"]) >= 5
    assert not any(r["folder"].startswith("/") for r in read["runs"])
    assert read["arms"][0]["classes"]["never"] is None
    assert whole["differing"] == {"model.width": {NAME: 4, "wide": 8, "poor": 2}}


def test_energy_and_operations_are_told_or_why_they_are_not_known(tmp_path):
    told = {"joules": 5000.0, "of": "CPU and memory by RAPL"}
    blank = {"joules": None, "of": "not known: this machine tells none"}
    for i, (width, energy) in enumerate([(4, told), (4, told), (8, blank), (16, None)]):
        folder, model = tmp_path / f"run{i}", {"width": width}
        made_up.run(folder, seed=i, model=model, energy=energy)

    def table(count):
        places = [tmp_path / f"run{i}" for i in range(count)]
        found = tables.cost(numbers.compute(arms.gather(places, "val")))
        head = [c.title for c in found.columns]
        return [dict(zip(head, row, strict=True)) for row in found.texts()], found.notes

    (row,), notes = table(2)
    assert (row["energy, kJ"], row["GMAC"]) == ("5", "0.25")
    assert "GMAC: forward pass of one image as in training, 16x24." in notes
    assert "Energy, over the same time, of: CPU and memory by RAPL." in notes
    rows, notes = table(4)
    assert {r["energy, kJ"] for r in rows} == {"5", "not known"}
    (said,) = [note for note in notes if note.startswith("Energy")]
    assert "width=8 not known: this machine tells none" in said
    assert "width=16 not known: not recorded" in said


def test_energy_of_all_starts_counts(tmp_path):
    told = {"joules": 5000.0, "of": "CPU and memory by RAPL"}
    made_up.run(tmp_path, energy=told)
    path = tmp_path / "record.json"
    facts = json.loads(path.read_text())
    first = {**facts["attempts"][0], "exit_code": 143}
    for start, joules in ((first, 10_000), ({"start": "killed"}, None)):
        write_json(path, {**facts, "attempts": [start, *facts["attempts"]]})
        run = runs.read(runs.Place(tmp_path, "a"), "val")
        assert run.joules() == joules
    assert run.energy_of() == "not known: not recorded"


def test_the_csv_keeps_all_digits_and_leaves_nothing_blank_that_is_known(report):
    _, found, out, _ = report
    with open(out / "tables/arms.csv") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["arm"] == NAME
    assert float(rows[0]["score"]) == found.standings[0].value
    assert float(rows[0]["low"]) == found.standings[0].score.low
    assert rows[3]["seeds"] == ""
    with open(out / "tables/classes.csv") as file:
        classes = list(csv.DictReader(file))
    assert classes[2]["otsu value"] == "" and classes[0]["otsu value"] != ""
    with open(out / "tables/images.csv") as file:
        assert len(list(csv.DictReader(file))) == 8


def test_the_markdown_has_the_tables_and_existing_pictures(report):
    _, _, out, _ = report
    text = (out / "report.md").read_text()
    assert "| **<b>&_wide** |" in text and "not started" in text
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
        assert (out / target).exists()
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| sky")}
    assert widths == {7}


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex: texlive")
def test_the_latex_compiles_and_fits_the_page(report, tmp_path):
    _, _, out, _ = report
    words = ["pdflatex", "-halt-on-error", f"-output-directory={tmp_path}"]
    done = subprocess.run([*words, "document.tex"], cwd=out, capture_output=True)
    log = (tmp_path / "document.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull" not in log and "Output written" in log
    assert all(f"{name}.tex" in log for name in ("table", "classes", "cost"))


def test_the_latex_is_escaped_balanced_and_without_empty_columns(report):
    _, _, out, _ = report
    text = (out / "table.tex").read_text()
    assert r"\textbf{\textless{}b\textgreater{}\&\_wide}" in text
    assert r"\%" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    columns = re.search(r"tabular}{([lr]+)}", text).group(1)
    unescaped = [re.sub(r"\\[&%_#$]", "", line) for line in body]
    assert {line.count("&") for line in unescaped} == {len(columns) - 1}
    assert text.count("{") == text.count("}")
    assert text.isascii()


def test_escaping_of_every_special_character():
    found = formats.escaped("a_b&50%$#{}~^\\<>|")
    assert found == (
        r"a\_b\&50\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
        r"\textless{}\textgreater{}\textbar{}"
    )


def test_against_one_arm_leaves_fewer_comparisons(report):
    material = report[0]
    found = numbers.compute(material, against="poor")
    assert len(found.pairs) == 2 and all("poor" in (p.a, p.b) for p in found.pairs)
    with pytest.raises(UserError, match="Did you mean 'poor'"):
        numbers.compute(material, against="por")


def test_another_score_and_level(report):
    material, found = report[:2]
    road = numbers.compute(material, "iou/road", level=0.5)
    assert road.score.title == "IoU of road"
    best = road.standings[0]
    each = [scores.iou(r.counts.sum(0))[1] for r in best.arm.runs]
    assert best.value == pytest.approx(np.mean(each))
    wide = found.standings[0].classes[1]
    assert best.score.high - best.score.low < wide.high - wide.low
    with pytest.raises(UserError, match="Did you mean 'road'"):
        numbers.compute(material, "iou/raod")


def test_one_run_alone_and_a_class_nobody_has(tmp_path):
    made_up.run(tmp_path / "a")
    (tmp_path / "a/metrics.jsonl").unlink()
    (tmp_path / "a/timing.jsonl").unlink()
    material = arms.gather([tmp_path / "a"], "val")
    found = numbers.compute(material, "iou/never")
    whole = page.write(material, found, tmp_path / "out")
    assert whole["verdict"] == ["No arm has a score: IoU of never is not defined here."]
    text = parse(tmp_path / "out/index.html").text
    assert "no two trained arms" in text and "No run has a log" in text


def test_an_arm_of_other_data_is_shown_but_not_paired(tmp_path):
    for seed in (0, 1):
        made_up.run(tmp_path / f"a{seed}", seed=seed)
    made_up.run(tmp_path / "b", 60, model={"width": 9}, files="e" * 64)
    material = arms.gather([tmp_path], "val", ["files"])
    found = numbers.compute(material)
    assert not found.pairs and len(found.standings) == 2
    texts = tables.arms(material, found).texts()
    assert [row[0] for row in texts] == ["width=4", "width=9 \N{DAGGER}"]


def test_a_picture_has_a_cell_for_each_map():
    rng = np.random.default_rng(0)
    truth = np.zeros((20, 30), np.uint8)
    row = {
        "name": "a long name " * 9,
        "image": rng.integers(0, 255, (20, 30, 3)).astype(np.uint8),
        "truth": truth,
        "arms": {"x": (truth, 1.0), "y": (truth + 1, np.nan)},
    }
    picture = np.asarray(pictures.grid([row, row], made_up.INFO))
    sky, road = made_up.INFO.class_colours[:2]
    cell, left = 300, 16
    assert tuple(picture[34 + 50, left + cell + 8 + 50]) == sky
    assert tuple(picture[34 + 50, left + 2 * (cell + 8) + 50]) == road
    assert tuple(picture[34 + 208 + 50, left + 50]) == sky  # the truth
    wrong = tuple(picture[34 + 208 + 50, left + 2 * (cell + 8) + 50])
    assert wrong == (238, 64, 44)


def test_pictures_that_cannot_be_drawn_are_said(report, tmp_path):
    material, found = report[:2]
    chosen = page.chosen_images(found, material.reference.groups)
    shown, notes = pictures.of(material, found, chosen, tmp_path, draw=True)
    assert len(notes) == 3 and all(n.startswith("No pictures of") for n in notes)
    assert [p.source for p in shown] == ["pictures/b_wide_worst.png"]


def test_drawn_pictures_stand_beside_their_scores(report, tmp_path, monkeypatch):
    material, found = report[:2]
    truth = np.zeros((8, 12), np.uint8)
    source = [{"image": np.zeros((8, 12, 3), np.uint8), "label": truth}] * 8

    class Toy(list):
        info = made_up.INFO

    def predict(run, split, wanted):
        return Toy(source), dict.fromkeys(wanted, truth)

    monkeypatch.setattr(pictures, "_predict", predict)
    monkeypatch.setattr(page.figures, "draw", lambda *_: [])
    page.write(material, found, tmp_path, draw=True)
    links = parse(tmp_path / "index.html").links
    assert {f"pictures/{why}.png" for why in pictures.TITLES} <= set(links)


def test_images_are_chosen_by_their_scores(report):
    material, found = report[:2]
    chosen = page.chosen_images(found, material.reference.groups)
    values = np.array([v for name, v in found.images.items() if name != "otsu"])
    assert chosen["worst"][0] == values.mean(0).argmin()
    assert chosen["best"][0] == values.mean(0).argmax()
    assert chosen["disputed"][0] == np.ptp(values, axis=0).argmax()


def test_images_are_of_several_clusters_where_there_are_some():
    order = np.array([3, 2, 1, 0, 6, 5, 4, 7])
    clusters = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    chosen = page._apart(order, clusters)
    assert chosen[:3] == [3, 6, 5] and chosen[3:] == [2, 1][: page.EXTREMES - 3]


def test_the_command(report, tmp_path, capsys):
    folder = report[2].parent
    assert (
        cli.main(["compare", str(folder), "--out", str(tmp_path / "out"), "--json"])
        == 0
    )
    captured = capsys.readouterr()
    assert json.loads(captured.out)["best"] == NAME
    assert "Not known" not in captured.err and "leads with" in captured.err
    assert (tmp_path / "out/index.html").exists()
    assert cli.main(["compare", str(folder), "--out", str(folder)]) == 2
    assert cli.main(["compare", str(folder), "--level", "2"]) == 2
    assert tables.UNKNOWN not in captured.err
