"""Measures in the pass over a split: the same arrays however it is done."""

import dataclasses
import json

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.evaluate import files, measuring, split
from segjax.metrics import measures as table
from segjax.metrics.measure import Frame, OnDevice
from segjax.models.segmenter import Segmenter
from segjax.predict.decide import make_judge
from segjax.predict.whole import make_predict

K = 3
INFO = DatasetInfo(
    "toy", ("red", "green", "blue"), ((255, 0, 0), (0, 255, 0), (0, 0, 255))
)
SIZES = ((32, 40), (24, 24), (24, 24), (32, 40), (24, 24))
EVERY = "probabilities(bins=32) | boundary(2) | surface() | temporal()"


@dataclasses.dataclass(frozen=True)
class Films:
    """Frames of two videos, or of none; labels are mostly the brightest colour."""

    videos: tuple[str, ...] = ("a", "b", "b", "a", "b")
    info: DatasetInfo = INFO

    def __len__(self) -> int:
        return len(SIZES)

    def __getitem__(self, i: int) -> dict:
        rng = np.random.default_rng(i)
        H, W = SIZES[i]
        coarse = rng.integers(0, 256, (H // 8, W // 8, 3))
        image = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)
        label = np.roll(image.argmax(-1), 1, axis=1).astype(np.uint8)
        label[:3] = IGNORE
        return {IMAGE: image, LABEL: label, INDEX: i}

    def name(self, i: int) -> str:
        return f"film{i}"

    def fingerprint(self) -> str:
        return "0" * 64


class Colour(Segmenter):
    """The logits are the colours of the pixels."""

    stride = 4

    @nn.compact
    def __call__(self, x, train: bool = False):
        return x / 64


def evaluate(batch_size: int, text: str = EVERY, source=None) -> split.Evaluation:
    chosen, counters = table.parse(text), {}
    for measure in chosen.values():
        if isinstance(measure, OnDevice):
            counters |= measure.counters(K)
    predict = make_predict(
        Colour(),
        normalize=lambda x: jnp.asarray(x, jnp.float32),
        judge=make_judge("multiclass", K, measures=counters),
        batch_size=batch_size,
    )
    options = dict(split="val", step=7, num_classes=K, measures=chosen)
    return split.run(predict, {}, source or Films(), (), **options)


@pytest.fixture(scope="module")
def whole():
    return evaluate(8)


def test_each_image_gives_what_its_measures_find_alone(whole):
    chosen, before = table.parse(EVERY), {}
    for i in range(len(SIZES)):
        example = Films()[i]
        ids = example[IMAGE].argmax(-1).astype(np.uint8)
        frame = Frame(ids, example[LABEL], example[IMAGE])
        video = Films().videos[i]
        found = {
            **chosen["boundary"].look(frame, K),
            **chosen["surface"].look(frame, K),
            **chosen["temporal"].look(before.get(video), frame, K),
        }
        before[video] = frame
        for name, values in found.items():
            np.testing.assert_array_equal(whole.found[name][i], values, name)
        valid = (example[LABEL] != IGNORE).sum()
        assert whole.found["confidence"][i].sum() == valid
        assert (whole.found["probability"][i].sum((1, 2)) == valid).all()
        right = whole.found["confidence"][i, :, 1].sum()
        assert right == np.trace(whole.per_image[i])


def test_another_batch_size_gives_the_same_arrays(whole):
    for name, values in evaluate(16).found.items():
        np.testing.assert_array_equal(values, whole.found[name], name)
        assert values.dtype == whole.found[name].dtype


def test_the_summary_has_the_measures_and_the_counts_stay(whole):
    plain = evaluate(8, "")
    assert np.array_equal(plain.per_image, whole.per_image)
    assert plain.found == {} and plain.results == {}
    more = whole.summary().keys() - plain.summary().keys()
    assert {"ece", "auc", "boundary_f1", "hd95", "temporal_consistency"} <= more
    assert all(np.isfinite(whole.summary()[name]) for name in more)


def test_the_files_hold_scores_sums_and_rows(whole, tmp_path):
    files.write_scores(tmp_path, whole, Films(), INFO)
    document = json.loads((tmp_path / "val.json").read_text())["measures"]
    assert list(document) == sorted(table.MEASURES)
    arrays = np.load(tmp_path / "val_measures.npz")
    integers = {k for k, v in whole.found.items() if v.dtype == np.int32}
    assert set(arrays) == integers
    for name, entry in document.items():
        result = whole.results[name]
        assert entry["words"] == table.words(name, whole.measures[name])
        for score, value in result.summary.items():
            np.testing.assert_allclose(float(entry["summary"][score]), value)
        for sums, values in entry["sums"].items():
            np.testing.assert_array_equal(values, arrays[sums].sum(0))
    lines = (tmp_path / "val_images.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for i, row in enumerate(rows):
        hd95 = [float(v) for v in row["hd95"]]
        np.testing.assert_allclose(hd95, whole.found["distances"][i, :, 0], rtol=1e-6)
        assert len(row["boundary_iou"]) == K
    assert rows[0]["temporal_consistency"] == "nan"  # the first frame of video a
    assert 0 <= rows[3]["temporal_consistency"] <= 1
    files.write_scores(tmp_path, evaluate(8, ""), Films(), INFO)
    assert not (tmp_path / "val_measures.npz").exists()  # of the other evaluation
    assert "measures" not in json.loads((tmp_path / "val.json").read_text())


def test_probabilities_are_plotted_and_old_plots_go(whole, tmp_path):
    files.plot(tmp_path, whole, INFO)
    names = {"reliability.png", "roc.png", "risk_coverage.png"}
    assert {p.name for p in tmp_path.iterdir()} == names
    files.plot(tmp_path, evaluate(8, ""), INFO)
    assert not list(tmp_path.iterdir())


def test_measures_of_videos_refuse_single_images():
    stills = Films(videos=())
    with pytest.raises(UserError, match=r"temporal\(flow='medium'\) is of videos"):
        evaluate(8, source=stills)
    measuring.refuse_stills(table.parse("surface()"), stills)


def test_rows_carry_integers_and_floats_exactly():
    layout = {"a": ((2, 2), np.int32), "b": ((3,), np.float32), "c": ((), np.int32)}
    a = np.arange(4, dtype=np.int32).reshape(2, 2) - 2
    b = np.asarray([np.nan, 0.1, -np.inf], np.float32)
    row = np.concatenate([a.ravel(), b.view(np.int32), [2**31 - 1]]).astype(np.int32)
    found = measuring.unpack(np.stack([row, row]), layout)
    np.testing.assert_array_equal(found["a"], [a, a])
    np.testing.assert_array_equal(found["b"], [b, b])
    assert found["c"].tolist() == [2**31 - 1] * 2
    none = measuring.unpack(np.zeros((0, 8), np.int32), layout)
    assert none["a"].shape == (0, 2, 2) and none["b"].dtype == np.float32
