"""Videos that move, hold still or flicker."""

import numpy as np
import pytest

from segjax.core.keys import IGNORE
from segjax.metrics import temporal
from segjax.metrics.measure import Frame
from segjax.metrics.temporal import Temporal


def scene(shift=0, size=(64, 80)):
    """A textured square that moves to the right over a textured ground."""
    rng = np.random.default_rng(0)
    image = rng.integers(60, 120, (*size, 3)).astype(np.uint8)
    patch = rng.integers(130, 250, (24, 24, 3)).astype(np.uint8)
    image[20:44, 20 + shift : 44 + shift] = patch
    ids = np.zeros(size, np.uint8)
    ids[20:44, 20 + shift : 44 + shift] = 1
    return image, ids


def result(looks):
    found = {name: np.stack([look[name] for look in looks]) for name in looks[0]}
    return Temporal().result(found, np.zeros((len(looks), 2, 2), np.int64))


def test_what_moves_with_the_image_is_consistent():
    (image, ids), (later, moved) = scene(), scene(4)
    frames = Frame(ids, ids, image), Frame(moved, moved, later)
    found = Temporal().look(*frames, 2)
    with_motion = result([found]).summary["temporal_consistency"]
    still = temporal.warp(ids, np.zeros((64, 80, 2), np.float32))
    unwarped = np.logical_and(still, moved).sum() / np.logical_or(still, moved).sum()
    assert unwarped < 0.75 and with_motion > 0.9


def test_a_prediction_that_jumps_is_not():
    image, ids = scene()
    frames = Frame(ids, ids, image), Frame(1 - ids, ids, image)
    summary = result([Temporal().look(*frames, 2)]).summary
    assert summary["temporal_consistency"] < 0.05
    assert summary["flicker"] == 1


def test_flicker_by_hand():
    image, label = scene()
    after = label.copy()
    after[0, :10] = 1  # the truth changes: no pixel of these counts
    label[1, :10] = IGNORE
    ids, later = label.copy(), after.copy()
    ids[1, :10] = 0
    later[10:12, :5] = 1  # ten pixels change, their truth does not
    later[0, :3] = 0
    found = Temporal().look(Frame(ids, label, image), Frame(later, after, image), 2)
    assert found["flicker"].tolist() == [64 * 80 - 20, 10]
    whole = result([found, found])
    assert whole.summary["flicker"] == 10 / (64 * 80 - 20)
    assert whole.notes == ("Over 2 pairs of frames; flicker over 2 with labels.",)


def test_the_first_frame_has_no_pair():
    image, ids = scene()
    frame = Frame(ids, np.full_like(ids, IGNORE), image)
    first = Temporal().look(None, frame, 2)
    assert not first["warped"].any() and not first["flicker"].any()
    second = Temporal().look(frame, frame, 2)
    found = {name: np.stack([first[name], second[name]]) for name in first}
    per_image = Temporal().per_image(found)
    assert np.isnan(per_image["temporal_consistency"][0])
    assert per_image["temporal_consistency"][1] == 1
    assert np.isnan(per_image["flicker"]).all()  # no label, no flicker
    assert np.isnan(result([first]).summary["temporal_consistency"])


def test_warping_fetches_from_where_the_flow_points():
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    flow = np.zeros((3, 4, 2), np.float32)
    flow[..., 0] = 1  # each pixel was one further to the right
    found = temporal.warp(ids, flow)
    assert found[:, :3].tolist() == ids[:, 1:].tolist()
    assert (found[:, 3] == IGNORE).all()


@pytest.mark.parametrize("shift", [0, 3])
def test_the_flow_finds_the_motion(shift):
    image, _ = scene()
    moved = np.roll(image, shift, axis=1)
    flow = temporal.motion(moved, image)
    inner = flow[16:-16, 16:-16, 0]
    assert np.median(inner) == pytest.approx(-shift, abs=0.3)
