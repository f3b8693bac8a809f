"""A random forest on what stands around each pixel, at several scales."""

import concurrent.futures
import dataclasses
import os
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int, UInt8

from segjax.baselines import sample
from segjax.baselines.examples import Examples, Image, Progress, low
from segjax.core.errors import UserError, raise_problems

SIGMAS = (1, 4, 16)
"""Of the Gaussians that make the scales, in pixels."""

REACH = 4 * SIGMAS[-1] + 4
"""Pixels farther away than this move no feature of a pixel."""

BYTES = 2**28
"""Of features that are held at once; a larger image goes in stripes."""

CHUNK = 2**16
"""Pixels that a thread answers at once."""

MOST_CHANNELS = 64


@dataclasses.dataclass(frozen=True)
class RandomForest:
    """The strongest method here, and the form in which many a labelling tool ships one.

    A pixel's features are the grey image (plain mean), its edges and the eigenvalues of
    its Hessian, each channel, all behind Gaussians of three widths; and its place.

    Source: Breiman, Random Forests, 2001, of scikit-learn; features after ilastik
    (Sommer et al., ilastik: Interactive Learning and Segmentation Toolkit, 2011) as
    `multiscale_basic_features` of scikit-image.
    Differs: edges and texture of the grey image alone; training pixels are drawn evenly
    over the classes, and `prior` puts their shares back.

    Attributes:
      pixels: of the training split.
      trees: of the forest.
      depth: of a tree, at most.
      prior: power of the classes' shares that multiplies the forest's answer: 0 takes
        all classes for equally common, 1 for as common as in the training split.
    """

    pixels: int = 100_000
    trees: int = 40
    depth: int = 16
    prior: float | int = 0.5

    def __post_init__(self):
        raise_problems(low(self, pixels=100, trees=1, depth=1, prior=0))

    def fit(
        self, source: Examples, *, seed: int = 0, progress: Progress = None
    ) -> "Forest":
        """Draw pixels and grow the trees.

        Raises:
          UserError: no pixel is labelled, or images have too many channels.
        """
        from sklearn.ensemble import RandomForestClassifier

        if (C := source.info.pixels.channels) > MOST_CHANNELS:
            raise UserError(
                f"random_forest: {source.info.name} has {C} channels; {MOST_CHANNELS} "
                "are allowed, as each makes features at every scale. Choose others "
                "with --names."
            )
        X, y, counts = sample.draw(
            source,
            _of_some,
            number=self.pixels,
            seed=seed,
            balanced=True,
            progress=progress,
        )
        forest = RandomForestClassifier(
            n_estimators=self.trees,
            max_depth=self.depth,
            min_samples_leaf=2,
            random_state=seed,
            n_jobs=-1,
        ).fit(X, y)
        forest.n_jobs = 1  # threads of its own add up in any order
        share = counts[forest.classes_] / counts.sum()
        facts = {"pixels": len(y), "features": X.shape[1]}
        return Forest(
            forest, forest.classes_.astype(np.uint8), share**self.prior, facts
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Forest:
    """Trees, the classes that they know, and a weight of each class."""

    trees: Any
    classes: UInt8[np.ndarray, "k"]
    weights: Float64[np.ndarray, "k"]
    facts: dict[str, Any]

    def __call__(self, image: Image) -> UInt8[np.ndarray, "H W"]:
        """The class with the largest weighted answer of the trees."""
        H, W = image.shape[:2]
        rows = max(REACH, BYTES // (4 * W * number_of(image)))
        tops = range(0, H, rows)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            ids = [self._stripe(image, top, top + rows, pool) for top in tops]
        return np.concatenate(ids)

    def _stripe(self, image: Image, top: int, bottom: int, pool) -> np.ndarray:
        X = features(image, top, bottom)
        flat = X.reshape(-1, X.shape[-1])
        parts = [flat[i : i + CHUNK] for i in range(0, len(flat), CHUNK)]
        answers = pool.map(self.trees.predict_proba, parts)
        best = [(answer * self.weights).argmax(1) for answer in answers]
        return self.classes[np.concatenate(best)].reshape(X.shape[:2])


def features(
    image: Image, top: int = 0, bottom: int | None = None
) -> Float32[np.ndarray, "h W F"]:
    """The features of the rows from `top` to `bottom`; the same in any stripe."""
    from skimage import feature

    H, W = image.shape[:2]
    bottom = H if bottom is None else min(bottom, H)
    first = max(0, top - REACH)
    part = image[first : bottom + REACH].astype(np.float32)
    scales = {
        "sigma_min": SIGMAS[0],
        "sigma_max": SIGMAS[-1],
        "num_sigma": len(SIGMAS),
        "channel_axis": -1,
    }
    found = [
        feature.multiscale_basic_features(
            part.mean(-1, keepdims=True, dtype=np.float32), **scales
        )
    ]
    if image.shape[-1] > 1:
        only = {"edges": False, "texture": False}
        found.append(feature.multiscale_basic_features(part, **only, **scales))
    own = slice(top - first, bottom - first)
    places = sample.place(image.shape, np.arange(top * W, bottom * W))
    return np.concatenate(
        [*(each[own] for each in found), places.reshape(bottom - top, W, 2)], axis=-1
    )


def number_of(image: Image) -> int:
    """Features of a pixel."""
    C = image.shape[-1]
    return len(SIGMAS) * (4 + (C if C > 1 else 0)) + 2


def _of_some(image: Image, chosen: Int[np.ndarray, "N"]) -> Float32[np.ndarray, "N F"]:
    """The features of some pixels, a stripe at a time."""
    H, W = image.shape[:2]
    rows = max(REACH, BYTES // (4 * W * number_of(image)))
    found = []
    for top in range(0, H, rows):
        here = chosen[(chosen >= top * W) & (chosen < (top + rows) * W)] - top * W
        if len(here):
            X = features(image, top, top + rows)
            found.append(X.reshape(-1, X.shape[-1])[here])
    return np.concatenate(found)
