"""The sheet of ops shows every op of the tables, on any example."""

import numpy as np
import pytest
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IMAGE, LABEL
from segjax.data import ops
from segjax.report import effects

INFO = DatasetInfo("toy", ("sky", "road"), ((120, 160, 220), (120, 60, 120)))


def examples(shapes):
    rng = np.random.default_rng(0)
    return [
        {
            IMAGE: rng.integers(0, 256, (*shape, 3), np.uint8),
            LABEL: rng.integers(0, 2, shape[-2:], np.uint8),
        }
        for shape in shapes
    ]


def test_every_op_and_preset_has_a_string():
    made = effects.strings(40, 60)
    assert set(made) == (set(ops.OPS) | set(ops.PRESETS)) - {"normalize"}
    for name, string in made.items():
        chain = effects.certain(string)
        if name in ops.OPS:
            (op,) = chain
            assert isinstance(op, ops.OPS[name]) and getattr(op, "p", 1) == 1


@pytest.mark.parametrize("shapes", [[(40, 60), (90, 30)], [(3, 24, 30)]])
def test_the_sheet_is_drawn(shapes, tmp_path):
    path = tmp_path / "ops.png"
    effects.sheet(examples(shapes), INFO, path)
    pixels = np.asarray(Image.open(path).convert("RGB"))
    assert pixels.shape[1] == 1200 and pixels.std() > 20


def test_no_examples_are_refused(tmp_path):
    with pytest.raises(UserError, match="no examples to draw"):
        effects.sheet([], INFO, tmp_path / "ops.png")
