"""What pydensecrf, the authors' C++ code, answers to a few random inputs.

Recorded by `python -m tests.postprocess.crf_oracle` in `crf_oracle.npz`, so that the
default tests need no such package; it also says how far the lattice is from the exact
sums. The number of pixels is a multiple of 4, without
which that code adds points of its own.
"""

import pathlib

import numpy as np
from scipy import ndimage

from segjax.postprocess.crf import Crf

STORED = pathlib.Path(__file__).with_suffix(".npz")

CASES = {
    "defaults": ((16, 20), 3, Crf()),
    "many_classes": ((11, 16), 12, Crf(iterations=3)),
    "two_classes": ((20, 18), 2, Crf(iterations=2, appearance_px=9)),
    "places_alone": ((16, 20), 4, Crf(appearance=0, smoothness_px=2.5)),
    "colours_alone": ((16, 20), 4, Crf(smoothness=0, appearance_colour=40)),
    "one_line": ((1, 64), 3, Crf(iterations=4)),
}
"""Name -> size, classes and step."""


def given(
    size: tuple[int, int], K: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in blotches, and an image whose colours disagree with them."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((*size, K))
    logits = 4 * ndimage.gaussian_filter(noise, (2, 2, 0)) + 0.6 * noise
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    parts = ndimage.gaussian_filter(rng.standard_normal((*size, K)), (3, 3, 0))
    colours = rng.integers(0, 256, (K, 3))
    image = colours[parts.argmax(-1)] + rng.normal(0, 15, (*size, 3))
    return shares.astype(np.float32), image.clip(0, 255).astype(np.uint8)


def theirs(step: Crf, shares: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The same step by pydensecrf."""
    from pydensecrf import densecrf

    height, width, K = shares.shape
    crf = densecrf.DenseCRF2D(width, height, K)
    unary = -np.log(shares.clip(1e-5, 1)).reshape(-1, K).T
    crf.setUnaryEnergy(np.ascontiguousarray(unary))
    if step.smoothness:
        crf.addPairwiseGaussian(step.smoothness_px, step.smoothness)
    if step.appearance:
        widths = step.appearance_px, step.appearance_colour
        crf.addPairwiseBilateral(*widths, np.ascontiguousarray(image), step.appearance)
    found = np.array(crf.inference(step.iterations))
    return np.ascontiguousarray(found.T).reshape(height, width, K)


def exact(step: Crf, shares: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The same step with true Gaussians between every two pixels."""
    height, width, K = shares.shape
    places = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2).astype(np.float64)
    colours = image.reshape(-1, 3).astype(np.float64)
    both = [places / step.appearance_px, colours / step.appearance_colour]
    kernels = []
    for weight, features in (
        (step.smoothness, places / step.smoothness_px),
        (step.appearance, np.concatenate(both, axis=1)),
    ):
        squares = ((features[:, None] - features) ** 2).sum(-1)
        kernel = np.exp(-squares / 2)
        root = np.sqrt(kernel.sum(1))
        kernels.append(weight * kernel / root[:, None] / root)
    logits = np.log(shares.reshape(-1, K).clip(1e-5, 1).astype(np.float64))
    found = _softmax(logits)
    for _ in range(step.iterations):
        found = _softmax(logits + sum(kernel @ found for kernel in kernels))
    return found.reshape(height, width, K)


def _softmax(logits: np.ndarray) -> np.ndarray:
    found = np.exp(logits - logits.max(-1, keepdims=True))
    return found / found.sum(-1, keepdims=True)


def far(step: Crf, K: int) -> str:
    """How far the lattice is from the exact sums, on three random images of 40x48."""
    rows = []
    for seed in range(3):
        shares, image = given((40, 48), K, seed)
        found, wanted = step.shares(shares, image), exact(step, shares, image)
        error = np.abs(found - wanted)
        decided = [x.argmax(-1) for x in (found, wanted, shares)]
        flips = 100 * (decided[0] != decided[1]).mean()
        change = 100 * (decided[2] != decided[1]).mean()
        rows.append((error.mean(), error.max(), flips, change))
    mean, most, flips, change = np.mean(rows, 0)
    return (
        f"{step}, {K} classes: mean error {mean:.4f}, largest {most:.2f}; "
        f"{flips:.2f} % of the pixels decided otherwise, {change:.0f} % changed by it"
    )


if __name__ == "__main__":
    answers = {n: theirs(step, *given(*form)) for n, (*form, step) in CASES.items()}
    np.savez_compressed(STORED, **answers)
    print(f"{STORED.name}: {STORED.stat().st_size:,} bytes")
    for K in (2, 5):
        for step in (Crf(iterations=1), Crf()):
            print(far(step, K))
