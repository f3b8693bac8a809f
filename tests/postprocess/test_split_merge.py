"""Split and merge, against the same rules pixel by pixel and pair by pair."""

import itertools

import numpy as np
import pytest
from skimage import measure

from segjax.postprocess import split_merge
from segjax.postprocess.split_merge import SplitMerge


def drawing(shape, seed=0):
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (3, 3, 3)).repeat(shape[0], 0).repeat(shape[1], 1)
    image = colours[: 3 * shape[0] : 3, : 3 * shape[1] : 3]
    noise = rng.integers(-9, 10, (*shape, 3))
    return (image + noise).clip(0, 255).astype(np.uint8)


def variance(image, pixels):
    return image[tuple(zip(*pixels, strict=True))].astype(np.float64).var(0).max()


def split(image, top, left, side, tolerance):
    """The blocks of a quadtree, by recursion."""
    height, width, _ = image.shape
    rows, columns = range(top, top + side), range(left, left + side)
    block = [
        (y, x) for y, x in itertools.product(rows, columns) if y < height and x < width
    ]
    if not block:
        return []
    if side == 1 or variance(image, block) <= tolerance**2 + 1e-9:
        return [block]
    half = side // 2
    return [
        found
        for dy, dx in itertools.product((0, half), repeat=2)
        for found in split(image, top + dy, left + dx, half, tolerance)
    ]


def touch(one, other):
    of = set(other)
    return any(
        (y + dy, x + dx) in of
        for y, x in one
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))
    )


def plain(image, tolerance, min_size):
    """The pixels of each region, by the rules as they are written."""
    side = 1
    while side < max(image.shape[:2]):
        side *= 2
    found = split(image, 0, 0, side, tolerance)
    while True:
        unions = {
            (a, b): variance(image, found[a] + found[b])
            for a, b in itertools.combinations(range(len(found)), 2)
            if touch(found[a], found[b])
        }
        able = {p: v for p, v in unions.items() if v <= tolerance**2 + 1e-9}
        if not able:
            break
        best = {
            i: min((p for p in able if i in p), key=able.__getitem__)
            for i in {i for p in able for i in p}
        }
        pairs = [p for p in able if best[p[0]] == p == best[p[1]]]
        found = merged(found, pairs)
    while len(found) > 1 and min(map(len, found)) < min_size:
        means = [image[tuple(zip(*p, strict=True))].mean(0) for p in found]
        pairs = []
        for a in (a for a in range(len(found)) if len(found[a]) < min_size):
            near = [
                b for b in range(len(found)) if b != a and touch(found[a], found[b])
            ]
            own = {b: ((means[a] - means[b]) ** 2).sum() for b in near}
            pairs.append((a, min(own, key=own.__getitem__)))
        found = merged(found, pairs)
    return found


def merged(found, pairs):
    group = list(range(len(found)))
    for a, b in pairs:
        old, new = group[b], group[a]
        group = [new if g == old else g for g in group]
    together = {g: [] for g in group}
    for g, pixels in zip(group, found, strict=True):
        together[g] += pixels
    return list(together.values())


@pytest.mark.parametrize(("tolerance", "min_size"), [(0, 1), (6, 1), (8, 5), (200, 1)])
@pytest.mark.parametrize("shape", [(8, 8), (7, 11), (1, 5), (1, 1)])
def test_regions_are_those_of_the_rules(shape, tolerance, min_size):
    for seed in range(2):
        image = drawing(shape, seed)
        labels = split_merge.regions(image, tolerance, min_size)
        found = {frozenset(p) for p in plain(image, tolerance, min_size)}
        each = {
            frozenset(zip(*(n.tolist() for n in np.nonzero(labels == i)), strict=True))
            for i in range(labels.max() + 1)
        }
        assert each == found


def test_regions_hang_together_and_are_alike():
    image = drawing((60, 90))
    image[::7, ::5] = 255
    labels = split_merge.regions(image, 12, 1)
    for i in range(labels.max() + 1):
        assert measure.label(labels == i, connectivity=1).max() == 1
        assert image[labels == i].astype(float).std(0).max() <= 12 + 1e-9
    sizes = np.bincount(split_merge.regions(image, 12, 25).ravel())
    assert sizes.min() >= 25 and len(sizes) < labels.max() + 1


def test_a_region_takes_its_most_frequent_class():
    image = np.zeros((6, 8, 3), np.uint8)
    image[:, 3:] = 255
    ids = np.full((6, 8), 2, np.uint8)
    ids[:, 4:] = 1
    ids[2, 6] = 0
    expected = np.where(np.arange(8) < 3, 2, 1) * np.ones((6, 1))
    found = SplitMerge(5, 1).ids(ids, image, 3)
    np.testing.assert_array_equal(found, expected)
    ids[:3], ids[3:] = 1, 0  # as many of each: the lowest
    np.testing.assert_array_equal(SplitMerge(5, 1).ids(ids, image, 3), 0 * ids)
