"""DeepLab-LargeFOV: its table and its exact integers."""

import pytest

from segjax.core.errors import UserError
from segjax.models.deeplab_largefov import DeepLabLargeFOV
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(DeepLabLargeFOV(num_outputs=21), 320, 320, 3)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (dict(num_outputs=11), 20_495_179),
        # the dense layers of VGG-16 as they are, 7x7 and 4096 wide
        (dict(num_outputs=21, features=4096, kernel=7), 134_346_581),
    ],
)
def test_parameters(options, count):
    variables, _ = shapes(DeepLabLargeFOV(**options), 64, 64, 3)
    assert count_parameters(variables["params"]) == count


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        DeepLabLargeFOV(num_outputs=2, rate=0, kernel=4, dropout=1.0)
    assert len(caught.value.problems) == 3
