"""Files of earlier versions are read, pass their check and give the answers they gave.

`tests.serve.keep` makes them.
"""

import numpy as np
import pytest

from segjax.serve.bundle import FORMAT, Bundle
from segjax.serve.load import load
from segjax.serve.statistics import reference
from tests.serve.keep import FOLDER, answers, picture

KEPT = sorted(FOLDER.glob("*.segjax"))


def test_there_are_files_of_this_format():
    number = FORMAT.rpartition(" ")[2]
    names = {path.name for path in KEPT}
    assert {f"{number}_images.segjax", f"{number}_clips.segjax"} <= names


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_an_old_file_gives_what_it_gave(path):
    model = load(path)
    expected = np.load(path.with_suffix(".npz"))
    found = answers(model, picture())
    assert set(found) == set(expected)
    for name in ("ids", "stream"):
        if name in found:  # another version may round sums otherwise
            assert np.mean(found[name] == expected[name]) > 0.999
    np.testing.assert_allclose(
        found["probabilities"], expected["probabilities"], atol=1e-4
    )


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_an_old_file_says_what_it_said(path):
    model = load(path, checked=False)
    assert len(model.info.class_names) == 11
    assert model.manifest["scores"]["num_images"] == 4
    assert 0 <= model.manifest["scores"]["summary"]["miou"] <= 1
    assert model.config["data"]["name"] == "streets"
    assert reference(model.statistics)["luminance"].shape
    assert model.card.startswith("# ")
    with Bundle(path) as bundle:
        assert bundle.verify() == len(bundle.names())
