"""A run and an exported model look the same to those who predict with them."""

import numpy as np
import pytest

from segjax import predictable
from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.predict.whole import prepare
from tests.serve import runs


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = runs.run(tmp_path_factory.mktemp("run"), runs.IMAGES)
    words = "--limit", "2", "--without-code", "--sizes", "24x32"
    return folder, runs.exported(folder, *words)


def test_both_are_predictable_and_predict_alike(pair):
    image = np.random.default_rng(0).integers(0, 256, (40, 56, 3)).astype(np.uint8)
    label, answers = np.full((40, 56), IGNORE, np.uint8), []
    for path in pair:
        own, variables, step = predictable.load(path)
        assert isinstance(own, predictable.Predictable) and step == 3
        assert own.info.num_classes == 11 and own.threads >= 1
        assert predictable.pixels(path) == own.info.pixels
        assert set(predictable.recorded(path)) == {"train", "val"}
        example = {IMAGE: image, LABEL: label, INDEX: np.int64(0)}
        chosen = own.predictor(
            batch_size=2,
            protocol=own.protocol("buckets((24, 32))", "--protocol"),
            postprocess=own.postprocess("mode(3)", "--postprocess"),
        )
        (found,) = chosen.predict()(variables, [prepare(example, own.host_ops)])
        answers.append(found.ids)
    np.testing.assert_array_equal(*answers)


def test_parts_of_a_file_have_its_programs_and_its_ways(pair):
    parts, _, _ = predictable.parts(pair[1])
    assert parts.config.protocol.name.startswith("buckets(")
    assert parts.run_id and parts.run_id == predictable.parts(pair[0])[0].run_id
    with pytest.raises(UserError, match="any size"):
        parts.protocol("whole()")
    with pytest.raises(UserError, match="no such step"):
        parts.postprocess("melt()")


def test_neither_is_said_to_be_neither(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="holds no run"):
            predictable.load(path)
    (tmp_path / "text.segjax").write_text("text")
    with pytest.raises(UserError, match="no exported model"):
        predictable.load(tmp_path / "text.segjax")
