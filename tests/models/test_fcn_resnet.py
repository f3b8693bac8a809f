"""torchvision's FCN: its exact integers."""

import pytest

from segjax.models.fcn_resnet import FCNResNet
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(FCNResNet(num_outputs=21), 512, 512, 3)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (dict(aux_head=False), 32_957_013),
        # torchvision's own count of fcn_resnet101, with its auxiliary head
        (dict(backbone="resnet101"), 54_314_346),
    ],
)
def test_forms_have_the_exact_integers(options, count):
    variables, _ = shapes(FCNResNet(num_outputs=21, **options), 32, 32, 3)
    assert count_parameters(variables["params"]) == count
