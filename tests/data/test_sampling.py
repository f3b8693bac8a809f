"""How often examples are drawn: by hand, by counting, and whatever reads them."""

import numpy as np
import pytest

from segjax import config as configs
from segjax.core.errors import UserError
from segjax.core.keys import INDEX, LABEL
from segjax.data import datasets, pipeline
from segjax.data.sampling import SAMPLERS, ClassUniform, Draw, RepeatFactor, presence

PRESENT = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]], bool)
"""Four examples: class 0 in all, class 1 in the first, class 2 in none."""


def test_weights_by_hand():
    np.testing.assert_allclose(
        RepeatFactor(threshold=1.0).weights(PRESENT), (2, 1, 1, 1)
    )
    np.testing.assert_allclose(RepeatFactor(threshold=0.25).weights(PRESENT), 1)
    np.testing.assert_allclose(
        ClassUniform(share=1.0).weights(PRESENT), (0.625, 0.125, 0.125, 0.125)
    )
    np.testing.assert_allclose(ClassUniform(share=0.0).weights(PRESENT), 0.25)


@pytest.mark.parametrize("sampler", SAMPLERS.values())
@pytest.mark.parametrize("shape", [(3, 2), (1, 4)])
def test_examples_without_a_label_are_drawn_too(sampler, shape):
    weights = sampler().weights(np.zeros(shape, bool))
    assert (weights > 0).all() and np.allclose(weights, weights[0])


def test_draws_are_as_often_as_their_weights():
    draw, rng = Draw.of(np.array([3.0, 0.0, 1.0])), np.random.default_rng(0)
    found = np.bincount([draw.random_map(0, rng) for _ in range(4000)], minlength=3)
    assert found[1] == 0
    assert found[0] / found[2] == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize(
    "sampler, wrong",
    [(RepeatFactor, {"threshold": 0}), (ClassUniform, {"share": 1.5})],
)
def test_ranges(sampler, wrong):
    with pytest.raises(UserError, match="must be in"):
        sampler(**wrong)


@pytest.fixture(scope="module")
def source():
    return datasets.make("streets", "train", size=(40, 56), num_train=12)


def test_presence_is_what_the_labels_hold(source, tmp_path):
    expected = [
        [(source[i][LABEL] == k).any() for k in range(source.info.num_classes)]
        for i in range(len(source))
    ]
    np.testing.assert_array_equal(presence(source, tmp_path), expected)
    (kept,) = tmp_path.glob("presence-*.json")
    written = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(presence(source, tmp_path), expected)
    assert kept.stat().st_mtime_ns == written


def indices(source, draw, start, count, **options) -> list[int]:
    stream = pipeline.train_batches(
        source, (), seed=5, batch_size=4, start_step=start, draw=draw, **options
    )
    found = [next(stream)[INDEX].tolist() for _ in range(count)]
    stream.close()
    return [i for batch in found for i in batch]


def test_the_order_is_a_function_of_seed_and_place(source):
    draw = Draw.of(RepeatFactor(1.0).weights(presence(source)))
    whole = indices(source, draw, 0, 9)
    assert whole[:12] != whole[12:24]  # another epoch, other numbers
    assert len(set(whole[:12])) < 12  # with replacement
    assert indices(source, draw, 5, 4) == whole[20:]
    assert indices(source, draw, 0, 9, workers=2) == whole
    halves = [
        indices(source, draw, 0, 9, process_index=p, process_count=2) for p in (0, 1)
    ]
    assert [i for pair in zip(*halves, strict=True) for i in pair] == whole


def test_a_config_names_one_sampler(settings):
    resolve = configs.resolve
    assert resolve(settings()).sampler is None
    named = resolve(settings(input__sampler="class_uniform(share=0.25)"))
    assert named.sampler == ClassUniform(0.25)
    with pytest.raises(UserError, match=r"sampler.*Did you mean 'class_uniform'"):
        resolve(settings(input__sampler="class_unifrom()"))
    with pytest.raises(UserError, match="names 2 samplers"):
        resolve(settings(input__sampler="class_uniform() | repeat_factor()"))
