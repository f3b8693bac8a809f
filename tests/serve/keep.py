"""Make files that later versions must go on reading: `python -m tests.serve.keep`.

For each format there is one of images and one of clips in `tests/serve/kept`, with the
answers that the version gave which made them. A version that changes the format (see
`segjax.serve.bundle.FORMAT`) runs this once and commits what is new; nothing that is
there is ever made again.
"""

import tempfile
from pathlib import Path

import numpy as np

from segjax.serve.bundle import FORMAT
from segjax.serve.load import load
from tests.serve import runs

FOLDER = Path(__file__).parent / "kept"
FRAMES = 3


def picture() -> np.ndarray:
    """Frames of noise that moves: `(3, 30, 44, 3)` uint8."""
    still = np.random.default_rng(7).integers(0, 256, (30, 50, 3)).astype(np.uint8)
    return np.stack([still[:, i : i + 44] for i in range(FRAMES)])


def answers(model, frames: np.ndarray) -> dict[str, np.ndarray]:
    """What a model says of the last frame alone and, if it remembers, of all."""
    alone = model.answer(frames[-1], probabilities=True)
    found = {"ids": alone.ids, "probabilities": alone.probabilities[::4, ::4]}
    if model.about.takes_clips:
        video = model.stream()
        found["stream"] = np.stack([video.answer(frame).ids for frame in frames])
    return found


def main() -> None:
    """Write what is not there yet."""
    number = FORMAT.rpartition(" ")[2]
    for name, settings in (("images", runs.IMAGES), ("clips", runs.CLIPS)):
        path = FOLDER / f"{number}_{name}.segjax"
        if path.exists():
            print(f"{path.name}: is there, and stays")
            continue
        with tempfile.TemporaryDirectory() as folder:
            made = runs.run(Path(folder) / name, settings)
            words = "--without-code", "--sizes", "32x48", "--limit", "4"
            path.write_bytes(runs.exported(made, *words).read_bytes())
        np.savez_compressed(path.with_suffix(".npz"), **answers(load(path), picture()))
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
