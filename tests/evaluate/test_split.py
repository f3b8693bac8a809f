"""A whole split: every image once, the same integers however it is done."""

import dataclasses
import json

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import SegjaxError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.data import ops
from segjax.evaluate import files, split
from segjax.models.segmenter import Segmenter
from segjax.predict.decide import COUNTS, make_judge
from segjax.predict.whole import Prediction, make_predict

K = 3
INFO = DatasetInfo(
    "toy", ("red", "green", "blue"), ((255, 0, 0), (0, 255, 0), (0, 0, 255))
)
SIZES = ((7, 9), (8, 8), (6, 5), (8, 8), (3, 2), (8, 8), (7, 9), (11, 6), (8, 8))


@dataclasses.dataclass(frozen=True)
class Toy:
    """Images of random colours in many sizes; labels are mostly their colours."""

    info: DatasetInfo = INFO

    def __len__(self) -> int:
        return len(SIZES)

    def __getitem__(self, i: int) -> dict:
        rng = np.random.default_rng(i)
        image = rng.integers(0, 256, (*SIZES[i], 3)).astype(np.uint8)
        label = image.argmax(-1).astype(np.uint8)
        wrong = rng.random(SIZES[i])
        label[wrong < 0.3] = rng.integers(0, K)
        label[wrong > 0.9] = IGNORE
        return {IMAGE: image, LABEL: label, INDEX: i}

    def name(self, i: int) -> str:
        return f"toy{i}"

    def fingerprint(self) -> str:
        return "0" * 64


class Colour(Segmenter):
    """The logits are the colours of the pixels."""

    stride = 4

    @nn.compact
    def __call__(self, x, train: bool = False):
        return x


def evaluate(batch_size: int, host_ops: tuple = (), predict=None) -> split.Evaluation:
    predict = predict or make_predict(
        Colour(),
        normalize=lambda x: jnp.asarray(x, jnp.float32),
        judge=make_judge("multiclass", K),
        batch_size=batch_size,
    )
    return split.run(predict, {}, Toy(), host_ops, split="val", step=7, num_classes=K)


def by_hand(ids: np.ndarray, label: np.ndarray) -> np.ndarray:
    valid = label != IGNORE
    pairs = label[valid].astype(int) * K + ids[valid]
    return np.bincount(pairs, minlength=K * K).reshape(K, K)


@pytest.fixture(scope="module")
def whole():
    return evaluate(8)


def test_counts_are_those_of_numpy_in_the_order_of_the_source(whole):
    for i, counts in enumerate(whole.per_image):
        example = Toy()[i]
        expected = by_hand(example[IMAGE].argmax(-1), example[LABEL])
        assert np.array_equal(counts, expected), i
    assert whole.counts.dtype == np.int64
    assert whole.counts.sum() == sum(
        (Toy()[i][LABEL] != IGNORE).sum() for i in range(9)
    )


def test_another_batch_size_gives_the_same_integers(whole):
    assert np.array_equal(evaluate(16).per_image, whole.per_image)


def test_scores_are_taken_at_the_size_of_the_labels():
    host_ops = (ops.OPS["rescale"](0.5),)
    found = evaluate(8, host_ops)
    for i, counts in enumerate(found.per_image):
        example = Toy()[i]
        small = host_ops[0].map({IMAGE: example[IMAGE]})[IMAGE]
        assert small.shape[0] < example[LABEL].shape[0]
        assert counts.sum() == (example[LABEL] != IGNORE).sum()
        expected = by_hand(_enlarged(small, example[LABEL].shape), example[LABEL])
        assert np.array_equal(counts, expected), i


def _enlarged(small: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Class of every pixel, by bilinear interpolation with half-pixel centres."""
    logits = small.astype(np.float64)
    for axis, size in enumerate(shape):
        old = logits.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = np.minimum(at.astype(int), max(0, old - 2))
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(3)])
        high = np.minimum(low + 1, old - 1)
        logits = (1 - share) * logits.take(low, axis) + share * logits.take(high, axis)
    return logits.astype(np.float32).argmax(-1)


@pytest.mark.parametrize("fault", ["missed", "twice"])
def test_an_image_missed_or_seen_twice_is_an_error(fault):
    def predict(variables, examples):
        made = [
            Prediction(int(e[INDEX]), e[LABEL], {COUNTS: np.zeros((K, K), np.int32)})
            for e in examples
        ]
        return iter(made[1:] if fault == "missed" else [*made[1:], made[1]])

    with pytest.raises(SegjaxError, match="of 9"):
        evaluate(1, predict=predict)


def test_scores_and_rows_are_written(whole, tmp_path):
    files.write_scores(tmp_path, whole, Toy(), INFO, run_id="ab12")
    written = json.loads((tmp_path / "val.json").read_text())
    assert (written["run_id"], written["dataset"]) == ("ab12", INFO.name)
    assert (written["fingerprint"], written["class_digest"]) == (
        Toy().fingerprint(),
        INFO.digest(),
    )
    assert np.array_equal(written["counts"], whole.counts)
    assert written["protocol"] == "whole()"
    assert (written["split"], written["step"], written["num_images"]) == ("val", 7, 9)
    c = whole.counts
    union = c.sum(0) + c.sum(1) - c.diagonal()
    assert [row["name"] for row in written["classes"]] == list(INFO.class_names)
    ious = [row["iou"] for row in written["classes"]]
    np.testing.assert_allclose(ious, c.diagonal() / union, rtol=1e-12)
    assert written["summary"]["miou"] == pytest.approx(np.mean(ious), rel=1e-12)
    assert "loss" not in written["summary"]
    lines = (tmp_path / "val_images.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["name"] for row in rows] == [f"toy{i}" for i in range(9)]
    assert np.array_equal([row["counts"] for row in rows], whole.per_image)


def test_pictures_show_the_best_and_the_worst(whole, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        files.panel, "panel", lambda rows, info, path: drawn.update({path.stem: rows})
    )

    def predict(variables, examples):
        for e in examples:
            ids = e[IMAGE].argmax(-1).astype(np.uint8)
            yield Prediction(int(e[INDEX]), ids, {})

    files.draw(
        tmp_path, whole, Toy(), INFO, predict=predict, variables={}, host_ops=(), rows=2
    )
    ranked = np.argsort(whole.image_miou())
    names = {kind: [row.name for row in rows] for kind, rows in drawn.items()}
    assert names == {
        "panel": ["toy0", "toy8"],
        "worst": [f"toy{i}" for i in ranked[:2]],
        "best": [f"toy{i}" for i in ranked[::-1][:2]],
    }
