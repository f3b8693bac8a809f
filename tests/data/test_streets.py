"""The drawn street scenes: pure, exact, at any size, still or moving."""

import dataclasses
import itertools
import pickle
import signal

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data.datasets import streets
from segjax.data.datasets.streets import classes, conditions, layout, lens, render

SIZE = (96, 144)


def world(scene, seed=0):
    return layout.make(np.random.default_rng((seed, scene, 0)))


def light(scene, seed=0):
    return conditions.make(np.random.default_rng((seed, scene, 29)))


@pytest.fixture(scope="module")
def scenes():
    """Images and labels of forty scenes."""
    source = streets.make("train", SIZE, num_train=40)
    examples = [source[i] for i in range(40)]
    return [np.stack([e[key] for e in examples]) for key in ("image", "label")]


def test_an_example_has_the_house_keys_shapes_and_types():
    source = streets.make("train", SIZE, num_train=3)
    assert len(source) == 3 and source.info.num_classes == 11
    example = source[1]
    assert sorted(example) == ["image", "index", "label"]
    assert example["image"].shape == (*SIZE, 3) and example["image"].dtype == np.uint8
    assert example["label"].shape == SIZE and example["label"].dtype == np.uint8
    assert example["index"] == 1 and source.name(1) == "train_000001"
    assert example["image"].flags.c_contiguous and example["label"].flags.c_contiguous


def test_the_same_scene_gives_the_same_bytes_in_any_order(scenes):
    for scene in (3, 1, 0, 2):
        image, label = streets.still(0, scene, SIZE)
        np.testing.assert_array_equal(image, scenes[0][scene])
        np.testing.assert_array_equal(label, scenes[1][scene])


def test_writing_into_an_example_spoils_no_later_one(scenes):
    source = streets.make("train", SIZE, num_train=2)
    source[1]["image"][:] = 0
    source[1]["label"][:] = 0
    np.testing.assert_array_equal(source[1]["image"], scenes[0][1])
    np.testing.assert_array_equal(source[1]["label"], scenes[1][1])


@pytest.mark.parametrize(
    "other",
    [
        {"split": "val"},
        {"split": "test"},
        {"split": "train", "seed": 1},
    ],
    ids=str,
)
def test_splits_and_seeds_share_no_scene(other, scenes):
    theirs = streets.make(**{"size": SIZE, "num_train": 4, "num_val": 4} | other)
    for i in range(4):
        differs = (scenes[1] != theirs[i]["label"]).mean((1, 2))
        assert differs.min() > 0.01
    ours = streets.make("train", SIZE, num_train=4, num_val=4)
    assert ours.fingerprint() != theirs.fingerprint()


def test_fingerprint_follows_the_arguments_and_only_them():
    first = streets.make("train", SIZE)
    assert first.fingerprint() == streets.make("train", SIZE).fingerprint()
    for change in ({"size": (64, 96)}, {"num_train": 7}, {"seed": 2}):
        other = streets.make(**{"split": "train", "size": SIZE} | change)
        assert other.fingerprint() != first.fingerprint()
    assert repr(first) == "streets/train (256 scenes of 96x144, seed 0)"


def test_a_source_survives_pickling():
    source = streets.make("val", SIZE, num_val=2)
    copy = pickle.loads(pickle.dumps(source))
    assert copy == source
    np.testing.assert_array_equal(copy[1]["image"], source[1]["image"])


@pytest.mark.parametrize("size", [(16, 16), (45, 97), (200, 64), (97, 400), (720, 960)])
def test_any_size(size):
    image, label = streets.still(0, 3, size)
    assert image.shape == (*size, 3) and label.shape == size
    assert set(np.unique(label)) <= {*range(11), IGNORE}


def test_a_scene_is_the_same_scene_at_another_size():
    small = streets.still(0, 5, (120, 160))[1]
    large = streets.still(0, 5, (360, 480))[1][1::3, 1::3]
    known = (small != IGNORE) & (large != IGNORE)
    assert (small == large)[known].mean() > 0.93


def test_every_class_occurs_and_streets_are_as_unbalanced_as_real_ones(scenes):
    labels = scenes[1]
    counts = np.bincount(labels.ravel(), minlength=256)
    assert counts[11:IGNORE].sum() == 0
    share = dict(zip(streets.INFO.class_names, counts[:11] / counts.sum(), strict=True))
    bounds = {
        "sky": (0.08, 0.30),
        "building": (0.12, 0.35),
        "road": (0.20, 0.42),
        "sidewalk": (0.015, 0.10),
        "vegetation": (0.04, 0.18),
        "car": (0.04, 0.16),
        "pole": (0.005, 0.035),
        "sign": (0.002, 0.02),
        "fence": (0.002, 0.03),
        "person": (0.004, 0.025),
        "cyclist": (0.001, 0.02),
    }
    assert bounds.keys() == share.keys()
    wrong = {k: v for k, v in share.items() if not bounds[k][0] < v < bounds[k][1]}
    assert not wrong
    present = [(labels == k).any((1, 2)).mean() for k in range(11)]
    assert min(present) > 0.4


def test_void_is_thin_lines_between_classes(scenes):
    labels = scenes[1]
    assert 0.02 < (labels == IGNORE).mean() < 0.10
    for label in labels[:10]:
        void = label == IGNORE
        block = void[:-3, :-3].copy()
        for dv in range(4):
            for du in range(4):
                block &= void[dv : void.shape[0] - 3 + dv, du : void.shape[1] - 3 + du]
        assert block.mean() < 0.003  # hardly anywhere 4x4 pixels of it


def test_void_edges_by_hand():
    label = np.full((5, 7), classes.ROAD, np.uint8)
    label[:, 3] = classes.POLE
    expected = label.copy()
    expected[:, [2, 4]] = IGNORE  # the thin pole keeps its pixels
    np.testing.assert_array_equal(render.void_edges(label), expected)


@pytest.mark.parametrize("scene", [5, 10])
def test_no_light_weather_or_noise_reaches_the_label(scene):
    """One world under many conditions, all skies and hours among them."""
    here = world(scene)
    image, label = render.run(here, light(scene), SIZE)
    seen = set()
    for other in range(100, 140):
        theirs = light(other)
        if {theirs.hour, theirs.sky} <= seen:
            continue
        seen |= {theirs.hour, theirs.sky}
        other_image, other_label = render.run(here, theirs, SIZE, frame=3)
        np.testing.assert_array_equal(other_label, label)
        assert (other_image != image).mean() > 0.5
    assert seen == {*conditions.HOURS, *conditions.SKIES}


def test_the_label_lies_on_the_image_to_the_pixel():
    """The image is steepest where the label has its edges, not beside them."""
    steepness = dict.fromkeys((-3, -2, -1, 0, 1, 2, 3), 0.0)
    for scene in range(6):
        plain = dataclasses.replace(
            light(scene), noise=0.0, rain=0.0, wet=0.0, lamps=False, haze=1e-4, blur=0.1
        )
        here = dataclasses.replace(world(scene), mirrored=False)
        image, label = render.run(here, plain, (180, 240))
        grey = image.astype(float).mean(-1)
        for step, inside in (
            (np.abs(np.diff(grey, axis=1)), label == classes.CAR),
            (np.abs(np.diff(grey.T, axis=1)), label.T == classes.CAR),
        ):
            enters = inside[:, 1:] & ~inside[:, :-1]
            for shift in steepness:
                steepness[shift] += step[np.roll(enters, shift, 1)].sum()
    assert max(steepness, key=steepness.get) == 0
    assert steepness[0] > 1.5 * max(steepness[-2], steepness[2])


def test_colour_alone_does_not_give_the_classes_away(scenes):
    """The best class of each coarse colour, fitted on these very images, is poor."""
    table, pairs = np.zeros((4096, 11)), []
    for image, label in zip(*scenes, strict=True):
        codes = (image >> 4).astype(int) @ (256, 16, 1)
        keep = label != IGNORE
        pairs.append((codes[keep], label[keep]))
        np.add.at(table, pairs[-1], 1)
    best = table.argmax(1)
    codes, truth = (np.concatenate(part) for part in zip(*pairs, strict=True))
    counts = np.zeros((11, 11))
    np.add.at(counts, (truth, best[codes]), 1)
    hit = np.diag(counts)
    iou = hit / (counts.sum(0) + counts.sum(1) - hit)
    assert 0.05 < iou.mean() < 0.30


def test_a_still_is_the_first_frame_of_its_clip(scenes):
    source = streets.make("train", SIZE, num_train=3)
    images, labels = source.clip(2, 3)
    assert images.shape == (3, *SIZE, 3) and labels.shape == (3, *SIZE)
    np.testing.assert_array_equal(images[0], scenes[0][2])
    np.testing.assert_array_equal(labels[0], scenes[1][2])


def test_one_class_against_all_others():
    all_of_it = streets.make("train", size=(40, 56), num_train=1)
    road = streets.make("train", size=(40, 56), num_train=1, only="road")
    assert road.info.class_names == ("other", "road")
    label, known = all_of_it[0]["label"], classes.ROAD
    want = np.where(label == IGNORE, IGNORE, label == known)
    np.testing.assert_array_equal(road[0]["label"], want)
    assert road.fingerprint() != all_of_it.fingerprint()
    with pytest.raises(UserError, match="mean 'road'"):
        streets.make("train", only="raod")


def test_clips_as_examples_end_with_their_label():
    source = streets.make("train", size=(40, 56), num_train=2, frames=3)
    example = source[1]
    images, labels = streets.clip(0, 1, 3, (40, 56))
    np.testing.assert_array_equal(example["image"], images)
    np.testing.assert_array_equal(example["label"], labels[-1])
    still = streets.make("train", size=(40, 56), num_train=2)
    assert still.fingerprint() != source.fingerprint()
    with pytest.raises(UserError, match="frames=0"):
        streets.make("train", frames=0)


@pytest.mark.parametrize("scene", [0, 7])
def test_a_clip_moves_smoothly(scene):
    images, labels = streets.clip(0, scene, 5, SIZE)
    for now, after in itertools.pairwise(labels):
        known = (now != IGNORE) & (after != IGNORE)
        assert 0 < (now != after)[known].mean() < 0.12
    step = np.abs(np.diff(images.astype(int), axis=0)).mean((1, 2, 3))
    assert step.max() < 3 * np.median(step)


@pytest.mark.parametrize("scene", [64, 96, 217, 235])
def test_a_street_ends_behind_its_crossings(scene):
    """Rounding once made the lots of these scenes find the same crossing for ever."""
    signal.setitimer(signal.ITIMER_REAL, 10.0)  # its signal ends the test run
    try:
        here = world(scene)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    for near, far in here.crossings:
        lots = [t for t in here.things if t.kind == "building"]
        assert not [t for t in lots if t.s < far and t.s + t.length > near]


def test_things_move_at_constant_speed_and_come_round():
    from segjax.data.datasets.streets.world import BEHIND, PERIOD, Thing, place

    car = Thing("car", 1.0, 50.0, speed_s=-8.0)
    at = np.array([place(car, t, 5.0 * t)[1] for t in (0.0, 1.0, 2.0)])
    np.testing.assert_allclose(at, [50, 37, 24])
    assert place(car, PERIOD / 13.0, 5.0 * PERIOD / 13.0) == pytest.approx((1.0, 50.0))
    crossing = Thing("person", -3.0, 12.0, speed_d=1.0, span=4.0)
    assert place(crossing, 6.0, 0.0)[0] == pytest.approx(3.0)
    assert place(crossing, 8.0, 0.0)[0] == pytest.approx(-3.0)
    everywhere = [place(car, t, 0.0)[1] for t in np.linspace(0, 100, 999)]
    assert min(everywhere) >= -BEHIND and max(everywhere) < PERIOD - BEHIND


def test_the_mirrored_half_keeps_to_the_left():
    here = dataclasses.replace(world(0), mirrored=False)
    there = dataclasses.replace(here, mirrored=True)
    for ours, theirs in zip(
        render.run(here, light(0), SIZE), render.run(there, light(0), SIZE), strict=True
    ):
        np.testing.assert_array_equal(ours[:, ::-1], theirs)


def test_noise_has_the_stated_deviation():
    quiet = dataclasses.replace(light(0), noise=0.0)
    loud = dataclasses.replace(quiet, noise=4.0)
    grain = np.stack(lens.grain((200, 300), loud, 0))
    assert grain.std() == pytest.approx(4.0, rel=0.05)
    assert not np.array_equal(grain, np.stack(lens.grain((200, 300), loud, 1)))
    assert not np.stack(lens.grain((200, 300), quiet, 0)).any()


def test_all_wrong_arguments_are_told_at_once():
    with pytest.raises(UserError) as error:
        streets.make("training", size=(8, 99999), num_train=0, seed=-1)
    assert len(error.value.problems) == 4
    assert "streets.split='training'" in str(error.value)


def test_an_index_out_of_range_ends_an_iteration():
    source = streets.make("val", SIZE, num_val=2)
    with pytest.raises(IndexError, match="no example 2"):
        source[2]
    assert len(list(source)) == 2
