"""The per-class table, as text."""

import numpy as np

from segjax.metrics import per_class

COUNTS = np.asarray([[900, 50, 10, 0], [40, 500, 0, 0], [0] * 4, [0] * 4], np.int64)
NAMES = ("sky", "road", "car, parked", "bicycle")


def test_table_reads_so():
    assert per_class.table(COUNTS, NAMES).splitlines() == [
        "class        pixels     IoU    Dice  precision  recall",
        "------------------------------------------------------",
        "sky           64.00   90.00   94.74      95.74   93.75",
        "road          36.00   84.75   91.74      90.91   92.59",
        "car, parked    0.00    0.00    0.00       0.00       -",
        "bicycle        0.00  absent  absent     absent  absent",
        "------------------------------------------------------",
        "mean                  58.25   62.16      62.22   62.11",
        "Per cent. 3 of 4 classes averaged: mean over classes that are true or "
        "predicted somewhere (as mmsegmentation, scenic, Keras).",
    ]


def test_the_convention_changes_the_mean_row_and_sentence():
    *_, mean, note = per_class.table(COUNTS, NAMES, "truth").splitlines()
    assert mean.split()[1] == "87.37"
    assert note.startswith("Per cent. 2 of 4 classes averaged: mean over classes that")
    *_, mean, note = per_class.table(COUNTS, NAMES, "strict").splitlines()
    assert mean.split() == ["mean", "-", "-", "-", "-"]


def test_no_pixels_is_a_table_too():
    text = per_class.table(np.zeros((4, 4), np.int64), NAMES)
    assert "0 of 4 classes averaged" in text
    assert "nan" not in text


def test_the_note_tells_what_the_mean_is_over():
    images = np.stack([COUNTS, 2 * COUNTS])
    *_, mean, note = per_class.table(images, NAMES, "per_image").splitlines()
    assert mean.split()[1] == "87.37"
    assert note.startswith("Per cent. the mean is over 2 images: mean over images")
    *_, mean, note = per_class.table(images, NAMES, "micro").splitlines()
    assert mean.split()[1] == "87.50"
    assert note.startswith("Per cent. 4 classes together: no mean over classes")
    *_, note = per_class.table(images, NAMES, "foreground_pooled").splitlines()
    assert note.startswith("Per cent. 2 of 4 classes averaged")
