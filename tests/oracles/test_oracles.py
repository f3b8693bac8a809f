"""Every oracle, from its fixture; with PyTorch also live."""

import dataclasses

import pytest

from tests.oracles import harness

ORACLES = harness.oracles()


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * o.slow) for n, o in ORACLES.items()],
)
def test_it_equals_what_was_recorded(name):
    oracle = ORACLES[name]
    assert oracle.fixture.exists(), f"python -m tests.oracles.record {name}"
    assert harness.stored(oracle) <= oracle.tolerance


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ORACLES))
def test_it_equals_the_other_side_now(name):
    pytest.importorskip("torch")
    harness.live(ORACLES[name])


def test_every_fixture_has_an_oracle_and_is_small():
    for path in harness.FIXTURES.glob("*.npz"):
        assert path.stem in ORACLES, path
        assert path.stat().st_size < 64_000, path


def renamed(*modules) -> harness.Oracle:
    oracle = ORACLES["unet_plain"]
    names = dataclasses.replace(oracle.names, modules=modules)
    return dataclasses.replace(oracle, names=names)


def test_two_swapped_arrays_of_one_shape_are_noticed():
    rules = ORACLES["unet_plain"].names.modules
    swapped = renamed(
        (r"up\.0\.norm1", "up0/norm2"), (r"up\.0\.norm2", "up0/norm1"), *rules
    )
    assert harness.stored(swapped) > 100 * swapped.tolerance


def test_arrays_without_a_place_are_all_named():
    with pytest.raises(AssertionError) as caught:
        harness.stored(renamed(*ORACLES["unet_plain"].names.modules[:-1]))
    lines = str(caught.value).splitlines()[1:5]
    assert lines == [
        "head.weight: no rule fits its name",
        "head.bias: no rule fits its name",
        "params/head/bias: gets nothing",
        "params/head/kernel: gets nothing",
    ]
