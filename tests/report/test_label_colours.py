"""Colours at known pixels."""

import numpy as np

from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.report import colour

INFO = DatasetInfo("toy", ("a", "b", "c"), ((10, 20, 30), (200, 0, 0), (0, 0, 250)))
LABEL = np.array([[0, 1, 2], [IGNORE, 1, 2]], np.uint8)


def test_colourise():
    expected = [
        [(10, 20, 30), (200, 0, 0), (0, 0, 250)],
        [(0, 0, 0), (200, 0, 0), (0, 0, 250)],
    ]
    np.testing.assert_array_equal(colour.colourise(LABEL, INFO), expected)
    assert colour.colourise(LABEL, INFO).dtype == np.uint8


def test_error_map():
    prediction = np.array([[0, 2, 2], [1, 1, 0]], np.int64)
    right, wrong, ignored = colour.CORRECT, colour.WRONG, (0, 0, 0)
    expected = [[right, wrong, right], [ignored, right, wrong]]
    np.testing.assert_array_equal(colour.error_map(LABEL, prediction), expected)


def test_errors_differ_in_lightness_for_the_colour_blind():
    def lightness(rgb):
        linear = (np.array(rgb) / 255) ** 2.2
        return float(linear @ [0.2126, 0.7152, 0.0722])

    levels = [lightness(c) + 0.05 for c in (colour.WRONG, colour.CORRECT, (0, 0, 0))]
    assert levels[0] / levels[1] > 1.8 and levels[1] / levels[2] > 2


def test_overlay_mixes_inside_and_marks_borders():
    image = np.full((6, 8, 3), 100, np.uint8)
    label = np.zeros((6, 8), np.uint8)
    label[:, 4:] = 1
    before = image.copy()
    mixed = colour.overlay(image, label, INFO, alpha=0.5)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(mixed[0, 0], (55, 60, 65))
    np.testing.assert_array_equal(mixed[0, 7], (150, 50, 50))
    border = np.round(100 + 0.85 * ((np.array([10, 20, 30]) + 255) / 2 - 100))
    np.testing.assert_array_equal(mixed[:, 3], np.tile(border, (6, 1)))
    np.testing.assert_array_equal(colour.overlay(image, label, INFO, 0.0)[0, 0], 100)


def test_contours():
    edge = colour.contours(LABEL)
    np.testing.assert_array_equal(edge, [[True, True, False], [True, True, False]])
