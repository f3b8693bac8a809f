"""The page in a browser without a screen: what a visitor does, nothing to elsewhere."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from segjax.serve.load import load
from segjax.web.pages.samples import FOLDER
from tests.web.program import exported, serving

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
expect = playwright.expect
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="needs chromium, apt install chromium"),
]

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}
SECONDS = 60_000  # milliseconds that a busy machine may take
PICTURE, TRUTH = FOLDER / "noon.webp", FOLDER / "noon_truth.png"


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    """Two models of the same classes, as a folder that is watched."""
    found = tmp_path_factory.mktemp("watched")
    for name in ("tiny", "other"):
        shutil.copy(models / f"{name}.segjax", found)
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("flagged")


@pytest.fixture(scope="module")
def running(folder, kept):
    with serving(folder=folder, flagged=kept, limits={"body": 300_000}) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


@pytest.fixture
def visit(browser, running):
    """Opens the page; at the end nothing may have gone elsewhere, or wrong."""
    home = f"http://127.0.0.1:{running.port}"
    contexts, wrong, allowed = [], [], []

    def opened(address="/", may_fail=(), **settings):
        allowed.extend(may_fail)
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(SECONDS)
        page.on(
            "request",
            lambda r: r.url.startswith((home, "data:", "blob:")) or wrong.append(r.url),
        )
        page.on("console", lambda m: m.type == "error" and wrong.append(m.text))
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.goto(home + address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [w for w in wrong if not any(word in w for word in allowed)]


def choose(page, *names):
    for box in page.locator("#picks input").all():
        name = box.get_attribute("name").removeprefix("model:")
        box.set_checked(name in names)


def send(page, *files):
    page.set_input_files("#picture", list(files))
    last = files[-1]["name"] if isinstance(files[-1], dict) else files[-1].name
    page.locator("#result h2", has_text=last).wait_for()
    return page.locator("#result")


def downloaded(page, selector):
    with page.expect_download() as found:
        page.click(selector)
    with open(found.value.path(), "rb") as file:
        return found.value.suggested_filename, file.read()


def pixels(canvas):
    """What a canvas shows: its colours, as a person sees them."""
    return np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"))


def serious(page):
    """What axe-core finds that keeps people out."""
    violations = axe.Axe().run(page).response["violations"]
    return [
        (v["id"], [n["html"][:120] for n in v["nodes"][:3]])
        for v in violations
        if v["impact"] in ("serious", "critical")
    ]


def test_the_mask_that_is_downloaded_has_the_ids_of_the_model(visit, folder):
    page = visit()
    choose(page, "tiny", "other")
    send(page, PICTURE)
    image = np.asarray(Image.open(PICTURE).convert("RGB"))
    for name in ("tiny", "other"):
        model = load(folder / f"{name}.segjax", checked=False)
        where = f"[data-model={name}][data-file="
        called, content = downloaded(page, f"{where}mask]")
        assert called == f"noon_{name}_mask.png"
        mask = Image.open(io.BytesIO(content))
        ids = model.answer(image).ids
        assert mask.mode == "P" and np.array_equal(np.array(mask), ids)
        _, content = downloaded(page, f"{where}colours]")
        colours = np.array(Image.open(io.BytesIO(content)))
        assert np.array_equal(colours, model.info.palette()[ids])
    called, content = downloaded(page, "[data-file=zip]")
    files = zipfile.ZipFile(io.BytesIO(content))
    assert files.testzip() is None and len(files.namelist()) == 8
    told = json.loads(files.read("noon_tiny_shares.json"))
    assert sum(c["share"] for c in told["classes"]) == pytest.approx(1)


def test_models_are_switched_compared_and_scored(visit):
    page = visit()
    choose(page, "other")
    result = send(page, PICTURE)
    assert result.locator("canvas").count() == 1
    choose(page, "tiny", "other")
    page.set_input_files("#score", TRUTH)
    result.locator("text=Scores against the reference mask").wait_for()
    expect(result.locator("canvas")).to_have_count(2)
    assert "Mean over classes that are true" in result.inner_text()
    for name in ("confidence", "entropy", "errors", "difference"):
        page.select_option("[data-map]", name)
        assert result.locator(".scale").is_visible()
    page.click("[data-picture]")
    assert result.locator("canvas").count() == 3
    assert "%" in result.locator("details", has_text="Agreement").inner_text()


def test_the_swipe_moves_by_mouse_and_by_keys(visit):
    page = visit()
    choose(page, "tiny")
    send(page, PICTURE)
    slider, canvas = (
        page.get_by_role("slider", name="Border"),
        page.locator("canvas").first,
    )
    before = pixels(canvas)
    slider.focus()
    for key, place in (("Home", "0"), ("ArrowRight", "2"), ("End", "100")):
        page.keyboard.press(key)
        assert slider.get_attribute("aria-valuenow") == place
    page.wait_for_timeout(200)
    assert (pixels(canvas) != before).any()
    box, stage = slider.bounding_box(), page.locator(".stage").bounding_box()
    middle = stage["y"] + stage["height"] / 2
    page.mouse.move(box["x"] + 5, middle)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] / 4, middle, steps=4)
    page.mouse.up()
    assert abs(int(slider.get_attribute("aria-valuenow")) - 25) <= 1


def test_classes_hide_zoom_links_and_the_pixel_is_told(visit):
    page = visit()
    choose(page, "tiny", "other")
    result = send(page, PICTURE)
    page.click("[data-outline]")
    canvases = result.locator("canvas")
    shown = pixels(canvases.first)
    classes = result.locator(".legend .class")
    classes.first.focus()
    page.keyboard.press("Space")
    assert classes.first.get_attribute("aria-pressed") == "false"
    page.wait_for_timeout(200)
    assert (pixels(canvases.first) != shown).any()
    classes.nth(1).click(modifiers=["Shift"])
    assert result.locator(".legend .class[aria-pressed=true]").count() == 1
    page.keyboard.press("a")
    assert result.locator(".legend .class[aria-pressed=false]").count() == 0
    canvases.first.hover(position={"x": 40, "y": 40})
    for pane in result.locator(".under").all():
        assert "%" in pane.inner_text()
    page.wait_for_timeout(200)
    other = pixels(canvases.nth(1))
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(300)
    assert (pixels(canvases.nth(1)) != other).any()
    page.click("[data-zoom=fit]")
    page.wait_for_timeout(200)
    assert (pixels(canvases.nth(1)) == other).mean() > 0.99


def test_pictures_come_by_drop_paste_and_sample_and_stay_for_the_visit(visit):
    page = visit()
    choose(page, "tiny")
    bytes_ = list(PICTURE.read_bytes())
    events = {"drop": "dataTransfer", "paste": "clipboardData"}
    for kind, field in events.items():
        page.evaluate(
            """([kind, field, bytes]) => {
              const given = new DataTransfer();
              const file = new File([new Uint8Array(bytes)], `${kind}.webp`);
              given.items.add(file);
              const Kind = kind === "drop" ? DragEvent : ClipboardEvent;
              const init = {bubbles: true, cancelable: true, [field]: given};
              document.body.dispatchEvent(new Kind(kind, init));
            }""",
            [kind, field, bytes_],
        )
        page.locator("#result h2", has_text=f"{kind}.webp").wait_for()
    page.click("[data-sample=fog]")
    page.locator("#result h2", has_text="fog.webp").wait_for()
    assert page.locator("#result >> text=Scores against").is_visible()
    entries = page.locator("#gallery li")
    expect(entries).to_have_count(3)
    entries.last.locator("button").click()
    page.locator("#result h2", has_text="drop.webp").wait_for()
    page.click("[data-clear]")
    assert not page.locator("#gallery").is_visible()


def test_several_pictures_at_once(visit):
    page = visit()
    choose(page, "tiny")
    content = PICTURE.read_bytes()
    named = [
        {"name": f"{i}.webp", "mimeType": "image/webp", "buffer": content}
        for i in range(3)
    ]
    send(page, *named)
    expect(page.locator("#gallery li")).to_have_count(3)
    expect(page.locator("#queue li")).to_have_count(0)


def test_what_goes_wrong_is_told_and_nothing_is_lost(visit):
    page = visit(may_fail=("status of 4", "status of 5", "ERR_FAILED", "ERR_INTERNET"))
    choose(page, "tiny")
    send(page, PICTURE)
    bad = {"name": "bad.png", "mimeType": "image/png", "buffer": b"no picture at all"}
    page.set_input_files("#picture", [bad])
    row = page.locator("#queue li[data-state=failed]")
    row.wait_for()
    assert "Save it as PNG, JPEG or WebP" in row.inner_text()
    row.locator("[data-cancel]").click()
    large = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(400_000)}
    page.set_input_files("#picture", [large])
    page.locator(".say.shown", has_text="is larger than").wait_for()
    tries = []

    def busy(route):
        tries.append(route)
        if len(tries) > 1:
            return route.continue_()
        body = {"error": "Too many pictures are waiting.", "code": "busy"}
        route.fulfill(status=503, headers={"retry-after": "1"}, json=body)

    page.route("**/api/predict", busy)
    page.set_input_files("#picture", [PICTURE])
    page.locator("#queue", has_text="Next try in 1 s").wait_for()
    page.locator("#queue li").wait_for(state="detached")
    expect(page.locator("#gallery li")).to_have_count(2)
    assert len(tries) == 2
    page.unroute("**/api/predict")
    page.context.set_offline(True)
    page.set_input_files("#picture", [PICTURE])
    page.locator("#queue", has_text="The server does not answer").wait_for()
    page.context.set_offline(False)
    page.click("#queue [data-again]")
    page.locator("#queue li").wait_for(state="detached")
    expect(page.locator("#gallery li")).to_have_count(3)


def test_a_model_that_is_put_into_the_folder_appears(visit, folder):
    page = visit()
    choose(page, "other")
    exported(folder / "late.segjax", seed=2)
    page.locator("#picks input[name='model:late']:not([disabled])").wait_for()
    page.locator(".card", has_text="late").locator(
        ".state", has_text="ready"
    ).wait_for()
    (folder / "bad.segjax").write_bytes(b"no model")
    page.locator(".card.failed .reason").wait_for()
    assert page.locator("#picks input:checked").get_attribute("name") == "model:other"
    assert serious(page) == []
    for name in ("late", "bad"):
        (folder / f"{name}.segjax").unlink()
    page.locator("#picks input[name='model:late']").wait_for(state="detached")


def test_a_result_is_flagged_with_consent_alone(visit, kept):
    page = visit()
    choose(page, "tiny")
    send(page, PICTURE)
    page.click("[data-flag]")
    page.click("#flag button[value=send]")
    assert page.locator("#flag").is_visible()  # as nobody has agreed
    page.fill("#flag textarea", "a comment")
    page.check("#flag [name=consent]")
    page.click("#flag button[value=send]")
    page.locator(".say.shown", has_text="Kept").wait_for()
    (line,) = (kept / "flags.jsonl").read_text().splitlines()
    assert json.loads(line)["comment"] == "a comment"


def test_it_works_without_a_script(visit):
    page = visit("/predict", java_script_enabled=False)
    page.set_input_files("#picture", [PICTURE, FOLDER / "fog.webp"])
    page.click("button.strong")
    assert page.locator("section.plain h2").all_inner_texts() == [
        "noon.webp",
        "fog.webp",
    ]
    with page.expect_download() as found:
        page.click("text=Mask, PNG of ids >> nth=0")
    assert found.value.suggested_filename == "noon_other_mask.png"
    assert width(page) <= 1280


def test_a_form_without_a_file_is_told_so(visit):
    page = visit("/predict", may_fail=("status of 400",), java_script_enabled=False)
    page.click("button.strong")
    assert page.locator("[role=alert]").inner_text() == "No selected file"


def width(page):
    """Width that a page takes."""
    return page.locator("html").evaluate("e => e.scrollWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out(visit, scheme):
    page = visit(color_scheme=scheme)
    choose(page, "tiny", "other")
    page.click("[data-sample=noon]")
    page.locator("#result canvas").first.wait_for()
    assert serious(page) == []
    page.keyboard.press("s")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible() and serious(page) == []
    for address in ("/drift", "/card/tiny", "/api"):
        assert serious(visit(address, color_scheme=scheme)) == []


def test_it_fits_a_phone_and_fingers(visit):
    page = visit(**PHONE)
    assert page.locator("text=Take a photo").is_visible()
    page.tap("[data-sample=noon]")
    page.locator("#result canvas").first.wait_for()
    assert width(page) <= 360 and serious(page) == []
    for button in page.locator("button:visible, a.button:visible").all():
        assert button.bounding_box()["height"] >= 44, button.inner_text()
    page.locator("canvas").first.tap(position={"x": 20, "y": 60})
    assert "%" in page.locator(".under").inner_text()
    narrow = visit(viewport={"width": 320, "height": 600})
    assert width(narrow) <= 320
