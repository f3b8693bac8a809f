"""The table of measures and the string that names them."""

import itertools

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.metrics import measures
from segjax.metrics.measure import OfVideos, OnDevice, OnHost, Result


def test_a_string_names_measures_in_order():
    found = measures.parse("surface() | probabilities(bins=64) | boundary(2)")
    assert list(found) == ["surface", "probabilities", "boundary"]
    assert measures.words("boundary", found["boundary"]) == (
        "boundary(tolerance=2, width=0.02)"
    )
    assert measures.parse("") == {}
    again = " | ".join(measures.words(name, m) for name, m in found.items())
    assert measures.parse(again) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bondary(2)", ["Did you mean 'boundary'"]),
        ("surface(tolerance='2')", ["tolerance='2': is a str"]),
        ("probabilities(bins=100)", ["multiple of 32"]),
        ("surface(-1) | boundary(0)", ["tolerance=-1", "tolerance=0"]),
        ("surface(1) | surface(2)", ["names surface twice"]),
        ("temporal(flow='slow')", ["flow='slow'"]),
    ],
)
def test_all_mistakes_are_said_at_once(text, words):
    with pytest.raises(UserError) as error:
        measures.parse(text, "config.evaluate.measures")
    assert all(word in str(error.value) for word in words)
    assert all(p.startswith("config.evaluate.measures") for p in error.value.problems)


@pytest.mark.parametrize("name", measures.MEASURES)
def test_each_measure_is_of_one_kind_and_says_its_layout(name):
    measure = measures.MEASURES[name]()
    assert sum(isinstance(measure, k) for k in (OnDevice, OnHost, OfVideos)) == 1
    layout = measure.layout(3)
    assert all(dtype in (np.int32, np.float32) for _, dtype in layout.values())
    none = {k: np.zeros((0, *shape), dtype) for k, (shape, dtype) in layout.items()}
    result = measure.result(none, np.zeros((0, 3, 3), np.int64))
    assert all(np.isnan(v) for v in result.summary.values())
    assert all(type(v) is float for v in result.summary.values())
    assert all(np.shape(v) == (3,) for v in result.classes.values())


def test_no_two_measures_give_the_same_name():
    """Not in what they find, nor in their numbers."""
    every = [entry() for entry in measures.MEASURES.values()]
    layouts = [m.layout(2) for m in every]
    for a, b in itertools.combinations(layouts, 2):
        assert not a.keys() & b.keys()
    results = []
    for measure, layout in zip(every, layouts, strict=True):
        none = {k: np.zeros((0, *s), dtype) for k, (s, dtype) in layout.items()}
        results.append(measure.result(none, np.zeros((0, 2, 2), np.int64)).summary)
    for a, b in itertools.combinations(results, 2):
        assert not a.keys() & b.keys()


def test_a_table_reads_so():
    result = Result(
        {"hd95": 2.5, "assd": np.nan},
        {"hd95": np.asarray([1.0, 4.0]), "edge_missed": np.asarray([0, 3])},
        ("Distances are in pixels.",),
    )
    assert measures.table("surface()", result, ("ground", "car")).splitlines() == [
        "surface()",
        "  hd95 2.5000  assd -",
        "  class     hd95  edge missed",
        "  ground  1.0000            0",
        "  car     4.0000            3",
        "  Distances are in pixels.",
    ]
