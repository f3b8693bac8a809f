"""Numbers in masks become class ids; what is not declared is refused with advice."""

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import labels
from segjax.data.datasets.cityscapes import RULES
from segjax.data.labels import LabelMap

TWO = ((0, 0), (1, 1))


def mask(tmp_path, array):
    path = tmp_path / "m.png"
    Image.fromarray(np.asarray(array)).save(path)
    return str(path)


def read(tmp_path, array, rule):
    return labels.read(mask(tmp_path, array), rule, "train/m.png")


def test_declared_numbers_are_a_bijection_onto_classes(tmp_path):
    rule = LabelMap(((7, 0), (3, 1), (60000, 2), (9, IGNORE)))
    got = read(tmp_path, np.array([[7, 3, 60000, 9]], np.uint16), rule)
    np.testing.assert_array_equal(got, [[0, 1, 2, IGNORE]])
    assert got.dtype == np.uint8


def test_undeclared_ids_are_refused_with_counts(tmp_path):
    rule = LabelMap((*((k, k) for k in range(11)), (11, IGNORE)))
    array = np.zeros((10, 20), np.uint8)
    array[0, :7] = 200
    with pytest.raises(UserError) as error:
        read(tmp_path, array, rule)
    assert str(error.value) == (
        "train/m.png: mask has id 200 (7 px); classes are 0-10 and ignore 11. "
        "Check `classes` or run `segjax inspect`."
    )


def test_class_255_minus_one_and_large_numbers_do_not_wrap_round(tmp_path):
    path = tmp_path / "m.tif"
    Image.fromarray(np.array([[0, -1, 65536, 65537]], np.int32)).save(path)
    with pytest.raises(UserError, match=r"id -1 \(1 px\), 65536 \(1 px\), 65537"):
        labels.read(str(path), LabelMap(TWO))


def test_threshold(tmp_path):
    got = read(
        tmp_path, np.array([[0, 127, 128, 255]], np.uint8), LabelMap(threshold=128)
    )
    np.testing.assert_array_equal(got, [[0, 0, 1, 1]])


def test_colours(tmp_path):
    rule = LabelMap(
        colours=(((9, 0, 0), 1), ((0, 0, 9), 0), ((9, 9, 9), IGNORE)), layout="folder"
    )
    picture = np.array([[[9, 0, 0], [0, 0, 9], [9, 9, 9]]], np.uint8)
    np.testing.assert_array_equal(read(tmp_path, picture, rule), [[1, 0, IGNORE]])
    picture[0, 1] = (1, 2, 3)
    with pytest.raises(UserError, match=r"1 colours that no class has: \(1, 2, 3\)"):
        read(tmp_path, picture, rule)


FOLDER = LabelMap(TWO, layout="folder")


@pytest.mark.parametrize(
    ("array", "rule", "message"),
    [
        ([[0, 18, 19, 33]], RULES["labelTrainIds"], "set labels='labelIds'"),
        ([[0, 18, 255]], RULES["labelIds"], "set labels='labelTrainIds'"),
        ([[0, 255]], FOLDER, r"set values=\(0, 255\)"),
        ([[0, *range(200, 256)]], FOLDER, "set threshold=128"),
        ([[1, 2]], FOLDER, r"set values=\(1, 2\)"),
        ([[0, 7]], FOLDER, "segjax inspect"),
    ],
)
def test_known_mistakes_are_recognised(array, rule, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read(tmp_path, np.array(array, np.uint8), rule)


def test_spans():
    assert labels.spans([3, 1, 2, 0, 7, 9, 10]) == "0-3, 7, 9-10"
