"""What holds for every baseline of the table, and numbers by hand for each."""

import dataclasses
import inspect
import subprocess
import sys

import numpy as np
import pytest
from skimage import filters
from sklearn import metrics as judged

from segjax.baselines import BASELINES, Fitted, Limited, colour, otsu, random_forest
from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.core.pixels import Pixels
from tests.baselines.drawn import Drawn, info, noise, shapes

QUICK = {"random_forest": {"pixels": 2000, "trees": 5, "depth": 8}}
KINDS = (Pixels(), Pixels(1, "uint16"), Pixels(5, "float32"))


def made(name: str):
    return BASELINES[name](**QUICK.get(name, {}))


def accuracy(ids: np.ndarray, label: np.ndarray) -> float:
    valid = label != IGNORE
    return float((ids[valid] == label[valid]).mean())


every = pytest.mark.parametrize("name", BASELINES)


@every
@pytest.mark.parametrize("pixels", KINDS, ids=str)
def test_ids_of_the_table_at_the_size_of_the_image(name, pixels):
    source = shapes(3, pixels, noise=0.05)
    told = []
    fitted = made(name).fit(source, seed=1, progress=lambda *n: told.append(n))
    assert told == [(i + 1, 4) for i in range(4)]
    assert isinstance(fitted, Fitted) and fitted.facts
    image = np.concatenate([source.images[0], source.images[1]])[5:, :37]
    before = image.copy()
    ids = fitted(image)
    assert ids.shape == (43, 37) and ids.dtype == np.uint8
    assert set(np.unique(ids)) <= {0, 1, 2}
    assert np.array_equal(image, before)


@every
def test_the_seed_decides_and_the_order_of_files_does_not(name):
    source = shapes(3, noise=0.2)
    image = source.images[2]
    first = made(name).fit(source, seed=4)
    for other in (source, source.reversed()):
        again = made(name).fit(other, seed=4)
        assert np.array_equal(first(image), again(image))
        assert first.facts == again.facts


@every
def test_ignored_pixels_are_never_learnt_from(name):
    """Whatever stands under them: their own colours, and more of them."""
    source = shapes(3, noise=0.05)
    image = source.images[0]
    expected = made(name).fit(source, seed=0)
    blank = Drawn(
        source.info,
        (*source.images, np.full_like(image, 77)),
        (*source.labels, np.full(image.shape[:2], IGNORE, np.uint8)),
    )
    if name in ("otsu", "prior", "majority"):  # no draw that a fifth image shortens
        assert np.array_equal(expected(image), made(name).fit(blank)(image))
    for fitted in (expected, made(name).fit(blank)):
        assert not (fitted(np.full_like(image, 77)) == IGNORE).any()


@every
def test_nothing_labelled_is_refused(name):
    source = shapes(3)
    nothing = source.with_labels(np.full_like(x, IGNORE) for x in source.labels)
    with pytest.raises(UserError, match="none of 4 training images has a labelled"):
        made(name).fit(nothing)


@every
def test_clips_answer_their_last_frame(name):
    source = shapes(2)
    clips = tuple(np.stack([np.zeros_like(x), x]) for x in source.images)
    both = tuple(np.stack([np.zeros_like(x), x]) for x in source.labels)
    image = source.images[1]
    expected = made(name).fit(source)(image)
    of_last = made(name).fit(dataclasses.replace(source, images=clips))
    of_both = made(name).fit(dataclasses.replace(source, images=clips, labels=both))
    assert accuracy(of_both(image), expected) == 1
    if name not in ("kmeans", "random_forest", "region_growing", "watershed"):
        assert np.array_equal(of_last(image), expected)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("name", "least"),
    [("otsu", 1), ("kmeans", 1), ("random_forest", 0.99), ("region_growing", 0.97)],
)
def test_flat_colours_are_perfect(name, least, classes):
    """To the pixel, but where a method smooths the image first."""
    source = shapes(classes)
    fitted = made(name).fit(source)
    scores = [
        accuracy(fitted(image), label)
        for image, label in zip(source.images, source.labels, strict=True)
    ]
    assert np.mean(scores) >= least


@pytest.mark.parametrize("name", ["majority", "prior", "otsu", "kmeans", "watershed"])
def test_noise_gives_the_majority(name):
    """But where few pixels are a cell, or few training pixels a cluster."""
    source = noise()
    options = {"prior": {"grid": 4}, "kmeans": {"clusters": 16}}.get(name, {})
    ids = BASELINES[name](**options).fit(source)(source.images[0])
    assert (ids == 1).mean() > (0.99 if name == "watershed" else 0.9999)


def test_majority_by_hand():
    source = shapes(2)
    labels = [np.full_like(x, IGNORE) for x in source.labels]
    labels[0][5, :6], labels[3][7, :4] = 1, 0
    fitted = made("majority").fit(source.with_labels(labels))
    assert fitted.facts == {"class": "class 1", "share": 0.6}
    assert (fitted(source.images[0]) == 1).all()


def test_prior_by_hand():
    """Above is class 1, below class 0, and what is never labelled is the commonest."""
    label = np.zeros((8, 6), np.uint8)
    label[:3], label[:3, 4:] = 1, IGNORE
    blank = np.zeros((8, 6, 3), np.uint8)
    source = Drawn(info(2, Pixels()), (blank, blank), (label, label))
    fitted = BASELINES["prior"](grid=2).fit(source)
    assert fitted.ids.tolist() == [[1, 0], [0, 0]]
    ids = fitted(np.zeros((4, 8, 3), np.uint8))
    assert ids.tolist() == [[1] * 4 + [0] * 4] * 2 + [[0] * 8] * 2


@pytest.mark.parametrize("bright", [0, 1])
def test_otsu_is_that_of_scikit_image_and_knows_its_side(bright):
    rng = np.random.default_rng(0)
    mask = rng.random((40, 50)) < 0.3
    image = np.where(mask, 140, 90)[..., None] + rng.integers(-30, 30, (40, 50, 1))
    image = image.astype(np.uint8)
    truth = (mask == bright).astype(np.uint8)
    source = Drawn(info(2, Pixels(1)), (image,), (truth,))
    fitted = made("otsu").fit(source)
    assert fitted.facts["channel"] == "channel 0"
    cut = filters.threshold_otsu(image[..., 0].astype(np.float32))
    assert np.array_equal(fitted(image) == 1, (image[..., 0] > cut) == bright)
    counts = judged.confusion_matrix(truth.ravel(), fitted(image).ravel())
    iou = judged.jaccard_score(truth.ravel(), fitted(image).ravel(), average="macro")
    assert fitted.facts["training_miou"] == pytest.approx(iou, abs=1e-4)
    assert counts.sum() == 2000


def test_more_thresholds_are_those_of_scikit_image():
    rng = np.random.default_rng(0)
    channel = rng.normal(0, 1, (30, 40)).astype(np.float32)
    channel += 6 * rng.integers(0, 3, channel.shape)
    cuts = filters.threshold_multiotsu(channel, classes=3)
    expected = np.digitize(channel, cuts)
    assert np.array_equal(otsu.split(channel, 3), expected)


@pytest.mark.parametrize("values", [(5,), (5, 9), (0, 1, 2)])
def test_fewer_values_than_regions(values):
    channel = np.resize(np.asarray(values, np.float32), (6, 7))
    expected = np.searchsorted(values, channel)
    assert np.array_equal(otsu.split(channel, 3), expected)


def test_otsu_takes_the_channel_that_tells():
    rng = np.random.default_rng(1)
    source = shapes(2, Pixels(4, "float32"), noise=0.5)
    images = []
    for image, label in zip(source.images, source.labels, strict=True):
        image = rng.random(image.shape).astype(np.float32)
        image[..., 2] = np.where(label == 1, -3.0, 8.0)
        images.append(image)
    fitted = made("otsu").fit(dataclasses.replace(source, images=tuple(images)))
    assert fitted.facts["channel"] == "channel 2"
    assert fitted.facts["regions_from_dark_to_bright"] == ["class 1", "class 0"]


def test_stripes_of_features_are_the_whole():
    image = np.random.default_rng(0).integers(0, 256, (230, 20, 3)).astype(np.uint8)
    whole = random_forest.features(image)
    parts = [random_forest.features(image, top, top + 50) for top in range(0, 230, 50)]
    assert whole.shape == (230, 20, random_forest.number_of(image))
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-3)


def test_a_forest_in_stripes_answers_the_same(monkeypatch):
    source = shapes(3, noise=0.1, number=2, size=(230, 24))
    fitted = made("random_forest").fit(source)
    whole = fitted(source.images[0])
    monkeypatch.setattr(random_forest, "BYTES", 1)
    monkeypatch.setattr(random_forest, "CHUNK", 100)
    assert (fitted(source.images[0]) == whole).mean() > 0.999
    assert np.array_equal(made("random_forest").fit(source)(source.images[0]), whole)


def test_a_balanced_draw():
    source = shapes(3, noise=0.1)
    X, y, counts = random_forest.sample.draw(
        source, colour.features, number=300, seed=0, balanced=True
    )
    labels = np.stack(source.labels)
    assert counts.tolist() == [(labels == k).sum() for k in range(3)]
    assert np.bincount(y).tolist() == [100, 100, 100]
    assert X.shape == (300, 5) and (abs(X[:, 3:]) < 1).all()


@pytest.mark.parametrize("balanced", [False, True])
def test_a_draw_takes_no_ignored_pixel(balanced):
    source = shapes(2, noise=0.05)
    images = []
    for image, label in zip(source.images, source.labels, strict=True):
        images.append(np.where(label[..., None] == IGNORE, np.uint8(255), image // 2))
    source = dataclasses.replace(source, images=tuple(images))
    X, y, counts = random_forest.sample.draw(
        source, colour.features, number=10**6, seed=0, balanced=balanced
    )
    assert X[:, :3].max() < 128 and set(np.unique(y)) == {0, 1}
    assert len(y) == counts.sum() == sum((x != IGNORE).sum() for x in source.labels)


def test_too_many_channels_are_refused():
    source = shapes(2, Pixels(65))
    with pytest.raises(UserError, match="has 65 channels; 64 are allowed"):
        made("random_forest").fit(source)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("kmeans", {"clusters": 0}, "KMeans: clusters=0: must be 1 or more"),
        ("otsu", {"regions": 5}, "Otsu: regions=5: must be 4 or less"),
        ("otsu", {"regions": 1}, "Otsu: regions=1: must be 2 or more"),
        ("random_forest", {"trees": 0, "depth": 0}, "trees=0.*\n.*depth=0"),
        ("region_growing", {"min_size": 0}, "min_size=0"),
        ("watershed", {"sigma": -1}, "sigma=-1"),
        ("prior", {"grid": 0}, "grid=0"),
    ],
)
def test_options_out_of_their_range(name, options, expected):
    with pytest.raises(UserError, match=expected):
        BASELINES[name](**options)


def test_a_limit_is_of_names_and_nested():
    source = shapes(2, number=6)
    few, more = Limited(source, 2), Limited(source, 4)
    names = [{s.name(i) for i in range(len(s))} for s in (few, more)]
    assert len(names[0]) == 2 and names[0] < names[1]
    backwards = Limited(source.reversed(), 4)
    assert {backwards.name(i) for i in range(4)} == names[1]
    assert len(Limited(source, 99)) == 6
    assert np.array_equal(few[0]["image"], source.images[int(few.name(0))])


@every
def test_each_names_its_source(name):
    doc = inspect.getdoc(BASELINES[name])
    assert "Source:" in doc or name in ("majority", "prior")


def test_the_libraries_are_imported_when_they_are_used():
    code = "import segjax.baselines, segjax.commands.baselines, sys\n"
    code += "print(sorted({'sklearn', 'skimage', 'scipy'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
