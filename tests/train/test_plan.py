"""The plan of a run: counts, bytes, and the search for what fits."""

import dataclasses

import jax
import pytest

from segjax import config
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, LABEL
from segjax.core.pixels import Pixels
from segjax.parts import make
from segjax.train import cost, init, plan, speed

INFO = plan.made_up(3)


@pytest.fixture(scope="module")
def checked(settings):
    return config.resolve(settings())


@pytest.fixture(scope="module")
def planned(checked):
    return plan.of(checked, INFO, time_steps=2)


def test_a_plan_has_the_counts_of_the_state(checked, planned):
    batch = plan.batch_of(checked, INFO)
    _, state, _ = speed.step_and_arguments(checked, INFO, batch)
    assert planned.parameters == init.count_parameters(state.params)
    assert planned.running_statistics == init.count_parameters(state.batch_stats)
    assert planned.state_bytes == sum(x.nbytes for x in jax.tree.leaves(state))
    assert planned.batch == (8, 16, 16, 3)
    assert planned.devices == jax.device_count()


def test_a_plan_counts_about_three_forward_passes_an_image(checked, planned):
    """One forward pass, and two of its size for the gradient."""
    model = make(checked, INFO).model
    forward = 2 * cost.of(model, (16, 16)).gmac
    assert 2 < planned.gflop / (8 * forward) < 4.5


def test_a_record_says_what_one_image_of_a_batch_costs(checked):
    model = make(checked, INFO).model
    batch = plan.batch_of(checked, INFO)
    _, state, _ = speed.step_and_arguments(checked, INFO, batch)
    found = cost.facts(model, state, batch)
    expected = cost.of(model, (16, 16))
    assert found == {"gmac": round(expected.gmac, 6), "size": [16, 16]}


def test_a_step_needs_more_than_its_state(planned):
    assert planned.train_bytes > planned.state_bytes
    assert planned.step_seconds > 0
    steps = 7 * planned.step_seconds
    assert planned.total_seconds == pytest.approx(planned.compile_seconds + steps)


@pytest.mark.parametrize(
    ("changes", "image", "label"),
    [
        ({}, (8, 16, 16, 3), (8, 16, 16)),
        ({"input__train_ops": "resize(24, 32) | normalize()"}, (8, 24, 32, 3), None),
        ({"input__batch_size": 16}, (16, 16, 16, 3), (16, 16, 16)),
    ],
)
def test_the_batch_is_what_the_ops_make(settings, changes, image, label):
    batch = plan.batch_of(config.resolve(settings(**changes)), INFO)
    assert batch[IMAGE].shape == image
    assert batch[LABEL].shape == (label or image[:3])


@pytest.mark.parametrize("labelled", ["last", "all"])
def test_clips_are_planned_as_clips(settings, labelled):
    data = dict(name="moving_mnist", root=".", frames=4, labelled=labelled)
    model = dict(name="convlstm_unet", width=2, depth=1)
    clips = config.resolve(settings(data=data, model=model))
    batch = plan.batch_of(clips, INFO)
    assert batch[IMAGE].shape == (8, 4, 16, 16, 3)
    assert batch[LABEL].shape == (8, *(4,) * (labelled == "all"), 16, 16)


def test_other_pixels_are_planned_as_they_are(checked):
    batch = plan.batch_of(checked, plan.made_up(2, Pixels(5, "uint16")))
    assert batch[IMAGE].shape[-1] == 5
    assert batch[IMAGE].dtype == "uint16"


def test_images_of_no_known_size_are_refused(settings):
    loose = config.resolve(settings(input__train_ops="flip_lr() | normalize()"))
    with pytest.raises(UserError, match=r"config\.input\.train_ops.*--size H W"):
        plan.batch_of(loose, INFO)
    assert plan.batch_of(loose, INFO, (8, 12))[LABEL].shape == (8, 8, 12)


@pytest.mark.parametrize("memory", [1 << 19, 1 << 21])
def test_the_largest_batch_fits_and_the_next_does_not(checked, memory, monkeypatch):
    compiled = []
    monkeypatch.setattr(plan, "_bytes", lambda c, *_: _affine(c, compiled))
    found = plan.largest_batch(checked, INFO, memory)
    assert found.exact
    assert found.train_bytes == _affine(_batch(checked, found.value), []) <= memory
    assert _affine(_batch(checked, found.value + 8), []) > memory
    assert found.compiled == len(compiled) <= plan.COMPILES
    assert len(set(compiled)) == len(compiled)


def _batch(checked, batch_size):
    section = dataclasses.replace(checked.input, batch_size=batch_size)
    return dataclasses.replace(checked, input=section)


def _affine(checked, compiled: list) -> int:
    """Bytes of a batch as real programs have them: a line, a little bent."""
    compiled.append(checked.input.batch_size)
    return round(100_000 + 9_000 * checked.input.batch_size**1.02)


@pytest.mark.parametrize(
    ("needs", "value", "exact"),
    [
        (lambda n: 10 * n, 100, True),
        (lambda n: 10 * n + 995, None, True),
        (lambda n: n // 10, 500, False),  # all fit: the list ends, not the memory
        (lambda n: 900 if n < 37 else 1100, 36, None),
        (lambda n: 2 * n * n, 22, True),
        (lambda n: 1000, 500, False),
    ],
)
def test_the_search_ends_where_the_memory_does(needs, value, exact):
    found = plan._search(range(1, 501), needs, lambda n: n, 1000, 7)
    assert found.compiled <= plan.COMPILES
    if exact is None:  # a step is no line: what is said must fit all the same
        assert found.value is None or needs(found.value) <= 1000
        return
    assert (found.value, found.exact) == (value, exact)


def test_the_largest_image_keeps_proportions_and_legal_sides(checked, monkeypatch):
    wide = dataclasses.replace(
        checked.input, train_ops="crop(16, 32) | flip_lr() | normalize()"
    )
    wide = dataclasses.replace(checked, input=wide)
    monkeypatch.setattr(plan, "_bytes", lambda c, i, size: 10 * size[0] * size[1])
    found = plan.largest_size(wide, INFO, 10 * 101 * 202)
    assert found.value == (100, 200)  # the model's stride is 2
    assert found.exact


def test_two_real_programs_differ_as_the_batch_does(checked, planned, monkeypatch):
    whole = planned.resident
    process = plan._bytes(_batch(checked, 16), INFO, None)
    assert process > whole.total + whole.kept > planned.train_bytes
    monkeypatch.setattr(plan.resident, "of", lambda *_: None)  # as on a GPU
    double = plan._bytes(_batch(checked, 16), INFO, None)
    assert planned.train_bytes < double < 2 * planned.train_bytes
