"""How often the prediction is compiled for images of many sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.keys import IGNORE
from segjax.models import MODELS
from segjax.predict.decide import make_judge
from segjax.predict.whole import fit, make_predict
from segjax.train import compiled


@pytest.mark.parametrize(
    ("sizes", "programs"),
    [
        ([(9, 12), (12, 9), (10, 10), (12, 12)], 1),
        ([(9, 12), (16, 12), (13, 12), (12, 12)], 2),
        ([(4, 4), (8, 4), (4, 8), (8, 8)], 4),
    ],
)
def test_it_is_compiled_once_for_each_padded_size(sizes, programs):
    model = MODELS["unet"](num_outputs=2, width=2, depth=2)  # sides are multiples of 4
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    predict = make_predict(
        model,
        normalize=lambda image: image / np.float32(255),
        judge=make_judge("multiclass", 2),
        batch_size=1,
    )
    examples = [
        {
            "image": np.full((h, w, 3), 100, np.uint8),
            "label": np.full((h, w), IGNORE, np.uint8),
            "index": np.int64(i),
        }
        for i, (h, w) in enumerate(sizes)
    ]
    assert len({fit(example, model)[0] for example in examples}) == programs
    before = compiled.counts()
    for _ in range(2):  # the second time nothing is left to compile
        assert len(list(predict(variables, iter(examples)))) == len(sizes)
    assert (compiled.counts() - before)["forward"] == programs
