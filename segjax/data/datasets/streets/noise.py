"""Tables of random numbers that repeat without a seam, made once per process."""

import functools

import cv2
import numpy as np

_SIDE = 256


@functools.lru_cache(maxsize=1)
def cloud() -> np.ndarray:
    """Smooth noise of all scales, float32 `(256, 256)`, mean 0, deviation 1."""
    rng = np.random.default_rng(1)
    total = np.zeros((_SIDE, _SIDE), np.float32)
    for cells, weight in ((4, 1.0), (8, 0.55), (16, 0.32), (32, 0.2), (64, 0.12)):
        total += weight * _smooth(rng, cells)
    return ((total - total.mean()) / total.std()).astype(np.float32)


@functools.lru_cache(maxsize=1)
def grain() -> np.ndarray:
    """Fine noise with some blotches, float32 `(256, 256)`, mean 0, deviation 1."""
    rng = np.random.default_rng(2)
    total = rng.standard_normal((_SIDE, _SIDE)).astype(np.float32)
    total = 0.6 * total + 0.8 * _smooth(rng, 64) + 0.9 * _smooth(rng, 12)
    return ((total - total.mean()) / total.std()).astype(np.float32)


@functools.lru_cache(maxsize=1)
def sensor() -> np.ndarray:
    """White noise, float32 `(512, 2048)`, mean 0, deviation 1."""
    return np.random.default_rng(3).standard_normal((512, 2048)).astype(np.float32)


def sample(table: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values of a repeating `table` at fractional positions, float32, interpolated.

    Positions are within +-32000, the range of `cv2.remap`.
    """
    shape = np.broadcast_shapes(columns.shape, rows.shape)
    x, y = np.empty(shape, np.float32), np.empty(shape, np.float32)
    x[:], y[:] = columns, rows
    return cv2.remap(table, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _smooth(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Seamless smooth noise with `cells` cells along each side."""
    coarse = np.pad(rng.standard_normal((cells, cells)), 2, mode="wrap")
    step = _SIDE // cells
    fine = cv2.resize(
        coarse.astype(np.float32), None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC
    )
    return fine[2 * step : 2 * step + _SIDE, 2 * step : 2 * step + _SIDE]
