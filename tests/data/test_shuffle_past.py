"""The order of the earlier frames of a clip is broken, the same way every time."""

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data import pipeline
from segjax.data.datasets import streets
from segjax.data.ops.frames import ShufflePast


def clip(index, frames=5):
    image = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    label = np.zeros((2, 2), np.uint8)
    return {
        IMAGE: np.broadcast_to(image, (frames, 2, 2, 3)),
        LABEL: label,
        INDEX: np.int64(index),
    }


def order(index, frames=5, seed=0):
    return ShufflePast(seed).map(clip(index, frames))[IMAGE][:, 0, 0, 0].tolist()


@pytest.mark.parametrize("index", range(20))
def test_the_past_is_in_a_wrong_order_and_the_present_stays(index):
    found = order(index)
    assert found[-1] == 4 and sorted(found) == [0, 1, 2, 3, 4]
    assert found != [0, 1, 2, 3, 4]
    assert found == order(index)
    assert order(index, 3) == [1, 0, 2]  # there is one wrong order of two


def test_seed_and_index_give_other_orders():
    assert len({tuple(order(i)) for i in range(20)}) > 5
    assert len({tuple(order(0, seed=s)) for s in range(20)}) > 5


def test_a_short_past_and_a_still_have_no_order():
    assert order(0, 2) == [0, 1]
    still = {IMAGE: np.zeros((2, 2, 3), np.uint8), INDEX: np.int64(0)}
    assert ShufflePast().map(still)[IMAGE] is still[IMAGE]


def test_labels_of_earlier_frames_are_refused():
    with pytest.raises(UserError, match="labelled='last'"):
        ShufflePast().map({**clip(0), LABEL: np.zeros((5, 2, 2), np.uint8)})


def test_training_and_evaluation_see_the_same_order():
    source = streets.make("train", (16, 16), num_train=4, frames=4)
    op = ShufflePast()
    seen = next(pipeline.train_batches(source, (op,), seed=0, batch_size=4))
    images = dict(zip(seen[INDEX].tolist(), seen[IMAGE], strict=True))
    for example in pipeline.examples(source, (op,)):
        assert np.array_equal(images[int(example[INDEX])], example[IMAGE])
