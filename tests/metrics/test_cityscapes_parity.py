"""The same label maps through cityscapesScripts, compared to the last digit."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from segjax.core.keys import IGNORE
from segjax.metrics import confusion, scores

pytest.importorskip("cityscapesscripts", reason="cityscapesScripts is not installed")

NUM_IMAGES, SIZE = 4, (32, 64)
MODULE = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"


@pytest.fixture
def official(tmp_path, monkeypatch):
    """The official module, looking at an empty tree; it reads the paths on import."""
    truth = tmp_path / "gtFine" / "val" / "frankfurt"
    results = tmp_path / "results"
    truth.mkdir(parents=True)
    results.mkdir()
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path))
    monkeypatch.setenv("CITYSCAPES_RESULTS", str(results))
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # gone from numpy 2.4
    module = pytest.importorskip(MODULE)
    yield module, truth, results
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize("classes", ["all", "some"])
def test_equal_to_the_last_digit(official, classes):
    module, truth, results = official
    from cityscapesscripts.helpers.labels import labels as table

    evaluated = [label for label in table if not label.ignoreInEval]
    assert [label.trainId for label in evaluated] == list(range(19))
    raw = {label.trainId: label.id for label in evaluated}
    void = [label.id for label in table if label.ignoreInEval and label.id >= 0]
    true_ids = range(19) if classes == "all" else [0, 1, 2, 7, 13]
    predicted_ids = range(19) if classes == "all" else [0, 1, 2, 8, 13]

    rng = np.random.default_rng(0)
    total = confusion.empty(19, other=True)
    for i in range(NUM_IMAGES):
        ids = rng.choice(true_ids, SIZE)
        guess = np.where(rng.random(SIZE) < 0.6, ids, rng.choice(predicted_ids, SIZE))
        ids = np.where(rng.random(SIZE) < 0.1, IGNORE, ids)  # ignored truth
        ids[:4] = IGNORE
        guess = np.where(rng.random(SIZE) < 0.05, IGNORE, guess)  # void predicted
        to_raw = np.zeros(256, np.uint8)
        to_raw[list(raw)] = list(raw.values())
        stem = f"frankfurt_{i:06d}_000019"
        for where, name, values in (
            (truth, f"{stem}_gtFine_labelIds.png", ids),
            (results, f"{stem}_pred.png", guess),
        ):
            pixels = np.where(values == IGNORE, rng.choice(void, SIZE), to_raw[values])
            Image.fromarray(pixels.astype(np.uint8)).save(where / name)
        total = confusion.update(
            total,
            confusion.count(
                jnp.asarray(ids[None].astype(np.uint8)),
                jnp.asarray(guess[None].astype(np.uint8)),
                19,
                other=True,
            ),
        )

    module.args.quiet = True
    module.args.JSONOutput = False
    module.args.evalInstLevelScore = False
    paths = sorted(str(p) for p in truth.glob("*_labelIds.png"))
    predictions = [module.getPrediction(module.args, p) for p in paths]
    expected = module.evaluateImgLists(predictions, paths, module.args)

    found = scores.iou(total)
    for label in evaluated:
        score = expected["classScores"][label.name]
        assert found[label.trainId] == score or (
            np.isnan(found[label.trainId]) and np.isnan(score)
        )
    assert np.isnan(found).any() == (classes == "some")
    assert scores.miou(total, "cityscapes") == expected["averageScoreClasses"]
    # Without the pixels predicted as void the number is another one.
    assert scores.miou(total[:, :19], "cityscapes") != expected["averageScoreClasses"]
